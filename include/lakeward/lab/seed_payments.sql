-- One payment for an order, or, for every tenth, a third at once and the rest later.
INSERT INTO payments
SELECT
    id * 2 + part,
    id,
    CASE WHEN status <> 'new' THEN ordered_at + (part * 14 * 86400 + pg_temp.pick(id, 60, 7200)) * interval '1 second' END,
    CASE WHEN mod(id, 10) <> 0 THEN total WHEN part = 0 THEN trunc(total / 3, 2) ELSE total - trunc(total / 3, 2) END,
    pg_temp.choose(id, 61, ARRAY['card', 'card', 'twint', 'invoice', 'paypal'])
FROM orders CROSS JOIN LATERAL generate_series(0, CASE WHEN mod(id, 10) = 0 THEN 1 ELSE 0 END) AS part
WHERE status <> 'cancelled' AND id BETWEEN %(first)s::bigint AND %(last)s::bigint
ORDER BY id, part;
