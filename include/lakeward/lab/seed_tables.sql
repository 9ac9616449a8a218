-- The retail source as a shop grew it: nested JSON in columns, indexes, no partitions.
DROP TABLE IF EXISTS payments, orders, products, customers CASCADE;

CREATE TABLE customers (
    id           bigint PRIMARY KEY,
    email        text NOT NULL,
    name         text NOT NULL,
    country      text NOT NULL,
    created_at   timestamptz NOT NULL,
    credit_limit numeric(12,2),
    profile      jsonb
);

CREATE TABLE products (
    sku        text PRIMARY KEY,
    name       text NOT NULL,
    category   text NOT NULL,
    price      numeric(12,2) NOT NULL,
    weight_kg  numeric(10,3),
    attributes jsonb NOT NULL
);

-- total = sum over payload.items of (quantity * unit_price - discount) + payload.shipping.cost, to the cent.
-- A discount is an amount off its line; a coupon's percentage is contained in the discounts already.
CREATE TABLE orders (
    id          bigint PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers,
    status      text NOT NULL,
    ordered_at  timestamptz NOT NULL,
    shipped_on  date,
    total       numeric(14,2) NOT NULL,
    currency    text NOT NULL,
    payload     jsonb NOT NULL
);

-- The payments of an order that was not cancelled add up to its total; one that is due has no paid_at yet.
CREATE TABLE payments (
    id       bigint PRIMARY KEY,
    order_id bigint NOT NULL REFERENCES orders,
    paid_at  timestamptz,
    amount   numeric(14,2) NOT NULL,
    method   text NOT NULL
);

-- A figure from 0 to below `bound` that looks random and is always the same for the same row and salt.
CREATE FUNCTION pg_temp.pick(id bigint, salt bigint, bound bigint) RETURNS bigint LANGUAGE sql IMMUTABLE
    RETURN mod(hashint8extended(id, salt) & 9223372036854775807, bound);

CREATE FUNCTION pg_temp.choose(id bigint, salt bigint, options text[]) RETURNS text LANGUAGE sql IMMUTABLE
    RETURN options[1 + mod(hashint8extended(id, salt) & 9223372036854775807, cardinality(options))];

CREATE FUNCTION pg_temp.place(id bigint) RETURNS jsonb LANGUAGE sql IMMUTABLE
    RETURN ('[{"zip": "8001", "city": "Zürich", "country": "CH"}, {"zip": "1204", "city": "Genève", "country": "CH"},
              {"zip": "9490", "city": "Vaduz", "country": "LI"}, {"zip": "10115", "city": "Berlin", "country": "DE"},
              {"zip": "1010", "city": "Wien", "country": "AT"}, {"zip": "75001", "city": "Paris", "country": "FR"},
              {"zip": "00118", "city": "Roma", "country": "IT"}, {"zip": "", "city": "", "country": "CH"}]'::jsonb)
           -> mod(hashint8extended(id, 1) & 9223372036854775807, 8)::int;

-- Instants at which days, weeks, months and years end in Zurich and in UTC, and both days of the clock change.
CREATE TEMPORARY TABLE edge ON COMMIT DROP AS
SELECT number, instant FROM unnest(ARRAY[
    '2025-01-01 00:00:00Z', '2024-12-31 23:00:00Z', '2024-12-31 23:59:59.999999Z', '2025-01-31 22:59:59.999999Z',
    '2025-01-31 23:00:00Z', '2025-01-31 23:59:59.999999Z', '2025-02-01 00:00:00Z', '2025-02-28 23:00:00Z',
    '2025-03-29 22:59:59.999999Z', '2025-03-29 23:00:00Z', '2025-03-30 00:59:59.999999Z', '2025-03-30 01:00:00Z',
    '2025-03-30 21:59:59.999999Z', '2025-03-30 22:00:00Z', '2025-06-30 21:59:59.999999Z', '2025-06-30 22:00:00Z',
    '2025-10-25 21:59:59.999999Z', '2025-10-25 22:00:00Z', '2025-10-26 00:30:00Z', '2025-10-26 01:30:00Z',
    '2025-10-26 22:59:59.999999Z', '2025-10-26 23:00:00Z', '2025-12-28 22:59:59.999999Z', '2025-12-28 23:00:00Z',
    '2025-12-31 22:59:59.999999Z', '2025-12-31 23:00:00Z', '2025-12-31 23:59:59.999999Z', '2026-01-01 00:00:00Z',
    '2026-02-28 22:59:59.999999Z', '2026-02-28 23:00:00Z', '2026-03-29 01:00:00Z', '2026-06-30 21:59:59.999999Z'
]::timestamptz[]) WITH ORDINALITY AS e (instant, number);
