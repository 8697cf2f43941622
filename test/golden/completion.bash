# Completion of flatimage for bash, printed by: flatimage completion bash

# What may stand at a place: sets operations, options, valued and slots.
_flatimage_flatimage_place() {
  operations='' options='' valued=() slots=()
  case $1 in
    'flatimage') operations='build config inspect install uninstall du prune tools completion man' options='--help' ;;
    'flatimage build') options='--squash --refresh --reproducible --quiet -q --help' valued=([--dist]='words alpine arch blueprint debian ubuntu' [--arch]='words amd64 arm64' [--suite]='text' [--mirror]='text' [--keyring]='file' [--rootfs]='file' [--from]='text' [--max-size]='text' [--trust-realm]='text' [--sha256]='text' [--signature]='file' [--include]='text' [--level]='text' [--order-by-run]='text' [--output]='file' [-o]='file' [--identity]='text') slots=('file') ;;
    'flatimage config') options='--help' valued=([--export]='file' [--import]='file') slots=('file' 'image*') ;;
    'flatimage inspect') options='--json --help' slots=('file') ;;
    'flatimage install') options='--help' valued=([--command]='text') slots=('file' 'guest*') ;;
    'flatimage uninstall') options='--help' slots=('file') ;;
    'flatimage du') options='--json --help' ;;
    'flatimage prune') options='--dry-run --help' ;;
    'flatimage tools') operations='list lock fetch' options='--help' ;;
    'flatimage tools list') options='--help' ;;
    'flatimage tools lock') options='--quiet -q --help' valued=([--arch]='words amd64 arm64') ;;
    'flatimage tools fetch') options='--quiet -q --help' valued=([--arch]='words amd64 arm64') ;;
    'flatimage completion') options='--help' slots=('words bash zsh fish') ;;
    'flatimage man') options='--help' slots=('words flatimage image') ;;
    'app') operations='fim-bind fim-boot fim-casefold fim-desktop fim-doctor fim-env fim-exec fim-help fim-info fim-instance fim-layer fim-notify fim-overlay fim-override fim-perms fim-portal fim-recipe fim-remote fim-root fim-run fim-unshare fim-version' options='' slots=('guest*') ;;
    'app fim-bind') operations='add del list clear' options='--help' ;;
    'app fim-bind add') options='--help' slots=('words ro rw dev' 'file' 'text') ;;
    'app fim-bind del') options='--help' slots=('text') ;;
    'app fim-bind list') options='--json --help' ;;
    'app fim-bind clear') options='--help' ;;
    'app fim-boot') operations='set show get clear' options='--help' ;;
    'app fim-boot set') options='--help' slots=('guest' 'guest*') ;;
    'app fim-boot show') options='--json --help' ;;
    'app fim-boot get') options='--json --help' ;;
    'app fim-boot clear') options='--help' ;;
    'app fim-casefold') operations='on off get' options='--help' ;;
    'app fim-casefold on') options='--help' ;;
    'app fim-casefold off') options='--help' ;;
    'app fim-casefold get') options='--json --help' ;;
    'app fim-desktop') operations='setup enable disable list show get dump clean' options='--help' ;;
    'app fim-desktop setup') options='--help' slots=('file') ;;
    'app fim-desktop enable') options='--help' slots=('list entry mimetype icon none!') ;;
    'app fim-desktop disable') options='--help' slots=('list entry mimetype icon') ;;
    'app fim-desktop list') options='--json --help' ;;
    'app fim-desktop show') options='--json --help' ;;
    'app fim-desktop get') options='--json --help' ;;
    'app fim-desktop dump') operations='entry mimetype icon' options='--help' ;;
    'app fim-desktop dump entry') options='--help' ;;
    'app fim-desktop dump mimetype') options='--help' ;;
    'app fim-desktop dump icon') options='--help' slots=('file') ;;
    'app fim-desktop clean') options='--help' ;;
    'app fim-doctor') options='--json --help' ;;
    'app fim-env') operations='add set del list clear' options='--help' ;;
    'app fim-env add') options='--help' slots=('text*') ;;
    'app fim-env set') options='--help' slots=('text*') ;;
    'app fim-env del') options='--help' slots=('text*') ;;
    'app fim-env list') options='--json --help' ;;
    'app fim-env clear') options='--help' ;;
    'app fim-exec') options='--help' slots=('guest' 'guest*') ;;
    'app fim-help') operations='apparmor completion man' options='--help' slots=('words bind boot casefold desktop doctor env exec help info instance layer notify overlay override perms portal recipe remote root run unshare version') ;;
    'app fim-help apparmor') options='--help' ;;
    'app fim-help completion') options='--help' slots=('words bash zsh fish' 'text') ;;
    'app fim-help man') options='--help' slots=('text') ;;
    'app fim-info') options='--json --help' ;;
    'app fim-instance') operations='list exec start stop kill logs unit' options='--help' ;;
    'app fim-instance list') options='--json --long --help' ;;
    'app fim-instance exec') options='--help' slots=('instance' 'guest' 'guest*') ;;
    'app fim-instance start') options='--help' valued=([--name]='text') slots=('guest*') ;;
    'app fim-instance stop') options='--help' valued=([--time]='text' [-t]='text') slots=('instance') ;;
    'app fim-instance kill') options='--help' valued=([--signal]='text' [-s]='text') slots=('instance') ;;
    'app fim-instance logs') options='--follow -f --help' slots=('instance') ;;
    'app fim-instance unit') options='--help' valued=([--name]='text') slots=('guest*') ;;
    'app fim-layer') operations='create add commit list rollback squash' options='--help' ;;
    'app fim-layer create') options='--help' slots=('directory' 'file') ;;
    'app fim-layer add') options='--help' slots=('file') ;;
    'app fim-layer commit') operations='binary layer file' options='--help' ;;
    'app fim-layer commit binary') options='--keep-caches --help' valued=([--order-by-run]='text') ;;
    'app fim-layer commit layer') options='--keep-caches --help' valued=([--order-by-run]='text') ;;
    'app fim-layer commit file') options='--keep-caches --help' valued=([--order-by-run]='text') slots=('file') ;;
    'app fim-layer list') options='--json --long --help' ;;
    'app fim-layer rollback') options='--help' slots=('text') ;;
    'app fim-layer squash') options='--help' slots=('text') ;;
    'app fim-notify') operations='on off get' options='--help' ;;
    'app fim-notify on') options='--help' ;;
    'app fim-notify off') options='--help' ;;
    'app fim-notify get') options='--json --help' ;;
    'app fim-overlay') operations='set show get' options='--help' ;;
    'app fim-overlay set') options='--help' slots=('words bwrap overlayfs unionfs') ;;
    'app fim-overlay show') options='--json --help' ;;
    'app fim-overlay get') options='--json --help' ;;
    'app fim-override') operations='set unset list confirm clear' options='--help' ;;
    'app fim-override set') options='--help' valued=([--allow]='text' [--deny]='text' [--bind]='file' [--env]='text') ;;
    'app fim-override unset') options='--help' slots=('text*') ;;
    'app fim-override list') options='--json --help' ;;
    'app fim-override confirm') options='--help' ;;
    'app fim-override clear') options='--help' ;;
    'app fim-perms') operations='add del set list clear' options='--help' ;;
    'app fim-perms add') options='--help' slots=('list all! audio dbus_system dbus_user dev gpu home input media network optical shm udev usb wayland xorg') ;;
    'app fim-perms del') options='--help' slots=('list all! audio dbus_system dbus_user dev gpu home input media network optical shm udev usb wayland xorg') ;;
    'app fim-perms set') options='--help' slots=('list all! audio dbus_system dbus_user dev gpu home input media network optical shm udev usb wayland xorg') ;;
    'app fim-perms list') options='--json --help' ;;
    'app fim-perms clear') options='--help' ;;
    'app fim-portal') operations='allow deny list clear' options='--help' ;;
    'app fim-portal allow') options='--help' slots=('host*') ;;
    'app fim-portal deny') options='--help' slots=('host*') ;;
    'app fim-portal list') options='--json --help' ;;
    'app fim-portal clear') options='--help' ;;
    'app fim-recipe') operations='fetch info install list' options='--help' ;;
    'app fim-recipe fetch') options='--help' slots=('text') ;;
    'app fim-recipe info') options='--json --help' slots=('text') ;;
    'app fim-recipe install') options='--help' slots=('text') ;;
    'app fim-recipe list') options='--json --help' ;;
    'app fim-remote') operations='set show get clear' options='--help' ;;
    'app fim-remote set') options='--help' slots=('text') ;;
    'app fim-remote show') options='--json --help' ;;
    'app fim-remote get') options='--json --help' ;;
    'app fim-remote clear') options='--help' ;;
    'app fim-root') options='--help' slots=('guest' 'guest*') ;;
    'app fim-run') options='--root --help' valued=([--allow]='text' [--deny]='text' [--bind]='file' [--env]='text' [--pwd]='directory') slots=('guest*') ;;
    'app fim-unshare') operations='add del set list clear' options='--help' ;;
    'app fim-unshare add') options='--help' slots=('list all! cgroup ipc net pid user uts') ;;
    'app fim-unshare del') options='--help' slots=('list all! cgroup ipc net pid user uts') ;;
    'app fim-unshare set') options='--help' slots=('list all! cgroup ipc net pid user uts') ;;
    'app fim-unshare list') options='--json --help' ;;
    'app fim-unshare clear') options='--help' ;;
    'app fim-version') operations='short full deps' options='--help' ;;
    'app fim-version short') options='--json --help' ;;
    'app fim-version full') options='--json --help' ;;
    'app fim-version deps') options='--json --help' ;;
  esac
}

