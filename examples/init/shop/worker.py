"""Looks for orders in the database, once a second."""

import os
import time

import psycopg2

connection = psycopg2.connect(os.environ["DATABASE_URL"])
while True:
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity")
        print("active:", cursor.fetchone()[0], flush=True)
    time.sleep(1)
