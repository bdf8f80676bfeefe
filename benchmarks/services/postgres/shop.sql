CREATE TABLE orders AS
SELECT n AS id, n % 500 AS customer, (n * 7919) % 10007 AS price, md5(n::text) AS note FROM generate_series(1, 60000) n;
ALTER TABLE orders ADD PRIMARY KEY (id);
CREATE INDEX ON orders (customer);
VACUUM ANALYZE orders;
