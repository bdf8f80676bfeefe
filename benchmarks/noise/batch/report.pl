# The most read pages, and how many clients each had.
use strict;
use warnings;

my (%bytes, %clients);
while (<STDIN>) {
    my ($client, $path, $size) = split;
    $bytes{$path} += $size;
    $clients{$path}{$client}++ if $size > 50_000;
}
my @first = sort { $bytes{$b} <=> $bytes{$a} } keys %bytes;
printf "%s %d %d\n", $_, $bytes{$_}, scalar keys %{ $clients{$_} || {} } for @first[0 .. 9];
