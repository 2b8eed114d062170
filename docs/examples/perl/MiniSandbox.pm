# mini_sandbox.h, which documents it, by FFI::Platypus (Debian: libffi-platypus-perl): its functions
# as MiniSandbox::start() and so on, its codes as MiniSandbox::ALREADY_STARTED.
#
# MINI_SANDBOX_LIBRARY names the file of the library; libmini-sandbox.so.1 if it does not.
package MiniSandbox;
use v5.32;
use warnings;
use FFI::Platypus 2.00;

my %codes = (
    OK => 0, MORE_THAN_ONE_MODE => -1, ROOT_TWICE => -2, NOT_A_DIRECTORY => -3,
    NO_OVERLAYS => -4, NO_SUCH_PATH => -5, NOT_ABSOLUTE => -6, LOG_TWICE => -7,
    OVERLAY_IN_WRITABLE => -8, READ_AND_WRITE => -9, NETWORK_CONFLICT => -10,
    TMP_IN_DEFAULT_MODE => -11, INVALID_ARGUMENT => -12, SYSTEM_ERROR => -100,
    INSIDE_ALREADY => -201, ALREADY_STARTED => -202, TIMED_OUT => -203, ENDED => -204,
    UNKNOWN_ERROR => -1000,
);
require constant;
constant->import(\%codes);

# What a setting takes: of the process by its name, of an object with that before.
my %settings = (
    setup_default => [], setup_custom => ['string', 'string'], setup_hermetic => ['string'],
    setup_readonly => [], mount_bind => ['string'], mount_write => ['string'],
    mount_tmpfs => ['string'], mount_overlay => ['string'],
    mount_empty_output_file => ['string'], mount_parents_write => [],
    set_working_dir => ['string'], share_network => [], enable_log => ['string'],
    allow_connections => ['string'], allow_rule => ['string'], allow_domain => ['string'],
    allow_all_domains => [], allow_max_connections => ['int'], allow_ipv4 => ['string'],
    allow_ipv6 => ['string'], allow_ipv4_subnet => ['string'], allow_ipv6_subnet => ['string'],
);
my %functions = (
    get_last_error_code => [[] => 'int'], get_last_error_msg => [[] => 'string'],
    start => [[] => 'int'], is_running => [[] => 'int'],
    new => [[] => 'opaque'], free => [['opaque'] => 'void'],
    spawn => [['opaque', 'opaque', 'opaque*'] => 'int'],
    wait => [['opaque', 'int', 'int*'] => 'int'], kill => [['opaque', 'int'] => 'int'],
    pid => [['opaque'] => 'int'], pidfd => [['opaque'] => 'int'],
    events_fd => [['opaque'] => 'int'], process_free => [['opaque'] => 'void'],
);
while (my ($name, $arguments) = each %settings) {
    $functions{$name} = [$arguments => 'int'];
    $functions{"object_$name"} = [['opaque', @$arguments] => 'int'];
}

my $ffi = FFI::Platypus->new(
    api => 2, lib => $ENV{MINI_SANDBOX_LIBRARY} // 'libmini-sandbox.so.1');
for my $name (keys %functions) {
    # _allow_ is in libmini-tapbox only, _share_network in libmini-sandbox only.
    next unless $ffi->find_symbol("mini_sandbox_$name");
    $ffi->attach(["mini_sandbox_$name" => $name], @{$functions{$name}});
}

# Dies with the last error's words, where a function of the library returned a code.
sub check { my $code = shift; die get_last_error_msg(), "\n" if $code != 0; $code }

# run(OBJECT, WORD...): the command, with the standard streams of this program, and what wait() says
# of it ($? in perlvar(1)).
sub run {
    my ($sandbox, @words) = @_;
    my $argv = pack 'p*', @words, undef;
    # struct mini_sandbox_command: size, argv, envp, working_directory, stdio, and what aligns it.
    my $command = pack 'J P J J i3 x4', 48, $argv, 0, 0, 0, 1, 2;
    my ($process, $status);
    check(spawn($sandbox, unpack('J', pack 'P', $command), \$process));
    my $waited = MiniSandbox::wait($process, -1, \$status);
    process_free($process);
    check($waited);
    return $status;
}

1;
