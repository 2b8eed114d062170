#!/usr/bin/perl
# The rest of this program, confined.
use v5.32;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use MiniSandbox;

say 'outside';
eval {
    MiniSandbox::check(MiniSandbox::setup_default());
    MiniSandbox::check(MiniSandbox::start());
    1;
} or die "no sandbox: $@";
open my $planted, '>', '/usr/local/planted' or say "planted: $!";
open my $result, '>', 'result' or die "result: $!";    # the working directory is writable
say $result 'done';
close $result or die "result: $!";
say 'inside: ', MiniSandbox::is_running();
exit 7;
