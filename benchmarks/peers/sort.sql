SET work_mem = '256MB';
SELECT count(*) FROM (SELECT n FROM generate_series(1, 600000) n ORDER BY md5(n::text)) sorted;
