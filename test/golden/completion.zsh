#compdef flatimage
# Completion of flatimage for zsh, printed by: flatimage completion zsh

# What may stand at a place: sets operations, options, valued and slots.
_flatimage_flatimage_place() {
  operations=() options=() valued=() slots=()
  case $1 in
    'flatimage') operations=('build:Build an image' 'config:Read or change the settings of an image without running it' 'inspect:Print and check the parts of an image' 'tools:The programs and libraries from Debian that every image carries' 'completion:Print a completion script for a shell' 'man:Print a manual page') options=('--help:tell more') ;;
    'flatimage build') options=('--dist:System to build: alpine (the smallest Alpine in which apk works), arch (the smallest Arch Linux in which pacman works), blueprint (an empty system with nothing but busybox and bash, to be filled with layers), debian (the smallest Debian in which apt works), ubuntu (the smallest Ubuntu in which apt works)' '--arch:Architecture of the image (default: that of the machine). arm64 on amd64: the compilers are fetched from Debian once, and programs of arm64 run in an emulator meanwhile' '--suite:Release of the distribution: latest-stable, edge (alpine); trixie, bookworm (debian); noble, jammy (ubuntu)' '--mirror:Where its packages are: http, https or file; Debian'\''s is known to apt of this machine' '--keyring:Keys that sign its packages, or the archive: those of this machine otherwise' '--rootfs:Use this directory or tar archive (gzip, xz, zstd) as the system' '--sha256:Checksum that the archive has to have' '--signature:Detached OpenPGP signature that the archive has to have' '--include:Packages of the distribution to install on top' '--level:Compression of the layers: 0 is quickest, 9 smallest' '--output:Image to write (default: dist/NAME.flatimage of the project)' '-o:Image to write (default: dist/NAME.flatimage of the project)' '--identity:Identity of the image that this is a new version of, as '\''flatimage inspect'\'' prints it: it finds that image'\''s data' '--refresh:Make the system, and all steps of a definition, again instead of using the cached ones' '--reproducible:Equal inputs give equal bytes: no file is younger than SOURCE_DATE_EPOCH, or the last commit' '--quiet:Show nothing but errors while working' '-q:Show nothing but errors while working' '--help:tell more') valued=(--dist 'words alpine arch blueprint debian ubuntu' --arch 'words amd64 arm64' --suite 'text' --mirror 'text' --keyring 'file' --rootfs 'file' --sha256 'text' --signature 'file' --include 'text' --level 'text' --output 'file' -o 'file' --identity 'text') slots=('file') ;;
    'flatimage config') options=('--export:Write all settings to this JSON file; - is standard output' '--import:Read settings from such a file, all or none' '--help:tell more') valued=(--export 'file' --import 'file') slots=('file' 'image*') ;;
    'flatimage inspect') options=('--json:Print one JSON object instead of a table' '--help:tell more') slots=('file') ;;
    'flatimage tools') operations=('list:Print the pinned packages and sources with their versions and licences' 'lock:Pin the newest versions that the machine'\''s mirror of Debian has' 'fetch:Download, verify and compile what is pinned, so that builds need no network for it') options=('--help:tell more') ;;
    'flatimage tools list') options=('--help:tell more') ;;
    'flatimage tools lock') options=('--arch:For images of this architecture (default: that of the machine)' '--quiet:Show nothing but errors while working' '-q:Show nothing but errors while working' '--help:tell more') valued=(--arch 'words amd64 arm64') ;;
    'flatimage tools fetch') options=('--arch:For images of this architecture (default: that of the machine)' '--quiet:Show nothing but errors while working' '-q:Show nothing but errors while working' '--help:tell more') valued=(--arch 'words amd64 arm64') ;;
    'flatimage completion') options=('--help:tell more') slots=('words bash zsh fish') ;;
    'flatimage man') options=('--help:tell more') slots=('words flatimage image') ;;
    'app') operations=('fim-bind:paths of the host in the guest' 'fim-boot:what starts when the image is called without a command of its own' 'fim-casefold:whether names of files ignore case' 'fim-desktop:the image in menus and file managers of the host' 'fim-doctor:what this host lets an image do' 'fim-env:variables of the guest' 'fim-exec:run a program in the guest' 'fim-help:this help' 'fim-info:what this image is, keeps, and may use' 'fim-instance:running instances of this build, and commands in them' 'fim-layer:layers of files that the image is made of' 'fim-notify:whether a start is announced on the desktop' 'fim-overlay:what lays the writable tree over the layers' 'fim-perms:what the guest may use of the host' 'fim-portal:programs of the host that the guest may run' 'fim-recipe:sets of packages by name' 'fim-remote:where recipes come from' 'fim-root:run a program in the guest as root' 'fim-run:run a program with other settings, once' 'fim-unshare:namespaces that the guest gets for itself' 'fim-version:what this image was made from') options=() slots=('guest*') ;;
    'app fim-bind') operations=('add:bind one path' 'del:remove one; those after it move up' 'list:print all as JSON' 'clear:remove all') options=('--help:tell more') ;;
    'app fim-bind add') options=('--help:tell more') slots=('words ro rw dev' 'file' 'text') ;;
    'app fim-bind del') options=('--help:tell more') slots=('text') ;;
    'app fim-bind list') options=('--json:print JSON' '--help:tell more') ;;
    'app fim-bind clear') options=('--help:tell more') ;;
    'app fim-boot') operations=('set:choose the program' 'show:print the program and its arguments' 'get:the same as show' 'clear:start bash again') options=('--help:tell more') ;;
    'app fim-boot set') options=('--help:tell more') slots=('guest' 'guest*') ;;
    'app fim-boot show') options=('--json:print JSON' '--help:tell more') ;;
    'app fim-boot get') options=('--json:print JSON' '--help:tell more') ;;
    'app fim-boot clear') options=('--help:tell more') ;;
    'app fim-casefold') operations=('on:ignore case' 'off:do not' 'get:print on or off') options=('--help:tell more') ;;
    'app fim-casefold on') options=('--help:tell more') ;;
    'app fim-casefold off') options=('--help:tell more') ;;
    'app fim-casefold get') options=('--json:print JSON' '--help:tell more') ;;
    'app fim-desktop') operations=('setup:say what the desktop is to show' 'enable:these and no others' 'disable:these no longer' 'list:print what is enabled, one per line' 'show:print what was set up, as JSON' 'get:the same as show' 'dump:print what the desktop gets; an icon goes to a file' 'clean:remove all that this image has made on this desktop') options=('--help:tell more') ;;
    'app fim-desktop setup') options=('--help:tell more') slots=('file') ;;
    'app fim-desktop enable') options=('--help:tell more') slots=('list entry mimetype icon none!') ;;
    'app fim-desktop disable') options=('--help:tell more') slots=('list entry mimetype icon') ;;
    'app fim-desktop list') options=('--json:print JSON' '--help:tell more') ;;
    'app fim-desktop show') options=('--json:print JSON' '--help:tell more') ;;
    'app fim-desktop get') options=('--json:print JSON' '--help:tell more') ;;
    'app fim-desktop dump') operations=('entry:the entry of menus' 'mimetype:the type of the image file' 'icon:the icon') options=('--help:tell more') ;;
    'app fim-desktop dump entry') options=('--help:tell more') ;;
    'app fim-desktop dump mimetype') options=('--help:tell more') ;;
    'app fim-desktop dump icon') options=('--help:tell more') slots=('file') ;;
    'app fim-desktop clean') options=('--help:tell more') ;;
    'app fim-doctor') options=('--json:print JSON' '--help:tell more') ;;
    'app fim-env') operations=('add:set these too' 'set:set these and no others' 'del:remove these' 'list:print all, with variables replaced' 'clear:remove all') options=('--help:tell more') ;;
    'app fim-env add') options=('--help:tell more') slots=('text*') ;;
    'app fim-env set') options=('--help:tell more') slots=('text*') ;;
    'app fim-env del') options=('--help:tell more') slots=('text*') ;;
    'app fim-env list') options=('--json:print JSON' '--help:tell more') ;;
    'app fim-env clear') options=('--help:tell more') ;;
    'app fim-exec') options=('--help:tell more') slots=('guest' 'guest*') ;;
    'app fim-help') operations=('apparmor:print a profile for AppArmor' 'completion:print a completion script; `program` is the name of the image' 'man:print a manual page of all commands') options=('--help:tell more') slots=('words bind boot casefold desktop doctor env exec help info instance layer notify overlay perms portal recipe remote root run unshare version') ;;
    'app fim-help apparmor') options=('--help:tell more') ;;
    'app fim-help completion') options=('--help:tell more') slots=('words bash zsh fish' 'text') ;;
    'app fim-help man') options=('--help:tell more') slots=('text') ;;
    'app fim-info') options=('--json:print JSON' '--help:tell more') ;;
    'app fim-instance') operations=('list:print index:pid of each' 'exec:run a command in one' 'stop:end one, and all that runs in it') options=('--help:tell more') ;;
    'app fim-instance list') options=('--json:print JSON' '--help:tell more') ;;
    'app fim-instance exec') options=('--help:tell more') slots=('instance' 'guest' 'guest*') ;;
    'app fim-instance stop') options=('--help:tell more') slots=('instance') ;;
    'app fim-layer') operations=('create:pack a directory into a file' 'add:put a packed layer into the image' 'commit:make a layer of what the guest has changed' 'list:print index:offset:size:path of each, lowest first' 'rollback:take the last n layers out of the image, 1 unless told' 'squash:make one layer of the last n, of all unless told') options=('--help:tell more') ;;
    'app fim-layer create') options=('--help:tell more') slots=('directory' 'file') ;;
    'app fim-layer add') options=('--help:tell more') slots=('file') ;;
    'app fim-layer commit') operations=('binary:in the image itself' 'layer:beside the writable tree' 'file:at a path') options=('--help:tell more') ;;
    'app fim-layer commit binary') options=('--keep-caches:with the caches and lists of package managers' '--help:tell more') ;;
    'app fim-layer commit layer') options=('--keep-caches:with the caches and lists of package managers' '--help:tell more') ;;
    'app fim-layer commit file') options=('--keep-caches:with the caches and lists of package managers' '--help:tell more') slots=('file') ;;
    'app fim-layer list') options=('--json:print JSON' '--long:print a table that says where each is from' '--help:tell more') ;;
    'app fim-layer rollback') options=('--help:tell more') slots=('text') ;;
    'app fim-layer squash') options=('--help:tell more') slots=('text') ;;
    'app fim-notify') operations=('on:announce' 'off:do not' 'get:print on or off') options=('--help:tell more') ;;
    'app fim-notify on') options=('--help:tell more') ;;
    'app fim-notify off') options=('--help:tell more') ;;
    'app fim-notify get') options=('--json:print JSON' '--help:tell more') ;;
    'app fim-overlay') operations=('set:choose the type' 'show:print what the next run uses' 'get:the same as show') options=('--help:tell more') ;;
    'app fim-overlay set') options=('--help:tell more') slots=('words bwrap overlayfs unionfs') ;;
    'app fim-overlay show') options=('--json:print JSON' '--help:tell more') ;;
    'app fim-overlay get') options=('--json:print JSON' '--help:tell more') ;;
    'app fim-perms') operations=('add:grant these too' 'del:take these back' 'set:grant these and no others' 'list:print what is granted, one per line' 'clear:take all back') options=('--help:tell more') ;;
    'app fim-perms add') options=('--help:tell more') slots=('list all! audio dbus_system dbus_user dev gpu home input media network optical shm udev usb wayland xorg') ;;
    'app fim-perms del') options=('--help:tell more') slots=('list all! audio dbus_system dbus_user dev gpu home input media network optical shm udev usb wayland xorg') ;;
    'app fim-perms set') options=('--help:tell more') slots=('list all! audio dbus_system dbus_user dev gpu home input media network optical shm udev usb wayland xorg') ;;
    'app fim-perms list') options=('--json:print JSON' '--help:tell more') ;;
    'app fim-perms clear') options=('--help:tell more') ;;
    'app fim-portal') operations=('allow:allow these too' 'deny:not these any more' 'list:print what is allowed, one per line' 'clear:allow none') options=('--help:tell more') ;;
    'app fim-portal allow') options=('--help:tell more') slots=('host*') ;;
    'app fim-portal deny') options=('--help:tell more') slots=('host*') ;;
    'app fim-portal list') options=('--json:print JSON' '--help:tell more') ;;
    'app fim-portal clear') options=('--help:tell more') ;;
    'app fim-recipe') operations=('fetch:fetch anew, all or none' 'info:print what fetched recipes say' 'install:install packages, and set up the desktop if a recipe says how' 'list:print the names of fetched recipes, one per line') options=('--help:tell more') ;;
    'app fim-recipe fetch') options=('--help:tell more') slots=('text') ;;
    'app fim-recipe info') options=('--json:print JSON' '--help:tell more') slots=('text') ;;
    'app fim-recipe install') options=('--help:tell more') slots=('text') ;;
    'app fim-recipe list') options=('--json:print JSON' '--help:tell more') ;;
    'app fim-remote') operations=('set:choose the URL' 'show:print it' 'get:the same as show' 'clear:remove it') options=('--help:tell more') ;;
    'app fim-remote set') options=('--help:tell more') slots=('text') ;;
    'app fim-remote show') options=('--json:print JSON' '--help:tell more') ;;
    'app fim-remote get') options=('--json:print JSON' '--help:tell more') ;;
    'app fim-remote clear') options=('--help:tell more') ;;
    'app fim-root') options=('--help:tell more') slots=('guest' 'guest*') ;;
    'app fim-run') options=('--allow:grant permissions' '--deny:withdraw permissions, also those of the image' '--bind:show a file of the host in the guest, by default at the same path' '--env:set a variable' '--pwd:start in this directory; a relative one is a directory of the host, which is bound' '--root:run as root of the guest' '--help:tell more') valued=(--allow 'text' --deny 'text' --bind 'file' --env 'text' --pwd 'directory') slots=('guest*') ;;
    'app fim-unshare') operations=('add:these too' 'del:not these' 'set:these and no others' 'list:print them, one per line' 'clear:back to the default') options=('--help:tell more') ;;
    'app fim-unshare add') options=('--help:tell more') slots=('list all! cgroup ipc net pid user uts') ;;
    'app fim-unshare del') options=('--help:tell more') slots=('list all! cgroup ipc net pid user uts') ;;
    'app fim-unshare set') options=('--help:tell more') slots=('list all! cgroup ipc net pid user uts') ;;
    'app fim-unshare list') options=('--json:print JSON' '--help:tell more') ;;
    'app fim-unshare clear') options=('--help:tell more') ;;
    'app fim-version') operations=('short:print the version' 'full:print the build as JSON' 'deps:print programs, sources and licenses as JSON') options=('--help:tell more') ;;
    'app fim-version short') options=('--json:print JSON' '--help:tell more') ;;
    'app fim-version full') options=('--json:print JSON' '--help:tell more') ;;
    'app fim-version deps') options=('--json:print JSON' '--help:tell more') ;;
  esac
}

