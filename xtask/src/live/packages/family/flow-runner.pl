#!/usr/bin/perl
# Does not end when it is asked to.
$SIG{TERM} = 'IGNORE';
$| = 1;
print "flow-runner @VERSION@ runs\n";
sleep 3600 while 1;
