#compdef flatimage
# Completion of flatimage for zsh, printed by: flatimage completion zsh

# What may stand at a place: sets operations, options, valued and slots.
_flatimage_flatimage_place() {
  operations=() options=() valued=() slots=()
  case $1 in
    'flatimage') operations=('build:Build an image' 'config:Read or change the settings of an image without running it' 'inspect:Print and check the parts of an image' 'install:Make links that run programs of an image' 'uninstall:Remove the links and the desktop integration of an image' 'du:List what flatimage keeps for you on this machine, with sizes' 'prune:Remove hot caches, and unpacked tools that nothing uses' 'tools:The programs and libraries that every image contains' 'completion:Print a completion script for a shell' 'man:Print a manual page') options=('--help:show help') ;;
    'flatimage build') options=('--dist:System to build: alpine (the smallest Alpine in which apk works), arch (the smallest Arch Linux in which pacman works), blueprint (an empty system with nothing but busybox and bash, to be filled with layers), debian (the smallest Debian in which apt works), ubuntu (the smallest Ubuntu in which apt works)' '--arch:Architecture of the image (default: that of the machine). For arm64 on amd64 the compilers are downloaded from Debian once, and programs of arm64 run in an emulator' '--suite:Release of the distribution: latest-stable, edge (alpine); trixie, bookworm (debian); noble, jammy (ubuntu)' '--mirror:URL of its packages: http, https or file (default for Debian: the mirror of this machine'\''s apt)' '--keyring:Keys that sign its packages or the archive (default: those of this machine)' '--rootfs:Use this directory or tar archive (gzip, xz, zstd) as the system' '--from:Use this container as the system, with its settings: docker://HOST/NAME:TAG, oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:TAG] or containers-storage:NAME' '--squash:Make one layer of those of the container' '--max-size:Largest container, without compression, as 500M or 20G (default: 64G)' '--trust-realm:Send the credentials for the registry also to this token server, which is of another domain' '--sha256:Checksum that the archive must have' '--signature:Detached OpenPGP signature that the archive must have' '--include:Packages of the distribution to install in addition' '--level:Compression of the layers: 0 is the fastest, 9 the smallest' '--order-by-run:Run CMD in the image, without permissions, and store first what it reads, so that it starts faster' '--output:Image to write (default: dist/NAME.flatimage of the project)' '-o:Image to write (default: dist/NAME.flatimage of the project)' '--identity:Identity of the image that this is a new version of, as '\''flatimage inspect'\'' prints it: the new one uses the same data' '--refresh:Make the system and all steps of a definition again, without the cache' '--reproducible:Equal inputs give equal bytes: no file is younger than SOURCE_DATE_EPOCH, by default the last commit' '--quiet:Show only errors' '-q:Show only errors' '--help:show help') valued=(--dist 'words alpine arch blueprint debian ubuntu' --arch 'words amd64 arm64' --suite 'text' --mirror 'text' --keyring 'file' --rootfs 'file' --from 'text' --max-size 'text' --trust-realm 'text' --sha256 'text' --signature 'file' --include 'text' --level 'text' --order-by-run 'text' --output 'file' -o 'file' --identity 'text') slots=('file') ;;
    'flatimage config') options=('--export:Write all settings to this JSON file; - is standard output' '--import:Read settings from such a file, all or none' '--help:show help') valued=(--export 'file' --import 'file') slots=('file' 'image*') ;;
    'flatimage inspect') options=('--json:Print one JSON object instead of a table' '--help:show help') slots=('file') ;;
    'flatimage install') options=('--command:Program of the image, and name of its link' '--help:show help') valued=(--command 'text') slots=('file' 'guest*') ;;
    'flatimage uninstall') options=('--help:show help') slots=('file') ;;
    'flatimage du') options=('--json:Print one JSON object instead of a table' '--help:show help') ;;
    'flatimage prune') options=('--dry-run:Print what would be removed' '--help:show help') ;;
    'flatimage tools') operations=('list:Print the pinned packages and sources with their versions and licences' 'lock:Pin the newest versions of the machine'\''s Debian mirror' 'fetch:Download, verify and compile the pinned versions, so that builds need no network for them') options=('--help:show help') ;;
    'flatimage tools list') options=('--help:show help') ;;
    'flatimage tools lock') options=('--arch:For images of this architecture (default: that of the machine)' '--quiet:Show only errors' '-q:Show only errors' '--help:show help') valued=(--arch 'words amd64 arm64') ;;
    'flatimage tools fetch') options=('--arch:For images of this architecture (default: that of the machine)' '--quiet:Show only errors' '-q:Show only errors' '--help:show help') valued=(--arch 'words amd64 arm64') ;;
    'flatimage completion') options=('--help:show help') slots=('words bash zsh fish') ;;
    'flatimage man') options=('--help:show help') slots=('words flatimage image') ;;
    'app') operations=('fim-bind:paths of the host in the guest' 'fim-boot:the program that starts by default' 'fim-casefold:whether names of files ignore case' 'fim-desktop:the image in menus and file managers of the host' 'fim-doctor:what this host lets an image do' 'fim-env:variables of the guest' 'fim-exec:run a program in the guest' 'fim-help:this help' 'fim-info:what this image is, keeps, and may use' 'fim-instance:running instances of this build, and commands in them' 'fim-layer:the layers of the image' 'fim-notify:whether a start is announced on the desktop' 'fim-overlay:the file system that makes the layers writable' 'fim-override:your own settings for this image, outside of the file' 'fim-perms:permissions of the guest on the host' 'fim-portal:programs of the host that the guest may run' 'fim-recipe:named sets of packages' 'fim-remote:the URL of recipes' 'fim-root:run a program in the guest as root' 'fim-run:run a program with other settings, once' 'fim-unshare:namespaces of the guest that are separate from the host' 'fim-version:version, build and contents of this image') options=() slots=('guest*') ;;
    'app fim-bind') operations=('add:bind one path' 'del:remove one; the following indices decrease by one' 'list:print all as JSON' 'clear:remove all') options=('--help:show help') ;;
    'app fim-bind add') options=('--help:show help') slots=('words ro rw dev' 'file' 'text') ;;
    'app fim-bind del') options=('--help:show help') slots=('text') ;;
    'app fim-bind list') options=('--json:print JSON' '--help:show help') ;;
    'app fim-bind clear') options=('--help:show help') ;;
    'app fim-boot') operations=('set:set the program and its arguments' 'show:print the program and its arguments' 'get:the same as show' 'clear:start bash again') options=('--help:show help') ;;
    'app fim-boot set') options=('--help:show help') slots=('guest' 'guest*') ;;
    'app fim-boot show') options=('--json:print JSON' '--help:show help') ;;
    'app fim-boot get') options=('--json:print JSON' '--help:show help') ;;
    'app fim-boot clear') options=('--help:show help') ;;
    'app fim-casefold') operations=('on:ignore case' 'off:distinguish case' 'get:print on or off') options=('--help:show help') ;;
    'app fim-casefold on') options=('--help:show help') ;;
    'app fim-casefold off') options=('--help:show help') ;;
    'app fim-casefold get') options=('--json:print JSON' '--help:show help') ;;
    'app fim-desktop') operations=('setup:store name, icon and categories from a JSON file' 'enable:enable these integrations and disable all others' 'disable:disable these integrations' 'list:print the enabled integrations, one per line' 'show:print the stored settings as JSON' 'get:the same as show' 'dump:print a file as the desktop gets it; an icon is written to a file' 'clean:remove all files that this image has created on this desktop') options=('--help:show help') ;;
    'app fim-desktop setup') options=('--help:show help') slots=('file') ;;
    'app fim-desktop enable') options=('--help:show help') slots=('list entry mimetype icon none!') ;;
    'app fim-desktop disable') options=('--help:show help') slots=('list entry mimetype icon') ;;
    'app fim-desktop list') options=('--json:print JSON' '--help:show help') ;;
    'app fim-desktop show') options=('--json:print JSON' '--help:show help') ;;
    'app fim-desktop get') options=('--json:print JSON' '--help:show help') ;;
    'app fim-desktop dump') operations=('entry:the desktop entry' 'mimetype:the MIME type of the image file' 'icon:the icon') options=('--help:show help') ;;
    'app fim-desktop dump entry') options=('--help:show help') ;;
    'app fim-desktop dump mimetype') options=('--help:show help') ;;
    'app fim-desktop dump icon') options=('--help:show help') slots=('file') ;;
    'app fim-desktop clean') options=('--help:show help') ;;
    'app fim-doctor') options=('--json:print JSON' '--help:show help') ;;
    'app fim-env') operations=('add:set these in addition' 'set:set these and remove all others' 'del:remove these' 'list:print all, with variables expanded' 'clear:remove all') options=('--help:show help') ;;
    'app fim-env add') options=('--help:show help') slots=('text*') ;;
    'app fim-env set') options=('--help:show help') slots=('text*') ;;
    'app fim-env del') options=('--help:show help') slots=('text*') ;;
    'app fim-env list') options=('--json:print JSON' '--help:show help') ;;
    'app fim-env clear') options=('--help:show help') ;;
    'app fim-exec') options=('--help:show help') slots=('guest' 'guest*') ;;
    'app fim-help') operations=('apparmor:print a profile for AppArmor' 'completion:print a completion script; `program` is the name of the image' 'man:print a manual page of all commands') options=('--help:show help') slots=('words bind boot casefold desktop doctor env exec help info instance layer notify overlay override perms portal recipe remote root run unshare version') ;;
    'app fim-help apparmor') options=('--help:show help') ;;
    'app fim-help completion') options=('--help:show help') slots=('words bash zsh fish' 'text') ;;
    'app fim-help man') options=('--help:show help') slots=('text') ;;
    'app fim-info') options=('--json:print JSON' '--help:show help') ;;
    'app fim-instance') operations=('list:print index:pid of each instance' 'exec:run a command in an instance' 'start:start an instance in the background' 'stop:stop an instance and all processes in it' 'kill:send a signal to the program of an instance' 'logs:print what an instance in the background has written' 'unit:print a unit of systemd that runs a program in an instance') options=('--help:show help') ;;
    'app fim-instance list') options=('--json:print JSON' '--long:print a table with name, user, age, state, image and command' '--help:show help') ;;
    'app fim-instance exec') options=('--help:show help') slots=('instance' 'guest' 'guest*') ;;
    'app fim-instance start') options=('--name:name the instance; by default after its program' '--help:show help') valued=(--name 'text') slots=('guest*') ;;
    'app fim-instance stop') options=('--time:kill it after so many seconds' '-t:kill it after so many seconds' '--help:show help') valued=(--time 'text' -t 'text') slots=('instance') ;;
    'app fim-instance kill') options=('--signal:name or number; by default TERM' '-s:name or number; by default TERM' '--help:show help') valued=(--signal 'text' -s 'text') slots=('instance') ;;
    'app fim-instance logs') options=('--follow:go on until it ends' '-f:go on until it ends' '--help:show help') slots=('instance') ;;
    'app fim-instance unit') options=('--name:describe the unit by this name' '--help:show help') valued=(--name 'text') slots=('guest*') ;;
    'app fim-layer') operations=('create:pack a directory into a file' 'add:append a packed layer to the image' 'commit:make a layer of the changes of the guest' 'list:print index:offset:size:path of each layer, lowest first' 'rollback:remove the last n layers from the image, by default 1' 'squash:merge the last n layers into one, by default all') options=('--help:show help') ;;
    'app fim-layer create') options=('--help:show help') slots=('directory' 'file') ;;
    'app fim-layer add') options=('--help:show help') slots=('file') ;;
    'app fim-layer commit') operations=('binary:put it into the image itself' 'layer:put it beside the writable tree' 'file:put it at a path') options=('--help:show help') ;;
    'app fim-layer commit binary') options=('--keep-caches:also commit the caches and lists of package managers' '--order-by-run:run CMD with the guest'\''s sh, and store first what it reads, so that it starts faster' '--help:show help') valued=(--order-by-run 'text') ;;
    'app fim-layer commit layer') options=('--keep-caches:also commit the caches and lists of package managers' '--order-by-run:run CMD with the guest'\''s sh, and store first what it reads, so that it starts faster' '--help:show help') valued=(--order-by-run 'text') ;;
    'app fim-layer commit file') options=('--keep-caches:also commit the caches and lists of package managers' '--order-by-run:run CMD with the guest'\''s sh, and store first what it reads, so that it starts faster' '--help:show help') valued=(--order-by-run 'text') slots=('file') ;;
    'app fim-layer list') options=('--json:print JSON' '--long:print a table that shows where each layer is from' '--help:show help') ;;
    'app fim-layer rollback') options=('--help:show help') slots=('text') ;;
    'app fim-layer squash') options=('--help:show help') slots=('text') ;;
    'app fim-notify') operations=('on:announce each start' 'off:announce no start' 'get:print on or off') options=('--help:show help') ;;
    'app fim-notify on') options=('--help:show help') ;;
    'app fim-notify off') options=('--help:show help') ;;
    'app fim-notify get') options=('--json:print JSON' '--help:show help') ;;
    'app fim-overlay') operations=('set:set the type' 'show:print the type that the next run uses' 'get:the same as show') options=('--help:show help') ;;
    'app fim-overlay set') options=('--help:show help') slots=('words bwrap overlayfs unionfs') ;;
    'app fim-overlay show') options=('--json:print JSON' '--help:show help') ;;
    'app fim-overlay get') options=('--json:print JSON' '--help:show help') ;;
    'app fim-override') operations=('set:add overrides' 'unset:remove overrides: permissions, names of variables, destinations of binds' 'list:print your overrides' 'confirm:apply them although the settings of the image have changed' 'clear:remove all') options=('--help:show help') ;;
    'app fim-override set') options=('--allow:grant permissions' '--deny:withdraw permissions, also those of the image' '--bind:show a file of the host in the guest, by default at the same path' '--env:set a variable' '--help:show help') valued=(--allow 'text' --deny 'text' --bind 'file' --env 'text') ;;
    'app fim-override unset') options=('--help:show help') slots=('text*') ;;
    'app fim-override list') options=('--json:print JSON' '--help:show help') ;;
    'app fim-override confirm') options=('--help:show help') ;;
    'app fim-override clear') options=('--help:show help') ;;
    'app fim-perms') operations=('add:grant these in addition' 'del:withdraw these' 'set:grant these and no others' 'list:print the granted permissions, one per line' 'clear:withdraw all') options=('--help:show help') ;;
    'app fim-perms add') options=('--help:show help') slots=('list all! audio dbus_system dbus_user dev gpu home input media network optical shm udev usb wayland xorg') ;;
    'app fim-perms del') options=('--help:show help') slots=('list all! audio dbus_system dbus_user dev gpu home input media network optical shm udev usb wayland xorg') ;;
    'app fim-perms set') options=('--help:show help') slots=('list all! audio dbus_system dbus_user dev gpu home input media network optical shm udev usb wayland xorg') ;;
    'app fim-perms list') options=('--json:print JSON' '--help:show help') ;;
    'app fim-perms clear') options=('--help:show help') ;;
    'app fim-portal') operations=('allow:allow these in addition' 'deny:no longer allow these' 'list:print the allowed programs, one per line' 'clear:allow none') options=('--help:show help') ;;
    'app fim-portal allow') options=('--help:show help') slots=('host*') ;;
    'app fim-portal deny') options=('--help:show help') slots=('host*') ;;
    'app fim-portal list') options=('--json:print JSON' '--help:show help') ;;
    'app fim-portal clear') options=('--help:show help') ;;
    'app fim-recipe') operations=('fetch:download recipes even if they are cached, all or none' 'info:print downloaded recipes' 'install:install the packages, and set up the desktop if a recipe contains that' 'list:print the names of downloaded recipes, one per line') options=('--help:show help') ;;
    'app fim-recipe fetch') options=('--help:show help') slots=('text') ;;
    'app fim-recipe info') options=('--json:print JSON' '--help:show help') slots=('text') ;;
    'app fim-recipe install') options=('--help:show help') slots=('text') ;;
    'app fim-recipe list') options=('--json:print JSON' '--help:show help') ;;
    'app fim-remote') operations=('set:set the URL' 'show:print it' 'get:the same as show' 'clear:remove it') options=('--help:show help') ;;
    'app fim-remote set') options=('--help:show help') slots=('text') ;;
    'app fim-remote show') options=('--json:print JSON' '--help:show help') ;;
    'app fim-remote get') options=('--json:print JSON' '--help:show help') ;;
    'app fim-remote clear') options=('--help:show help') ;;
    'app fim-root') options=('--help:show help') slots=('guest' 'guest*') ;;
    'app fim-run') options=('--allow:grant permissions' '--deny:withdraw permissions, also those of the image' '--bind:show a file of the host in the guest, by default at the same path' '--env:set a variable' '--pwd:start in this directory; a relative one is a directory of the host, which is bound' '--root:run as root of the guest' '--help:show help') valued=(--allow 'text' --deny 'text' --bind 'file' --env 'text' --pwd 'directory') slots=('guest*') ;;
    'app fim-unshare') operations=('add:separate these in addition' 'del:share these with the host' 'set:separate exactly these' 'list:print the separate namespaces, one per line' 'clear:restore the default') options=('--help:show help') ;;
    'app fim-unshare add') options=('--help:show help') slots=('list all! cgroup ipc net pid user uts') ;;
    'app fim-unshare del') options=('--help:show help') slots=('list all! cgroup ipc net pid user uts') ;;
    'app fim-unshare set') options=('--help:show help') slots=('list all! cgroup ipc net pid user uts') ;;
    'app fim-unshare list') options=('--json:print JSON' '--help:show help') ;;
    'app fim-unshare clear') options=('--help:show help') ;;
    'app fim-version') operations=('short:print the version' 'full:print the build as JSON' 'deps:print programs, sources and licenses as JSON') options=('--help:show help') ;;
    'app fim-version short') options=('--json:print JSON' '--help:show help') ;;
    'app fim-version full') options=('--json:print JSON' '--help:show help') ;;
    'app fim-version deps') options=('--json:print JSON' '--help:show help') ;;
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