# Offers those of some words that begin as what is typed. compgen -W would expand what is typed.
_flatimage_flatimage_match() {
  local word
  for word in "$@"; do
    [[ $word == "$cur"* ]] && COMPREPLY+=("$word")
  done
}

# Offers what a slot has: its kind, then its words.
_flatimage_flatimage_offer() {
  local kind=$1 before='' word index
  shift
  case $kind in
    words) _flatimage_flatimage_match "$@" ;;
    list)
      [[ $cur == *,* ]] && before=${cur%,*},
      for word in "$@"; do
        [[ ,$before == *,$word,* || ( $before && $word == *! ) ]] || _flatimage_flatimage_match "$before${word%!}"
      done
      compopt -o nospace 2> /dev/null
      ;;
    file)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      compopt -o filenames 2> /dev/null
      ;;
    directory)
      mapfile -t COMPREPLY < <(compgen -d -- "$cur")
      compopt -o filenames 2> /dev/null
      ;;
    host) mapfile -t COMPREPLY < <(compgen -c -- "$cur" | sort -u) ;;
    guest) compopt -o default -o bashdefault 2> /dev/null ;;
    instance)
      while IFS=: read -r index word; do
        [[ $index =~ ^[0-9]+$ ]] && _flatimage_flatimage_match "$index"
      done < <(${program/#\~/$HOME} fim-instance list 2> /dev/null)
      ;;
  esac
}

_flatimage_flatimage() {
  local program=$1 cur=${COMP_WORDS[COMP_CWORD]} place='flatimage' position=0 data='' index word value=''
  local operations options slots
  local -A valued
  COMPREPLY=()
  _flatimage_flatimage_place "$place"
  for ((index = 1; index < COMP_CWORD; index++)); do
    word=${COMP_WORDS[index]}
    # bash makes words of their own of these.
    [[ $word == [=:] ]] && continue
    if [[ $value ]]; then
      value=''
    elif [[ $data ]]; then
      ((position++))
    elif [[ $word == -- ]]; then
      data=1
    elif [[ $position == 0 && " $operations " == *" ${word,,} "* ]]; then
      place+=" ${word,,}"
      _flatimage_flatimage_place "$place"
    elif [[ $word == -* && ${valued[$word]} ]]; then
      value=${valued[$word]}
    elif [[ $word == -* && " $options " == *" $word "* && $options != --help ]]; then
      :
    elif [[ ${slots[position]} == image* ]]; then
      place='app '${word,,} position=0
      _flatimage_flatimage_place "$place"
    else
      ((position++))
    fi
  done
  # Behind "--dist=" the word that is completed is "=" until something follows.
  [[ $cur == = ]] && cur=''
  if [[ $value ]]; then
    _flatimage_flatimage_offer $value
    return
  fi
  if [[ $cur == -* && ! $data && ( $position == 0 || $options != --help || ${#valued[@]} -gt 0 ) ]]; then
    _flatimage_flatimage_match $options "${!valued[@]}"
    return
  fi
  local slot=${slots[position]} last=${slots[${#slots[@]} > 0 ? ${#slots[@]} - 1 : 0]}
  [[ ! $slot && ${last%% *} == *\* ]] && slot=$last
  [[ $slot == image* ]] && { _flatimage_flatimage_place 'app'; slot=''; position=0; }
  [[ $slot ]] && _flatimage_flatimage_offer ${slot/\*/}
  if [[ $position == 0 && ! $data && $operations ]]; then
    _flatimage_flatimage_match $operations
  fi
}

complete -F _flatimage_flatimage flatimage
