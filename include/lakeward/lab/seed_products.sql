INSERT INTO products
SELECT
    'SKU-' || lpad(i::text, 5, '0'),
    pg_temp.choose(i, 20, ARRAY['Trekking', 'Café', 'Büro', 'Alpin', 'Été', 'Basic', '抹茶', 'Komfort']) || ' '
        || pg_temp.choose(i, 21, ARRAY['Jacke', 'Tasse', 'Stuhl', 'Seil', 'Lampe', 'Sack', 'Schale']) || ' ' || i,
    pg_temp.choose(i, 22, ARRAY['clothing', 'kitchen', 'furniture', 'outdoor', 'lighting', 'tea & coffee']),
    CASE WHEN mod(i, 37) = 0 THEN 0.00 WHEN mod(i, 10) = 9 THEN 0.05 + pg_temp.pick(i, 23, 100) / 100.0
         ELSE 5.00 + pg_temp.pick(i, 24, 4000) * 0.05 END,
    CASE WHEN mod(i, 13) <> 0 THEN (1 + pg_temp.pick(i, 25, 45000)) / 1000.0 END,
    CASE WHEN mod(i, 11) = 0 THEN '{}'::jsonb ELSE
        jsonb_build_object('color', pg_temp.choose(i, 26, ARRAY['red', 'blau', 'vert', 'nero', '']))
        || CASE WHEN pg_temp.pick(i, 27, 2) = 1
                THEN jsonb_build_object('size', pg_temp.choose(i, 28, ARRAY['S', 'M', 'L', 'XL'])) ELSE '{}' END
        || CASE WHEN pg_temp.pick(i, 29, 3) = 1
                THEN jsonb_build_object('material', pg_temp.choose(i, 30, ARRAY['wool', 'Holz', 'acier'])) ELSE '{}' END
        || CASE WHEN pg_temp.pick(i, 31, 5) = 1 THEN '{"EAN code": "0761234567890", "care.wash": "40°"}'::jsonb ELSE '{}' END
    END
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS i;
