# One program under load for 8 to 10 s on two cores, with the short bursts that such a load makes: scenario.sh NAME.
set -eu
cd /scenario

until_it_answers() { # a server that does not start fails the scenario, and does not hang it
    for _ in $(seq 200); do
        if "$@" > /dev/null 2>&1; then return; fi
        sleep 0.05
    done
    echo "no answer: $*" >&2
    exit 1
}

get() { ab -q "$@" > /dev/null; }

case "$1" in
redis)
    # Small values all along; three times a batch of large ones in a pipeline, which are flushed at once.
    redis-server --save "" --port 6379 > /dev/null &
    until_it_answers redis-cli ping
    for _ in 1 2 3; do
        redis-benchmark -q -t set,get -n 190000 -r 50000 -d 200 -P 4 > /dev/null
        redis-benchmark -q -t set -n 250 -r 250 -d 400000 -P 16 -c 4 > /dev/null
        redis-cli flushall > /dev/null
        sleep 0.5
    done
    redis-cli shutdown nosave
    ;;
nginx)
    # Pages all along; twice 40 uploads of 1 MB at once, which it keeps in memory as it is told to.
    head -c 1000000 /dev/zero > /tmp/upload
    nginx -c /scenario/nginx.conf &
    until_it_answers ab -n 1 http://127.0.0.1:8080/
    for _ in 1 2; do
        get -t 4 -n 1000000 -c 20 http://127.0.0.1:8080/
        get -n 40 -c 40 -p /tmp/upload http://127.0.0.1:8080/upload
    done
    kill %1
    ;;
postgres)
    # Short transactions all along; in between a report whose sort needs some hundred MiB.
    postgres=$(echo /usr/lib/postgresql/*/bin)
    as_postgres() { su postgres -c "$*" > /dev/null 2>&1; }
    as_postgres "$postgres/pg_ctl" -w -D /scenario/data -l /scenario/data/log start
    as_postgres "$postgres/pgbench" -q -i -s 3 postgres
    as_postgres "$postgres/pgbench" -c 4 -T 3 postgres
    as_postgres "$postgres/psql" -f /scenario/sort.sql postgres
    as_postgres "$postgres/pgbench" -c 4 -T 3 postgres
    as_postgres "$postgres/pg_ctl" -w -m fast -D /scenario/data stop
    ;;
jvm)
    # Objects that die young all along; once a large result, and buffers for sending it.
    java -Xmx256m -cp /scenario Orders
    ;;
node)
    # Small answers all along; three times four requests at once that build a buffer each.
    node server.js &
    until_it_answers ab -n 1 http://127.0.0.1:8080/
    for _ in 1 2 3; do
        get -t 2 -n 1000000 -c 8 http://127.0.0.1:8080/
        get -n 4 -c 4 http://127.0.0.1:8080/export
        sleep 0.5
    done
    kill %1
    ;;
gunicorn)
    # Four forked workers; three times each of them is asked for an export.
    gunicorn --workers 4 --bind 127.0.0.1:8080 --log-level error catalogue:application &
    until_it_answers ab -n 1 http://127.0.0.1:8080/
    for _ in 1 2 3; do
        get -t 2 -n 1000000 -c 8 http://127.0.0.1:8080/
        get -n 8 -c 4 http://127.0.0.1:8080/export
        sleep 0.5
    done
    kill %1
    ;;
*)
    echo "no such scenario: $1" >&2
    exit 1
    ;;
esac
wait || true # a server that was told to end may say so with its exit code
