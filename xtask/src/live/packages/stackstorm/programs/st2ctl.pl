#!/usr/bin/perl
# Registers content in MongoDB, or makes the virtualenvs of packs anew. With /run/st2-slow it waits in the middle.
use strict;
use IO::Socket::INET;
my $words = join ' ', @ARGV;
if ($words =~ /--register-recreate-virtualenvs/) {
    mkdir '/opt/stackstorm/virtualenvs';
    open(my $made, '>', '/opt/stackstorm/virtualenvs/made-by') or die "$!\n";
    print $made "@VERSION@\n";
    exit 0;
}
die "Invalid flag: $words\n" unless $words eq 'reload --register-all';
sub document { my $all = join '', @_; pack('V', length($all) + 5) . "$all\0" }
sub text { my ($name, $value) = @_; "\x02$name\0" . pack('V', length($value) + 1) . "$value\0" }
sub list { my ($name, @all) = @_; my $place = 0; "\x04$name\0" . document(map { "\x03" . $place++ . "\0$_" } @all) }
my $mongodb = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => 27017) or die "MongoDB: $!\n";
sub add {
    my ($id) = @_;
    my $body = document(text('insert', 'action_d_b'), list('documents', document(text('_id', $id))), text('$db', 'st2'));
    my $message = pack('V', 0) . "\0" . $body;
    print $mongodb pack('VVVV', length($message) + 16, 1, 0, 2013) . $message;
    $mongodb->flush;
    read($mongodb, my $length, 4) == 4 or die "MongoDB closed\n";
    read($mongodb, my $answer, unpack('V', $length) - 4);
}
add("core.of-@VERSION@");
while (-e '/run/st2-slow') {
    open(my $waits, '>', '/run/st2-waits');
    close $waits;
    select(undef, undef, undef, 0.1);
}
add("core.all-of-@VERSION@");
print "registered\n";
