# bash completion for mini-sandbox and mini-tapbox. Needs nothing but bash; completes the command's
# own arguments where the bash-completion package is loaded.

# The words of the line as the shell itself will split them: bash splits them at = : and @ as well
# (COMP_WORDBREAKS). Sets words, cword (the word being completed) and left, the part of it that
# readline does not replace.
_mini_sandbox_words() {
  local rest=$COMP_LINE blank word i
  words=()
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    blank=${rest%%[![:blank:]]*}
    rest=${rest#"$blank"}
    rest=${rest#"$word"}
    left=
    if ((i == 0)) || [[ -n $blank ]]; then
      words+=("$word")
    else
      left=${words[-1]}
      words[-1]+=$word
    fi
  done
  # A separator stays where it is, but for @, which readline takes for a part of what follows
  # (readline's rl_special_prefixes).
  case $word in = | :) left+=$word ;; esac
  left=${left%@}
  cword=$((${#words[@]} - 1))
}

# What follows option $1: dir, path, name, assignment, other, or nothing.
_mini_sandbox_value() {
  case $1 in
    -o | --custom | -h | --hermetic | -e | --tmpfs | -d | --scratch-dir | -W | --chdir) echo dir ;;
    -w | --write | -M | --bind | -m | --to | -k | --overlay | -D | --debug-log) echo path ;;
    --unsetenv | --keep-env) echo name ;;
    --setenv) echo assignment ;;
    --scratch-size | -T | --time-limit | -t | --kill-delay) echo other ;;
    -F | --rules | --log) [[ $2 != mini-tapbox ]] || echo path ;;
    --allow | -p | --publish | --max-connections) [[ $2 != mini-tapbox ]] || echo other ;;
  esac
}

# The options of program $1.
_mini_sandbox_options() {
  printf '%s\n' -x --default -o --custom -h --hermetic -w --write -M --bind -m --to -e --tmpfs \
    -k --overlay -d --scratch-dir --scratch-size -H --localhost -W --chdir -R --root -U --nobody \
    -P --pty --nested --setenv --unsetenv --keep-env -T --time-limit -t --kill-delay \
    -i --interrupt-terminates -q --quiet -D --debug-log --print-plan --help --version
  case $1 in
    mini-tapbox) printf '%s\n' -F --rules --allow --strict-names -p --publish --max-connections --log ;;
    *) printf '%s\n' -n --no-loopback -N --share-network --allow-degraded ;;
  esac
}

# Completes $2 as what $1 says a value is.
_mini_sandbox_complete_value() {
  case $1 in
    dir) compopt -o filenames && mapfile -t COMPREPLY < <(compgen -d -- "$2") ;;
    path) compopt -o filenames && mapfile -t COMPREPLY < <(compgen -f -- "$2") ;;
    name) mapfile -t COMPREPLY < <(compgen -e -- "$2") ;;
    assignment)
      [[ $2 == *=* ]] && return
      compopt -o nospace
      mapfile -t COMPREPLY < <(compgen -e -S = -- "$2")
      ;;
  esac
}

_mini_sandbox() {
  local program=${1##*/} words cword left
  local i word cur kind='' name in_command=''
  COMPREPLY=()
  _mini_sandbox_words
  cur=${words[cword]}
  [[ $cur != \"* && $cur != \'* ]] || cur=${cur:1}

  for ((i = 1; i < cword; i++)); do
    word=${words[i]}
    if [[ -n $kind ]]; then
      kind=
      continue
    fi
    case $word in
      --) in_command=yes && i=$((i + 1)) && break ;;
      --*=* | @*) ;;
      --*) kind=$(_mini_sandbox_value "$word" "$program") ;;
      -?*)
        # -xT 5, -xT5: a value belongs to the first letter that takes one.
        for ((name = 1; name < ${#word}; name++)); do
          kind=$(_mini_sandbox_value "-${word:name:1}" "$program")
          [[ -z $kind ]] || break
        done
        ((name + 1 >= ${#word})) || kind=
        ;;
      *) in_command=yes && break ;;
    esac
  done

  if [[ ${words[1]} == doctor ]] && ((cword > 1)); then
    mapfile -t COMPREPLY < <(compgen -W '--json --help' -- "$cur")
  elif [[ -n $in_command ]]; then
    _mini_sandbox_command "$i"
  elif [[ -n $kind ]]; then
    _mini_sandbox_complete_value "$kind" "$cur"
  elif [[ $cur == --*=* ]]; then
    _mini_sandbox_complete_value "$(_mini_sandbox_value "${cur%%=*}" "$program")" "${cur#*=}"
    COMPREPLY=("${COMPREPLY[@]/#/"${cur%%=*}="}")
  elif [[ $cur == @* ]]; then
    _mini_sandbox_complete_value path "${cur#@}"
    COMPREPLY=("${COMPREPLY[@]/#/@}")
  elif [[ $cur == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_mini_sandbox_options "$program")" -- "$cur")
  else
    _mini_sandbox_command "$i"
  fi
  # What readline keeps is not repeated.
  [[ -z $left ]] || COMPREPLY=("${COMPREPLY[@]#"$left"}")
}

# The command's first word is word $1 of `words`.
_mini_sandbox_command() {
  if ((cword > $1)) && declare -F _command_offset >/dev/null; then
    # It counts bash's own words.
    local offset=0 seen=-1 rest=$COMP_LINE blank
    for ((offset = 0; offset < COMP_CWORD; offset++)); do
      blank=${rest%%[![:blank:]]*}
      rest=${rest#"$blank"}
      rest=${rest#"${COMP_WORDS[offset]}"}
      ((offset > 0)) && [[ -z $blank ]] || seen=$((seen + 1))
      ((seen < $1)) || break
    done
    left=
    _command_offset "$offset"
  elif ((cword > $1)); then
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
  else
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -c -- "$cur" | sort -u && compgen -d -- "$cur")
    (($1 > 1)) || mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W doctor -- "$cur")
  fi
}

complete -F _mini_sandbox mini-sandbox mini-tapbox
