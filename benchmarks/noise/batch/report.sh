# What sort holds and what the report counts overlap in time, more or less.
set -eu
sort --buffer-size=32M --parallel=2 --key=2 /access.log | perl /report.pl
