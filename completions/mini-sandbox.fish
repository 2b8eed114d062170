# fish completion for mini-sandbox and mini-tapbox. Installed under both names; fish loads the one
# of the command that is completed.

set -l with_value -o --custom -h --hermetic -w --write -M --bind -m --to -e --tmpfs \
    -k --overlay -d --scratch-dir --scratch-size -F --rules --allow -p --publish -W --chdir \
    --setenv --unsetenv --keep-env -T --time-limit -t --kill-delay -D --debug-log \
    --log --max-connections

function __fish_mini_sandbox_in_doctor
    set -l words (commandline -opc)
    test (count $words) -gt 1; and test $words[2] = doctor
end

# Whether the words so far are options and their values only.
function __fish_mini_sandbox_in_options --inherit-variable with_value
    set -l is_value no
    for word in (commandline -opc)[2..]
        if test $is_value = yes
            set is_value no
        else if contains -- $word $with_value
            set is_value yes
        else if string match -qr -- '^-[xnNHRUPiq]+[ohwMmekdFWTtD]$' $word
            set is_value yes
        else if not string match -qr -- '^(-[^-]|--.|@.)' $word
            return 1
        end
    end
end

for program in mini-sandbox mini-tapbox
    complete -c $program -e
    complete -c $program -n 'test (count (commandline -opc)) = 1' -a doctor -d 'Examine this machine'
    complete -c $program -n __fish_mini_sandbox_in_doctor -l json -d 'The same for programs'
    complete -c $program -n __fish_mini_sandbox_in_doctor -l help -d 'Show what doctor does'
    # The command and its arguments.
    complete -c $program -x -a "(__fish_complete_subcommand -- $with_value)"

    complete -c $program -n __fish_mini_sandbox_in_options -s x -l default -d 'The system read-only, HOME and /tmp private'
    complete -c $program -n __fish_mini_sandbox_in_options -s o -l custom -x -a '(__fish_complete_directories)' -d 'An empty root, with overlays'
    complete -c $program -n __fish_mini_sandbox_in_options -s h -l hermetic -x -a '(__fish_complete_directories)' -d 'An empty root'

    complete -c $program -n __fish_mini_sandbox_in_options -s w -l write -r -F -d 'Writable, through to the host'
    complete -c $program -n __fish_mini_sandbox_in_options -s M -l bind -r -F -d 'Shows inside, read-only'
    complete -c $program -n __fish_mini_sandbox_in_options -s m -l to -r -F -d 'Where the -M before it shows'
    complete -c $program -n __fish_mini_sandbox_in_options -s e -l tmpfs -x -a '(__fish_complete_directories)' -d 'An empty directory'
    complete -c $program -n __fish_mini_sandbox_in_options -s k -l overlay -r -F -d 'Can be changed; the changes are gone afterwards'
    complete -c $program -n __fish_mini_sandbox_in_options -s d -l scratch-dir -x -a '(__fish_complete_directories)' -d 'Keep changes of overlays on disk'
    complete -c $program -n __fish_mini_sandbox_in_options -l scratch-size -x -d 'How much may be kept in memory'

    complete -c $program -n __fish_mini_sandbox_in_options -s H -l localhost -d 'The host name inside is localhost'

    complete -c $program -n __fish_mini_sandbox_in_options -s W -l chdir -x -a '(__fish_complete_directories)' -d 'Its working directory'
    complete -c $program -n __fish_mini_sandbox_in_options -s R -l root -d 'It appears to run as root'
    complete -c $program -n __fish_mini_sandbox_in_options -s U -l nobody -d 'It appears to run as nobody'
    complete -c $program -n __fish_mini_sandbox_in_options -s P -l pty -d 'It gets a terminal of its own'
    complete -c $program -n __fish_mini_sandbox_in_options -l nested -d 'It may make sandboxes itself'

    complete -c $program -n __fish_mini_sandbox_in_options -l setenv -x -a '(set -nx)=' -d 'Set a variable'
    complete -c $program -n __fish_mini_sandbox_in_options -l unsetenv -x -a '(set -nx)' -d 'Remove a variable'
    complete -c $program -n __fish_mini_sandbox_in_options -l keep-env -x -a '(set -nx)' -d 'Keep a variable that would be removed'

    complete -c $program -n __fish_mini_sandbox_in_options -s T -l time-limit -x -d 'SIGTERM after so many seconds'
    complete -c $program -n __fish_mini_sandbox_in_options -s t -l kill-delay -x -d 'SIGKILL so many seconds later'
    complete -c $program -n __fish_mini_sandbox_in_options -s i -l interrupt-terminates -d 'SIGINT sends SIGTERM, then SIGKILL'

    complete -c $program -n __fish_mini_sandbox_in_options -s q -l quiet -d 'Say nothing but errors'
    complete -c $program -n __fish_mini_sandbox_in_options -s D -l debug-log -r -F -d 'Write what is done'
    complete -c $program -n __fish_mini_sandbox_in_options -l print-plan -d 'Show what would be done'
    complete -c $program -n __fish_mini_sandbox_in_options -l help -d 'Show the options'
    complete -c $program -n __fish_mini_sandbox_in_options -l version -d 'Show the version'
end

complete -c mini-sandbox -n __fish_mini_sandbox_in_options -s n -l no-loopback -d 'Not even a loopback device'
complete -c mini-sandbox -n __fish_mini_sandbox_in_options -s N -l share-network -d 'The host\'s network'
complete -c mini-sandbox -n __fish_mini_sandbox_in_options -l allow-degraded -d 'A weaker sandbox where namespaces are refused'

complete -c mini-tapbox -n __fish_mini_sandbox_in_options -s F -l rules -r -F -d 'An allow-list'
complete -c mini-tapbox -n __fish_mini_sandbox_in_options -l allow -x -d 'One rule of an allow-list'
complete -c mini-tapbox -n __fish_mini_sandbox_in_options -l log -r -F -d 'Write verdicts and flows'
complete -c mini-tapbox -n __fish_mini_sandbox_in_options -l max-connections -x -d 'How many at a time'
complete -c mini-tapbox -n __fish_mini_sandbox_in_options -l strict-names -d 'Refuse what does not say which server it means'
complete -c mini-tapbox -n __fish_mini_sandbox_in_options -s p -l publish -x -d 'A port of this machine that leads inside'
