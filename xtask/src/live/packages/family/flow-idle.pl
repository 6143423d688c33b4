#!/usr/bin/perl
# Runs, and nothing else.
$| = 1;
print "@NAME@ @VERSION@ runs\n";
sleep 3600 while 1;
