WITH RECURSIVE base AS (
    -- a domain is followed down to the type that it stands on; its own modifier counts
    SELECT t.oid AS domain, t.typbasetype AS type, t.typtypmod AS modifier
    FROM pg_type t WHERE t.typtype = 'd'
    UNION ALL
    SELECT b.domain, t.typbasetype, CASE WHEN b.modifier = -1 THEN t.typtypmod ELSE b.modifier END
    FROM base b JOIN pg_type t ON t.oid = b.type WHERE t.typtype = 'd'
)
SELECT n.nspname, c.relname,
    CASE WHEN c.relkind IN ('r', 'p') AND EXISTS (
        WITH RECURSIVE below AS (
            SELECT inhrelid FROM pg_inherits WHERE inhparent = c.oid
            UNION SELECT i.inhrelid FROM pg_inherits i JOIN below b ON i.inhparent = b.inhrelid)
        SELECT FROM below JOIN pg_class f ON f.oid = below.inhrelid WHERE f.relkind = 'f')
        THEN 'partly f' ELSE c.relkind::text END,
    has_table_privilege(c.oid, 'SELECT') OR has_any_column_privilege(c.oid, 'SELECT'),
    row_security_active(c.oid),
    EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid),
    greatest(c.reltuples, 0)::bigint,
    CASE WHEN c.relkind IN ('r', 'm') THEN pg_relation_size(c.oid) ELSE 0 END,
    (SELECT json_agg(json_build_object(
            'name', a.attname,
            'type', format_type(a.atttypid, a.atttypmod),
            'base', bt.typname,
            'nullable', NOT (a.attnotnull OR (t.typtype = 'd' AND t.typnotnull)),
            'modifier', CASE WHEN t.typtype = 'd' THEN coalesce(d.modifier, -1) ELSE a.atttypmod END,
            'category', CASE WHEN bt.typcategory = 'A' AND bt.typname NOT IN ('int2vector', 'oidvector') THEN 'array'
                             WHEN bt.typtype = 'c' THEN 'composite' WHEN bt.typtype = 'e' THEN 'enum'
                             WHEN bt.typnamespace <> 'pg_catalog'::regnamespace THEN 'extension'
                             WHEN t.typtype = 'd' THEN 'domain' ELSE 'plain' END,
            'element', coalesce(CASE WHEN et.typtype = 'c' THEN 'record' ELSE et.typname END, ''),
            'definition', CASE WHEN 'e' IN (bt.typtype, et.typtype)
                               THEN (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
                                     FROM pg_enum e WHERE e.enumtypid IN (bt.oid, et.oid))
                               WHEN t.typtype = 'd' THEN format_type(bt.oid, coalesce(d.modifier, -1))
                               WHEN eb.type IS NOT NULL THEN format_type(eb.type, eb.modifier) ELSE '' END,
            'readable', has_column_privilege(c.oid, a.attnum, 'SELECT'),
            'comment', coalesce(col_description(c.oid, a.attnum), '')) ORDER BY a.attnum)
     FROM pg_attribute a
     JOIN pg_type t ON t.oid = a.atttypid
     LEFT JOIN LATERAL (SELECT b.type, b.modifier FROM base b JOIN pg_type u ON u.oid = b.type
                        WHERE b.domain = t.oid AND u.typtype <> 'd') d ON true
     JOIN pg_type bt ON bt.oid = coalesce(d.type, t.oid)
     LEFT JOIN base eb ON eb.domain = bt.typelem AND NOT EXISTS (SELECT FROM pg_type u WHERE u.oid = eb.type AND u.typtype = 'd')
     LEFT JOIN pg_type et ON et.oid = coalesce(eb.type, bt.typelem)
     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
    (SELECT json_agg(a.attname ORDER BY k.position)
     FROM pg_constraint p, unnest(p.conkey) WITH ORDINALITY k(attnum, position)
     JOIN pg_attribute a ON a.attnum = k.attnum
     WHERE p.conrelid = c.oid AND p.contype = 'p' AND a.attrelid = c.oid),
    (SELECT json_agg(json_build_object('columns', f.columns, 'schema', fn.nspname, 'table', fc.relname, 'to', f.targets)
                     ORDER BY f.name)
     FROM (SELECT p.conname AS name, p.confrelid,
               (SELECT json_agg(a.attname ORDER BY k.position) FROM unnest(p.conkey) WITH ORDINALITY k(attnum, position)
                JOIN pg_attribute a ON a.attrelid = p.conrelid AND a.attnum = k.attnum) AS columns,
               (SELECT json_agg(a.attname ORDER BY k.position) FROM unnest(p.confkey) WITH ORDINALITY k(attnum, position)
                JOIN pg_attribute a ON a.attrelid = p.confrelid AND a.attnum = k.attnum) AS targets
           FROM pg_constraint p WHERE p.conrelid = c.oid AND p.contype = 'f' AND p.conparentid = 0) f
     JOIN pg_class fc ON fc.oid = f.confrelid JOIN pg_namespace fn ON fn.oid = fc.relnamespace),
    (SELECT json_agg(pg_get_indexdef(i.indexrelid) ORDER BY i.indexrelid) FROM pg_index i
     WHERE i.indrelid = c.oid AND NOT i.indisprimary),
    (WITH RECURSIVE above AS (
        SELECT inhparent FROM pg_inherits WHERE inhrelid = c.oid
        UNION SELECT i.inhparent FROM pg_inherits i JOIN above a ON i.inhrelid = a.inhparent)
     SELECT json_agg(pn.nspname || '.' || pc.relname ORDER BY pn.nspname, pc.relname)
     FROM above JOIN pg_class pc ON pc.oid = above.inhparent JOIN pg_namespace pn ON pn.oid = pc.relnamespace),
    scale(0::money::numeric),
    has_table_privilege(c.oid, 'SELECT'),
    c.relispartition
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
ORDER BY n.nspname, c.relname