# Offers what a slot has: its kind, then its words.
_flatimage_flatimage_offer() {
  local kind=$1 program
  local -a found
  shift
  case $kind in
    words) compadd -- "$@" ;;
    list)
      compset -P '*,' && found=(${@:#*!}) || found=(${@%!})
      compadd -qS , -- $found
      ;;
    file | guest) _files ;;
    directory) _files -/ ;;
    host) _path_commands ;;
    instance)
      program=${${(Q)words[1]}/#\~\//$HOME/}
      found=(${(f)"$($program fim-instance list 2> /dev/null)"})
      found=(${${(M)found:#<->:<->}/:/:pid })
      _describe -V instance found
      ;;
  esac
}

_flatimage_flatimage() {
  local place='flatimage' word lower data='' value='' slot
  local -i position=1 index
  local -a operations options slots
  local -A valued
  _flatimage_flatimage_place $place
  for ((index = 2; index < CURRENT; index++)); do
    word=${(Q)words[index]}
    lower=${(L)word}
    if [[ -n $value ]]; then
      value=''
    elif [[ -n $data ]]; then
      ((position++))
    elif [[ $word == -- ]]; then
      data=1
    elif [[ $position == 1 && -n ${operations[(r)${(b)lower}:*]} ]]; then
      place+=" $lower"
      _flatimage_flatimage_place $place
    elif [[ $word == -* && -n ${valued[$word]} ]]; then
      value=${valued[$word]}
    elif [[ $word == --*=* && -n ${valued[${word%%=*}]} ]]; then
      :
    elif [[ $word == -* && $#options -gt 1 && -n ${options[(r)${(b)word}:*]} ]]; then
      :
    elif [[ ${slots[position]} == image* ]]; then
      place="app $lower" position=1
      _flatimage_flatimage_place $place
    else
      ((position++))
    fi
  done
  if [[ -n $value ]]; then
    _flatimage_flatimage_offer ${=value}
    return
  fi
  if [[ -z $data && $PREFIX == --*=* ]]; then
    value=${valued[${PREFIX%%=*}]}
    [[ -n $value ]] && compset -P '*=' && _flatimage_flatimage_offer ${=value}
    return
  fi
  if [[ $PREFIX == -* && -z $data && ( $position == 1 || $#options -gt 1 ) ]]; then
    _describe -o option options
    return
  fi
  slot=${slots[position]}
  [[ -z $slot && ${${slots[-1]}%% *} == *\* ]] && slot=${slots[-1]}
  if [[ $slot == image* ]]; then
    _flatimage_flatimage_place 'app'
    slot='' position=1
  fi
  [[ $position == 1 && -z $data ]] && (($#operations)) && _describe command operations
  [[ -n $slot ]] && _flatimage_flatimage_offer ${=slot/\*/}
}

if [[ $funcstack[1] == _flatimage_flatimage ]]; then
  _flatimage_flatimage "$@"
else
  compdef _flatimage_flatimage flatimage
fi
