#!/usr/bin/perl
# A command in a sandbox of its own, while this program stays where it is.
use v5.32;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use MiniSandbox;

$| = 1;
my $sandbox = MiniSandbox::new();
my $status = eval {
    MiniSandbox::check(MiniSandbox::object_setup_default($sandbox));
    MiniSandbox::run($sandbox, 'sh', '-c',
        'touch /usr/local/planted 2>/dev/null || echo refused; exit 5');
} // die "no sandbox: $@";
MiniSandbox::free($sandbox);
say $status & 127 ? 'signal ' . ($status & 127) : 'exit code ' . ($status >> 8);
