SELECT COUNT(*), SUM(price) FROM orders WHERE customer = FLOOR(RAND() * 500);
UPDATE orders SET price = price + 1 WHERE id = FLOOR(1 + RAND() * 40000);
SELECT MAX(note) FROM (SELECT note, ROW_NUMBER() OVER (ORDER BY note) FROM orders WHERE price > 2000) sorted;
SELECT COUNT(*) FROM (SELECT note, COUNT(*) FROM orders GROUP BY note) grouped;
