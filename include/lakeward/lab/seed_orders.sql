WITH head AS (
    SELECT
        i AS id,
        1 + pg_temp.pick(i, 40, %(customers)s::bigint) AS customer_id,
        CASE WHEN mod(i, 29) = 0 THEN 'refunded'
             ELSE pg_temp.choose(i, 41, ARRAY['new', 'paid', 'shipped', 'delivered', 'delivered', 'delivered', 'cancelled']) END
            AS status,
        -- From the first of January 2025 to the last of June 2026 in Zurich, in the order of ids but for some hours.
        coalesce(edge.instant, timestamptz '2024-12-31 23:00:00Z'
            + (i - 1) * (545 * 86400000000 / %(orders)s::bigint) * interval '1 microsecond'
            + pg_temp.pick(i, 42, 86400) * interval '1 second') AS ordered_at,
        pg_temp.choose(i, 43, ARRAY['CHF', 'CHF', 'CHF', 'EUR']) AS currency,
        pg_temp.choose(i, 44, ARRAY['post', 'express', 'pickup', 'courier']) AS method
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS i
    LEFT JOIN edge ON edge.number = i
), line AS (
    SELECT
        head.id,
        position,
        sku,
        (CASE WHEN status = 'refunded' THEN -1 ELSE 1 END) * (1 + pg_temp.pick(head.id * 8 + position, 45, 4)) AS quantity,
        CASE WHEN head.id = 50 AND position = 1 THEN 1234567890.12 ELSE price END AS unit_price,
        CASE WHEN status <> 'refunded' AND price >= 5 AND pg_temp.pick(head.id * 8 + position, 46, 5) = 0
             THEN 0.10 + pg_temp.pick(head.id * 8 + position, 47, 8) * 0.55 END AS discount
    FROM head
    CROSS JOIN LATERAL generate_series(1, 1 + pg_temp.pick(head.id, 48, 5)) AS position
    JOIN products ON sku = 'SKU-' || lpad((1 + pg_temp.pick(head.id * 8 + position, 49, %(products)s::bigint))::text, 5, '0')
    WHERE mod(head.id, 101) <> 0 AND mod(head.id, 103) <> 0 AND mod(head.id, 107) <> 0
), items AS (
    SELECT
        id,
        sum(quantity * unit_price - coalesce(discount, 0)) AS amount,
        jsonb_agg(jsonb_build_object('sku', sku, 'quantity', quantity, 'unit_price', unit_price)
            || CASE WHEN discount IS NULL THEN '{}' ELSE jsonb_build_object('discount', discount) END
            ORDER BY position) AS list
    FROM line GROUP BY id
), priced AS (
    SELECT head.*, coalesce(amount, 0) AS amount, list,
        CASE WHEN status = 'refunded' OR method = 'pickup' OR mod(head.id, 202) = 0 THEN 0.00
             WHEN method = 'post' THEN 4.90 WHEN method = 'express' THEN 12.00 ELSE 7.95 END AS cost
    FROM head LEFT JOIN items USING (id)
)
INSERT INTO orders
SELECT
    id,
    customer_id,
    status,
    ordered_at,
    CASE WHEN status IN ('shipped', 'delivered', 'refunded')
         THEN (ordered_at AT TIME ZONE 'Europe/Zurich')::date + pg_temp.pick(id, 50, 6)::int END,
    amount + cost,
    currency,
    jsonb_build_object(
        'channel', pg_temp.choose(id, 51, ARRAY['web', 'web', 'app', 'store', 'phone']),
        'shipping', jsonb_build_object('method', method, 'cost', cost)
            || CASE WHEN method = 'pickup' THEN '{}' ELSE jsonb_build_object('address', pg_temp.place(id)) END)
    || CASE WHEN list IS NOT NULL THEN jsonb_build_object('items', list) WHEN mod(id, 101) = 0 THEN '{"items": []}'
            WHEN mod(id, 103) = 0 THEN '{"items": null}' ELSE '{}' END
    || CASE WHEN pg_temp.pick(id, 52, 6) = 0
            THEN jsonb_build_object('coupon', jsonb_build_object(
                'code', pg_temp.choose(id, 53, ARRAY['SUMMER', 'NEUJAHR', 'ÉTÉ-10', '']),
                'percent', 5 + 2.5 * pg_temp.pick(id, 54, 4)))
            WHEN pg_temp.pick(id, 52, 6) = 1 THEN '{"coupon": null}' ELSE '{}' END
FROM priced ORDER BY id;
