CREATE DATABASE shop;
USE shop;
CREATE TABLE orders (id INT PRIMARY KEY, customer INT, price INT, note CHAR(32), KEY (customer)) ENGINE=InnoDB;
INSERT INTO orders SELECT seq, seq % 500, (seq * 7919) % 10007, md5(seq) FROM seq_1_to_40000;
