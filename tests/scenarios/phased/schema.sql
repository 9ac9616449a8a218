CREATE TABLE customers (customer_id int PRIMARY KEY, country text NOT NULL, tags jsonb);
CREATE TABLE orders (
  order_id int PRIMARY KEY,
  customer_id int NOT NULL REFERENCES customers,
  placed_at timestamptz,
  total numeric(12,2) NOT NULL,
  replaces int REFERENCES orders,
  payload jsonb
);
CREATE TABLE order_lines (
  order_id int NOT NULL REFERENCES orders ON DELETE CASCADE, line int, amount numeric(12,2) NOT NULL, PRIMARY KEY (order_id, line)
);
CREATE TABLE picks (pick_id int PRIMARY KEY, order_id int NOT NULL, line int NOT NULL, shelf text,
  FOREIGN KEY (order_id, line) REFERENCES order_lines ON DELETE CASCADE);
CREATE TABLE notes (note_id int PRIMARY KEY, order_id int, body text);  -- of no order, too
CREATE TABLE stock (sku int PRIMARY KEY, amount numeric(12,2) NOT NULL);

INSERT INTO customers SELECT n, (ARRAY['CH','DE','FR'])[n % 3 + 1], '["a","b"]' FROM generate_series(1, 20) n;
-- March and May; the second order of each is of the last second of its local month.
INSERT INTO orders
  SELECT 100 * m + n, n % 20 + 1,
    CASE WHEN n = 2 THEN timestamp '2024-01-01' + interval '1 month' * m - interval '1 second'
         ELSE timestamp '2024-01-01' + interval '1 month' * (m - 1) + interval '31 hours' * n END AT TIME ZONE 'Europe/Zurich',
    100 * m + n + 0.05, CASE WHEN n = 3 AND m > 3 THEN 301 END, jsonb_build_object('channel', 'web', 'items', jsonb_build_array(
      jsonb_build_object('sku', n, 'price', 1.10)))
  FROM unnest(ARRAY[3, 5]) m, generate_series(1, 20) n;
INSERT INTO orders VALUES
  (900, 1, NULL, 9.99, NULL, NULL), (901, 2, 'infinity', 8.88, NULL, NULL), (902, 2, '0001-01-01 00:00:00+00 BC', 7.77, NULL, NULL),
  -- the hours about both changes of the clock, and about the midnights of their days
  (910, 3, '2024-03-30 22:59:59.999999+00', 1.00, NULL, '{}'), (911, 3, '2024-03-30 23:00:00+00', 1.01, NULL, '{}'),
  (912, 3, '2024-03-31 21:59:59.999999+00', 1.02, NULL, '{}'), (913, 3, '2024-03-31 22:00:00+00', 1.03, NULL, '{}');
INSERT INTO order_lines SELECT order_id, l, round(total / 2, 2) FROM orders, generate_series(1, 2) l;
INSERT INTO picks SELECT row_number() OVER (ORDER BY order_id, line), order_id, line, 'A' || line FROM order_lines;
INSERT INTO notes SELECT order_id, order_id, 'note ' || order_id FROM orders WHERE order_id % 2 = 0;
INSERT INTO notes VALUES (5000, NULL, 'of nobody');
INSERT INTO stock SELECT n, n FROM generate_series(-5, 30) n WHERE n NOT BETWEEN 10 AND 19;
