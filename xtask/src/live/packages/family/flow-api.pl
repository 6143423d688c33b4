#!/usr/bin/perl
# Answers over HTTP with its version, where the data is of a format that it knows.
use strict;
use IO::Socket::INET;
$| = 1;
open(my $data, '<', '/var/lib/flow/format') or die "no data: $!\n";
my $found = <$data>;
chomp $found;
die "format $found is newer than @FORMAT@\n" if $found > @FORMAT@;
open(my $conf, '<', '/etc/flow/flow.conf') or die "no configuration: $!\n";
my ($port) = map { /^port = (\d+)/ ? $1 : () } <$conf>;
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 5, ReuseAddr => 1)
    or die "port $port: $!\n";
print "flow-api @VERSION@ listens\n";
while (my $client = $server->accept) {
    while (my $line = <$client>) { last if $line =~ /^\r?\n$/ }
    print $client "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n@VERSION@";
    close $client;
}
