CREATE TABLE items (sku int PRIMARY KEY, name text NOT NULL, price numeric(10,2) NOT NULL);
CREATE TABLE invoices (id bigint PRIMARY KEY, sku int NOT NULL REFERENCES items, placed date NOT NULL, amount numeric(12,2) NOT NULL);
CREATE TABLE orders (id bigint PRIMARY KEY, sku int NOT NULL REFERENCES items, placed_at timestamptz NOT NULL, total numeric(12,2) NOT NULL);
CREATE TABLE notes (id bigint PRIMARY KEY, told text NOT NULL);
INSERT INTO items SELECT g, 'item ' || g, g * 1.10 FROM generate_series(1, 20) g;
INSERT INTO invoices SELECT g, 1 + g % 20, '2024-01-10'::date + g, g * 0.05 FROM generate_series(1, 80) g;
INSERT INTO orders SELECT g, 1 + g % 20, '2024-06-01Z'::timestamptz + g * interval '1 hour', g * 1.01 FROM generate_series(1, 100) g;
INSERT INTO notes SELECT g, 'note ' || g FROM generate_series(1, 5) g;
