\set customer random(1, 500)
\set id random(1, 60000)
SELECT count(*), sum(price) FROM orders WHERE customer = :customer;
UPDATE orders SET price = price + 1 WHERE id = :id;
SELECT max(note) FROM (SELECT note, row_number() OVER (ORDER BY note) FROM orders WHERE price > 2000) sorted;
