CREATE TABLE customers (id bigint PRIMARY KEY, name text NOT NULL, tags jsonb);
CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customers, status text NOT NULL,
  placed_at timestamptz NOT NULL, total numeric(12,2) NOT NULL, payload json);
ALTER TABLE orders ALTER payload SET STORAGE EXTERNAL;
CREATE TABLE order_lines (order_id bigint REFERENCES orders ON UPDATE CASCADE ON DELETE CASCADE, line int, quantity int NOT NULL,
  PRIMARY KEY (order_id, line));
INSERT INTO customers SELECT g, 'c' || g, jsonb_build_array('t' || g, 'all') FROM generate_series(1, 20) g;
CREATE FUNCTION large(n bigint) RETURNS json LANGUAGE sql AS $$
  SELECT json_build_object('channel', 'web' || n, 'items',
    (SELECT json_agg(json_build_object('sku', i, 'price', n + i * 0.01, 'text', repeat('x', 1500))) FROM generate_series(1, 3) i)) $$;
INSERT INTO orders SELECT g, 1 + g % 20, 'new', '2026-01-01Z'::timestamptz + g * interval '6 hours', g * 1.10, large(g)
  FROM generate_series(1, 300) g;
INSERT INTO order_lines SELECT g, l, l FROM generate_series(1, 300) g, generate_series(0, 2) l;
