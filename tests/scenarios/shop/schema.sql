-- A small shop with awkward names, nested records, tables without a key and without rows, instants around midnight, and four
-- events that must be set aside.
CREATE TABLE "Customer" ("Id" bigint PRIMARY KEY, "select" text, profile jsonb, joined timestamptz);
CREATE TABLE "Order" (id bigint PRIMARY KEY, customer bigint REFERENCES "Customer", placed timestamptz, total numeric(12,2) NOT NULL,
    currency char(3) NOT NULL, note text, lines jsonb);
CREATE TABLE log (at timestamp, what text);
CREATE TABLE nothing (id int PRIMARY KEY, worth numeric(8,2));
INSERT INTO "Customer"
SELECT n, CASE n % 3 WHEN 0 THEN '' WHEN 1 THEN 'Zoë ' || n END,
    CASE n % 4 WHEN 0 THEN NULL WHEN 1 THEN '{}' WHEN 2 THEN '{"tier": null, "address": {"city": "Bern"}}'
    ELSE jsonb_build_object('tier', 'gold', 'address', jsonb_build_object('city', '', 'zip', n::text), 'extra', n) END,
    timestamptz '2024-03-31 00:59:59+00' + n * interval '11 hours'
FROM generate_series(1, 60) n;
INSERT INTO "Order"
SELECT n, CASE WHEN n % 7 > 0 THEN 1 + n % 60 END, CASE WHEN n % 11 > 0 THEN timestamptz '2024-10-26 21:30:00+00' + n * interval '31 minutes' END,
    (n % 997) * 1.01 - 5, CASE n % 2 WHEN 0 THEN 'CHF' ELSE 'EU' END, CASE WHEN n % 5 = 0 THEN 'rush' END,
    CASE n % 6 WHEN 0 THEN NULL WHEN 1 THEN '[]'::jsonb
    ELSE (SELECT jsonb_agg(jsonb_build_object('sku', 'p' || i, 'quantity', i, 'price', (n * i % 100) + 0.05)) FROM generate_series(1, n % 6) i) END
FROM generate_series(1, 900) n;
INSERT INTO log SELECT timestamp '2024-01-01' + n * interval '1 day', 'same' FROM generate_series(1, 40) n, generate_series(1, 2) twice;
CREATE TABLE event (id int PRIMARY KEY, detail jsonb);
INSERT INTO event SELECT n, jsonb_build_object('kind', 'k' || n % 3, 'size', CASE WHEN n % 10 = 7 THEN '"large"' ELSE to_jsonb(n) END,
    'tags', CASE n % 4 WHEN 0 THEN NULL WHEN 1 THEN '[]'::jsonb ELSE jsonb_build_array('a', 'b' || n) END) FROM generate_series(1, 40) n;
