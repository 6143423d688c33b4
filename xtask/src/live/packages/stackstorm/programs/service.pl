#!/usr/bin/perl
# One of the services. The API answers as the real one does without a token.
use strict;
use IO::Socket::INET;
$| = 1;
$SIG{TERM} = sub { exit 0 };
print "@NAME@ @VERSION@ runs\n";
if ('@NAME@' ne 'st2api') {
    sleep 60 while 1;
}
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 9101, Listen => 5, ReuseAddr => 1)
    or die "port 9101: $!\n";
while (my $client = $server->accept) {
    while (my $line = <$client>) { last if $line =~ /^\r?\n$/ }
    print $client "HTTP/1.0 401 Unauthorized\r\nContent-Length: 7\r\nConnection: close\r\n\r\n@VERSION@\r\n";
    close $client;
}
