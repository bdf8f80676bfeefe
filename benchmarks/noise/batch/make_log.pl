# A log of so many requests: client, path, bytes.
use strict;
use warnings;

srand(7);
for (1 .. $ARGV[0]) {
    my $client = join ".", map { int rand 40 } 1 .. 4;
    printf "%s /page/%d %d\n", $client, rand() ** 3 * 5000, rand 100_000;
}
