# Completion of flatimage for fish, printed by: flatimage completion fish

# What may stand at a place: sets operations, options, valued and slots.
function __flatimage_flatimage_place --no-scope-shadowing
    set operations
    set options
    set valued
    set slots
    switch $place
        case 'flatimage'
            set operations 'build'\t'Build an image' 'config'\t'Read or change the settings of an image without running it' 'inspect'\t'Print and check the parts of an image' 'install'\t'Make links that run programs of an image' 'uninstall'\t'Remove the links and the desktop integration of an image' 'du'\t'List what flatimage keeps for you on this machine, with sizes' 'prune'\t'Remove hot caches, and unpacked tools that nothing uses' 'tools'\t'The programs and libraries that every image contains' 'completion'\t'Print a completion script for a shell' 'man'\t'Print a manual page'
            set options '--help'\t'show help'
        case 'flatimage build'
            set options '--dist'\t'System to build: alpine (the smallest Alpine in which apk works), arch (the smallest Arch Linux in which pacman works), blueprint (an empty system with nothing but busybox and bash, to be filled with layers), debian (the smallest Debian in which apt works), ubuntu (the smallest Ubuntu in which apt works)' '--arch'\t'Architecture of the image (default: that of the machine). For arm64 on amd64 the compilers are downloaded from Debian once, and programs of arm64 run in an emulator' '--suite'\t'Release of the distribution: latest-stable, edge (alpine); trixie, bookworm (debian); noble, jammy (ubuntu)' '--mirror'\t'URL of its packages: http, https or file (default for Debian: the mirror of this machine\'s apt)' '--keyring'\t'Keys that sign its packages or the archive (default: those of this machine)' '--rootfs'\t'Use this directory or tar archive (gzip, xz, zstd) as the system' '--from'\t'Use this container as the system, with its settings: docker://HOST/NAME:TAG, oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:TAG] or containers-storage:NAME' '--squash'\t'Make one layer of those of the container' '--max-size'\t'Largest container, without compression, as 500M or 20G (default: 64G)' '--trust-realm'\t'Send the credentials for the registry also to this token server, which is of another domain' '--sha256'\t'Checksum that the archive must have' '--signature'\t'Detached OpenPGP signature that the archive must have' '--include'\t'Packages of the distribution to install in addition' '--level'\t'Compression of the layers: 0 is the fastest, 9 the smallest' '--order-by-run'\t'Run CMD in the image, without permissions, and store first what it reads, so that it starts faster' '--output'\t'Image to write (default: dist/NAME.flatimage of the project)' '-o'\t'Image to write (default: dist/NAME.flatimage of the project)' '--identity'\t'Identity of the image that this is a new version of, as \'flatimage inspect\' prints it: the new one uses the same data' '--refresh'\t'Make the system and all steps of a definition again, without the cache' '--reproducible'\t'Equal inputs give equal bytes: no file is younger than SOURCE_DATE_EPOCH, by default the last commit' '--quiet'\t'Show only errors' '-q'\t'Show only errors' '--help'\t'show help'
            set valued '--dist'\t'words alpine arch blueprint debian ubuntu' '--arch'\t'words amd64 arm64' '--suite'\t'text' '--mirror'\t'text' '--keyring'\t'file' '--rootfs'\t'file' '--from'\t'text' '--max-size'\t'text' '--trust-realm'\t'text' '--sha256'\t'text' '--signature'\t'file' '--include'\t'text' '--level'\t'text' '--order-by-run'\t'text' '--output'\t'file' '-o'\t'file' '--identity'\t'text'
            set slots 'file'
        case 'flatimage config'
            set options '--export'\t'Write all settings to this JSON file; - is standard output' '--import'\t'Read settings from such a file, all or none' '--help'\t'show help'
            set valued '--export'\t'file' '--import'\t'file'
            set slots 'file' 'image*'
        case 'flatimage inspect'
            set options '--json'\t'Print one JSON object instead of a table' '--help'\t'show help'
            set slots 'file'
        case 'flatimage install'
            set options '--command'\t'Program of the image, and name of its link' '--help'\t'show help'
            set valued '--command'\t'text'
            set slots 'file' 'guest*'
        case 'flatimage uninstall'
            set options '--help'\t'show help'
            set slots 'file'
        case 'flatimage du'
            set options '--json'\t'Print one JSON object instead of a table' '--help'\t'show help'
        case 'flatimage prune'
            set options '--dry-run'\t'Print what would be removed' '--help'\t'show help'
        case 'flatimage tools'
            set operations 'list'\t'Print the pinned packages and sources with their versions and licences' 'lock'\t'Pin the newest versions of the machine\'s Debian mirror' 'fetch'\t'Download, verify and compile the pinned versions, so that builds need no network for them'
            set options '--help'\t'show help'
        case 'flatimage tools list'
            set options '--help'\t'show help'
        case 'flatimage tools lock'
            set options '--arch'\t'For images of this architecture (default: that of the machine)' '--quiet'\t'Show only errors' '-q'\t'Show only errors' '--help'\t'show help'
            set valued '--arch'\t'words amd64 arm64'
        case 'flatimage tools fetch'
            set options '--arch'\t'For images of this architecture (default: that of the machine)' '--quiet'\t'Show only errors' '-q'\t'Show only errors' '--help'\t'show help'
            set valued '--arch'\t'words amd64 arm64'
        case 'flatimage completion'
            set options '--help'\t'show help'
            set slots 'words bash zsh fish'
        case 'flatimage man'
            set options '--help'\t'show help'
            set slots 'words flatimage image'
        case 'app'
            set operations 'fim-bind'\t'paths of the host in the guest' 'fim-boot'\t'the program that starts by default' 'fim-casefold'\t'whether names of files ignore case' 'fim-desktop'\t'the image in menus and file managers of the host' 'fim-doctor'\t'what this host lets an image do' 'fim-env'\t'variables of the guest' 'fim-exec'\t'run a program in the guest' 'fim-help'\t'this help' 'fim-info'\t'what this image is, keeps, and may use' 'fim-instance'\t'running instances of this build, and commands in them' 'fim-layer'\t'the layers of the image' 'fim-notify'\t'whether a start is announced on the desktop' 'fim-overlay'\t'the file system that makes the layers writable' 'fim-override'\t'your own settings for this image, outside of the file' 'fim-perms'\t'permissions of the guest on the host' 'fim-portal'\t'programs of the host that the guest may run' 'fim-recipe'\t'named sets of packages' 'fim-remote'\t'the URL of recipes' 'fim-root'\t'run a program in the guest as root' 'fim-run'\t'run a program with other settings, once' 'fim-unshare'\t'namespaces of the guest that are separate from the host' 'fim-version'\t'version, build and contents of this image'
            set options 
            set slots 'guest*'
        case 'app fim-bind'
            set operations 'add'\t'bind one path' 'del'\t'remove one; the following indices decrease by one' 'list'\t'print all as JSON' 'clear'\t'remove all'
            set options '--help'\t'show help'
        case 'app fim-bind add'
            set options '--help'\t'show help'
            set slots 'words ro rw dev' 'file' 'text'
        case 'app fim-bind del'
            set options '--help'\t'show help'
            set slots 'text'
        case 'app fim-bind list'
            set options '--json'\t'print JSON' '--help'\t'show help'
        case 'app fim-bind clear'
            set options '--help'\t'show help'
        case 'app fim-boot'
            set operations 'set'\t'set the program and its arguments' 'show'\t'print the program and its arguments' 'get'\t'the same as show' 'clear'\t'start bash again'
            set options '--help'\t'show help'
        case 'app fim-boot set'
            set options '--help'\t'show help'
            set slots 'guest' 'guest*'
        case 'app fim-boot show'
            set options '--json'\t'print JSON' '--help'\t'show help'
        case 'app fim-boot get'
            set options '--json'\t'print JSON' '--help'\t'show help'
        case 'app fim-boot clear'
            set options '--help'\t'show help'
        case 'app fim-casefold'
            set operations 'on'\t'ignore case' 'off'\t'distinguish case' 'get'\t'print on or off'
            set options '--help'\t'show help'
        case 'app fim-casefold on'
            set options '--help'\t'show help'
        case 'app fim-casefold off'
            set options '--help'\t'show help'
        case 'app fim-casefold get'
            set options '--json'\t'print JSON' '--help'\t'show help'
        case 'app fim-desktop'
            set operations 'setup'\t'store name, icon and categories from a JSON file' 'enable'\t'enable these integrations and disable all others' 'disable'\t'disable these integrations' 'list'\t'print the enabled integrations, one per line' 'show'\t'print the stored settings as JSON' 'get'\t'the same as show' 'dump'\t'print a file as the desktop gets it; an icon is written to a file' 'clean'\t'remove all files that this image has created on this desktop'
            set options '--help'\t'show help'
        case 'app fim-desktop setup'
            set options '--help'\t'show help'
            set slots 'file'
        case 'app fim-desktop enable'
            set options '--help'\t'show help'
            set slots 'list entry mimetype icon none!'
        case 'app fim-desktop disable'
            set options '--help'\t'show help'
            set slots 'list entry mimetype icon'
        case 'app fim-desktop list'
            set options '--json'\t'print JSON' '--help'\t'show help'
        case 'app fim-desktop show'
            set options '--json'\t'print JSON' '--help'\t'show help'
        case 'app fim-desktop get'
            set options '--json'\t'print JSON' '--help'\t'show help'
        case 'app fim-desktop dump'
            set operations 'entry'\t'the desktop entry' 'mimetype'\t'the MIME type of the image file' 'icon'\t'the icon'
            set options '--help'\t'show help'
        case 'app fim-desktop dump entry'
            set options '--help'\t'show help'
        case 'app fim-desktop dump mimetype'
            set options '--help'\t'show help'
        case 'app fim-desktop dump icon'
            set options '--help'\t'show help'
            set slots 'file'
        case 'app fim-desktop clean'
            set options '--help'\t'show help'
        case 'app fim-doctor'
            set options '--json'\t'print JSON' '--help'\t'show help'
        case 'app fim-env'
            set operations 'add'\t'set these in addition' 'set'\t'set these and remove all others' 'del'\t'remove these' 'list'\t'print all, with variables expanded' 'clear'\t'remove all'
            set options '--help'\t'show help'
        case 'app fim-env add'
            set options '--help'\t'show help'
            set slots 'text*'
        case 'app fim-env set'
            set options '--help'\t'show help'
            set slots 'text*'
        case 'app fim-env del'
            set options '--help'\t'show help'
            set slots 'text*'
        case 'app fim-env list'
            set options '--json'\t'print JSON' '--help'\t'show help'
        case 'app fim-env clear'
            set options '--help'\t'show help'
        case 'app fim-exec'
            set options '--help'\t'show help'
            set slots 'guest' 'guest*'
        case 'app fim-help'
            set operations 'apparmor'\t'print a profile for AppArmor' 'completion'\t'print a completion script; `program` is the name of the image' 'man'\t'print a manual page of all commands'
            set options '--help'\t'show help'
            set slots 'words bind boot casefold desktop doctor env exec help info instance layer notify overlay override perms portal recipe remote root run unshare version'
        case 'app fim-help apparmor'
            set options '--help'\t'show help'
        case 'app fim-help completion'
            set options '--help'\t'show help'
            set slots 'words bash zsh fish' 'text'
        case 'app fim-help man'
            set options '--help'\t'show help'
            set slots 'text'
        case 'app fim-info'
            set options '--json'\t'print JSON' '--help'\t'show help'
        case 'app fim-instance'
            set operations 'list'\t'print index:pid of each instance' 'exec'\t'run a command in an instance' 'start'\t'start an instance in the background' 'stop'\t'stop an instance and all processes in it' 'kill'\t'send a signal to the program of an instance' 'logs'\t'print what an instance in the background has written' 'unit'\t'print a unit of systemd that runs a program in an instance'
            set options '--help'\t'show help'
        case 'app fim-instance list'
            set options '--json'\t'print JSON' '--long'\t'print a table with name, user, age, state, image and command' '--help'\t'show help'
        case 'app fim-instance exec'
            set options '--help'\t'show help'
            set slots 'instance' 'guest' 'guest*'
        case 'app fim-instance start'
            set options '--name'\t'name the instance; by default after its program' '--help'\t'show help'
            set valued '--name'\t'text'
            set slots 'guest*'
        case 'app fim-instance stop'
            set options '--time'\t'kill it after so many seconds' '-t'\t'kill it after so many seconds' '--help'\t'show help'
            set valued '--time'\t'text' '-t'\t'text'
            set slots 'instance'
        case 'app fim-instance kill'
            set options '--signal'\t'name or number; by default TERM' '-s'\t'name or number; by default TERM' '--help'\t'show help'
            set valued '--signal'\t'text' '-s'\t'text'
            set slots 'instance'
        case 'app fim-instance logs'
            set options '--follow'\t'go on until it ends' '-f'\t'go on until it ends' '--help'\t'show help'
            set slots 'instance'
        case 'app fim-instance unit'
            set options '--name'\t'describe the unit by this name' '--help'\t'show help'
            set valued '--name'\t'text'
            set slots 'guest*'
        case 'app fim-layer'
            set operations 'create'\t'pack a directory into a file' 'add'\t'append a packed layer to the image' 'commit'\t'make a layer of the changes of the guest' 'list'\t'print index:offset:size:path of each layer, lowest first' 'rollback'\t'remove the last n layers from the image, by default 1' 'squash'\t'merge the last n layers into one, by default all'
            set options '--help'\t'show help'
        case 'app fim-layer create'
            set options '--help'\t'show help'
            set slots 'directory' 'file'
        case 'app fim-layer add'
            set options '--help'\t'show help'
            set slots 'file'
        case 'app fim-layer commit'
            set operations 'binary'\t'put it into the image itself' 'layer'\t'put it beside the writable tree' 'file'\t'put it at a path'
            set options '--help'\t'show help'
        case 'app fim-layer commit binary'
            set options '--keep-caches'\t'also commit the caches and lists of package managers' '--order-by-run'\t'run CMD with the guest\'s sh, and store first what it reads, so that it starts faster' '--help'\t'show help'
            set valued '--order-by-run'\t'text'
        case 'app fim-layer commit layer'
            set options '--keep-caches'\t'also commit the caches and lists of package managers' '--order-by-run'\t'run CMD with the guest\'s sh, and store first what it reads, so that it starts faster' '--help'\t'show help'
            set valued '--order-by-run'\t'text'
        case 'app fim-layer commit file'
            set options '--keep-caches'\t'also commit the caches and lists of package managers' '--order-by-run'\t'run CMD with the guest\'s sh, and store first what it reads, so that it starts faster' '--help'\t'show help'
            set valued '--order-by-run'\t'text'
            set slots 'file'
        case 'app fim-layer list'
            set options '--json'\t'print JSON' '--long'\t'print a table that shows where each layer is from' '--help'\t'show help'
        case 'app fim-layer rollback'
            set options '--help'\t'show help'
            set slots 'text'
        case 'app fim-layer squash'
            set options '--help'\t'show help'
            set slots 'text'
        case 'app fim-notify'
            set operations 'on'\t'announce each start' 'off'\t'announce no start' 'get'\t'print on or off'
            set options '--help'\t'show help'
        case 'app fim-notify on'
            set options '--help'\t'show help'
        case 'app fim-notify off'
            set options '--help'\t'show help'
        case 'app fim-notify get'
            set options '--json'\t'print JSON' '--help'\t'show help'
        case 'app fim-overlay'
            set operations 'set'\t'set the type' 'show'\t'print the type that the next run uses' 'get'\t'the same as show'
            set options '--help'\t'show help'
        case 'app fim-overlay set'
            set options '--help'\t'show help'
            set slots 'words bwrap overlayfs unionfs'
        case 'app fim-overlay show'
            set options '--json'\t'print JSON' '--help'\t'show help'
        case 'app fim-overlay get'
            set options '--json'\t'print JSON' '--help'\t'show help'
        case 'app fim-override'
            set operations 'set'\t'add overrides' 'unset'\t'remove overrides: permissions, names of variables, destinations of binds' 'list'\t'print your overrides' 'confirm'\t'apply them although the settings of the image have changed' 'clear'\t'remove all'
            set options '--help'\t'show help'
        case 'app fim-override set'
            set options '--allow'\t'grant permissions' '--deny'\t'withdraw permissions, also those of the image' '--bind'\t'show a file of the host in the guest, by default at the same path' '--env'\t'set a variable' '--help'\t'show help'
            set valued '--allow'\t'text' '--deny'\t'text' '--bind'\t'file' '--env'\t'text'
        case 'app fim-override unset'
            set options '--help'\t'show help'
            set slots 'text*'
        case 'app fim-override list'
            set options '--json'\t'print JSON' '--help'\t'show help'
        case 'app fim-override confirm'
            set options '--help'\t'show help'
        case 'app fim-override clear'
            set options '--help'\t'show help'
        case 'app fim-perms'
            set operations 'add'\t'grant these in addition' 'del'\t'withdraw these' 'set'\t'grant these and no others' 'list'\t'print the granted permissions, one per line' 'clear'\t'withdraw all'
            set options '--help'\t'show help'
        case 'app fim-perms add'
            set options '--help'\t'show help'
            set slots 'list all! audio dbus_system dbus_user dev gpu home input media network optical shm udev usb wayland xorg'
        case 'app fim-perms del'
            set options '--help'\t'show help'
            set slots 'list all! audio dbus_system dbus_user dev gpu home input media network optical shm udev usb wayland xorg'
        case 'app fim-perms set'
            set options '--help'\t'show help'
            set slots 'list all! audio dbus_system dbus_user dev gpu home input media network optical shm udev usb wayland xorg'
        case 'app fim-perms list'
            set options '--json'\t'print JSON' '--help'\t'show help'
        case 'app fim-perms clear'
            set options '--help'\t'show help'
        case 'app fim-portal'
            set operations 'allow'\t'allow these in addition' 'deny'\t'no longer allow these' 'list'\t'print the allowed programs, one per line' 'clear'\t'allow none'
            set options '--help'\t'show help'
        case 'app fim-portal allow'
            set options '--help'\t'show help'
            set slots 'host*'
        case 'app fim-portal deny'
            set options '--help'\t'show help'
            set slots 'host*'
        case 'app fim-portal list'
            set options '--json'\t'print JSON' '--help'\t'show help'
        case 'app fim-portal clear'
            set options '--help'\t'show help'
        case 'app fim-recipe'
            set operations 'fetch'\t'download recipes even if they are cached, all or none' 'info'\t'print downloaded recipes' 'install'\t'install the packages, and set up the desktop if a recipe contains that' 'list'\t'print the names of downloaded recipes, one per line'
            set options '--help'\t'show help'
        case 'app fim-recipe fetch'
            set options '--help'\t'show help'
            set slots 'text'
        case 'app fim-recipe info'
            set options '--json'\t'print JSON' '--help'\t'show help'
            set slots 'text'
        case 'app fim-recipe install'
            set options '--help'\t'show help'
            set slots 'text'
        case 'app fim-recipe list'
            set options '--json'\t'print JSON' '--help'\t'show help'
        case 'app fim-remote'
            set operations 'set'\t'set the URL' 'show'\t'print it' 'get'\t'the same as show' 'clear'\t'remove it'
            set options '--help'\t'show help'
        case 'app fim-remote set'
            set options '--help'\t'show help'
            set slots 'text'
        case 'app fim-remote show'
            set options '--json'\t'print JSON' '--help'\t'show help'
        case 'app fim-remote get'
            set options '--json'\t'print JSON' '--help'\t'show help'
        case 'app fim-remote clear'
            set options '--help'\t'show help'
        case 'app fim-root'
            set options '--help'\t'show help'
            set slots 'guest' 'guest*'
        case 'app fim-run'
            set options '--allow'\t'grant permissions' '--deny'\t'withdraw permissions, also those of the image' '--bind'\t'show a file of the host in the guest, by default at the same path' '--env'\t'set a variable' '--pwd'\t'start in this directory; a relative one is a directory of the host, which is bound' '--root'\t'run as root of the guest' '--help'\t'show help'
            set valued '--allow'\t'text' '--deny'\t'text' '--bind'\t'file' '--env'\t'text' '--pwd'\t'directory'
            set slots 'guest*'
        case 'app fim-unshare'
            set operations 'add'\t'separate these in addition' 'del'\t'share these with the host' 'set'\t'separate exactly these' 'list'\t'print the separate namespaces, one per line' 'clear'\t'restore the default'
            set options '--help'\t'show help'
        case 'app fim-unshare add'
            set options '--help'\t'show help'
            set slots 'list all! cgroup ipc net pid user uts'
        case 'app fim-unshare del'
            set options '--help'\t'show help'
            set slots 'list all! cgroup ipc net pid user uts'
        case 'app fim-unshare set'
            set options '--help'\t'show help'
            set slots 'list all! cgroup ipc net pid user uts'
        case 'app fim-unshare list'
            set options '--json'\t'print JSON' '--help'\t'show help'
        case 'app fim-unshare clear'
            set options '--help'\t'show help'
        case 'app fim-version'
            set operations 'short'\t'print the version' 'full'\t'print the build as JSON' 'deps'\t'print programs, sources and licenses as JSON'
            set options '--help'\t'show help'
        case 'app fim-version short'
            set options '--json'\t'print JSON' '--help'\t'show help'
        case 'app fim-version full'
            set options '--json'\t'print JSON' '--help'\t'show help'
        case 'app fim-version deps'
            set options '--json'\t'print JSON' '--help'\t'show help'
    end
end

# Offers what a slot has: its kind, then its words.
function __flatimage_flatimage_offer
    set -l current (string replace -r '^--[^=]*=' '' -- (commandline -ct))
    set -l option (string match -r '^--[^=]*=' -- (commandline -ct))
    switch $argv[1]
        case words
            printf '%s\n' "$option"$argv[2..-1]
        case list
            set -l before (string match -r '.*,' -- $current)
            set -l words $argv[2..-1]
            test -n "$before"; and set words (string match -v '*!' -- $words)
            printf '%s\n' "$before"(string replace '!' '' -- $words)
        case file guest
            set -l found (__fish_complete_path "$current")
            printf '%s\n' "$option"$found
        case directory
            __fish_complete_directories "$current" ''
        case host
            complete -C "$current"
        case instance
            set -l typed (commandline -opc)
            set -l program (string replace -r '^~/' "$HOME/" -- $typed[1])
            $program fim-instance list 2>/dev/null | string replace -rf '^(\d+):(\d+)$' '$1\tpid $2'
    end
end

# The part of entries before the tabulator.
function __flatimage_flatimage_names
    string replace -r '\t.*' '' -- $argv
end

# The slot of an option that takes a value.
function __flatimage_flatimage_slot
    string replace -rf '^'(string escape --style=regex -- $argv[1])'\t' '' -- $argv[2..-1]
end

function __flatimage_flatimage
    set -l typed (commandline -opc)
    set -l current (commandline -ct)
    set -l place 'flatimage'
    set -l position 1
    set -l data ''
    set -l value ''
    set -l operations
    set -l options
    set -l valued
    set -l slots
    __flatimage_flatimage_place
    for word in $typed[2..-1]
        set -l lower (string lower -- $word)
        set -l own (__flatimage_flatimage_slot $word $valued)
        if test -n "$value"
            set value ''
        else if test -n "$data"
            set position (math $position + 1)
        else if test "$word" = --
            set data 1
        else if test $position = 1; and contains -- $lower (__flatimage_flatimage_names $operations)
            set place "$place $lower"
            __flatimage_flatimage_place
        else if test -n "$own"
            set value $own
        else if string match -q -- '--*=*' $word; and test -n "$(__flatimage_flatimage_slot (string replace -r '=.*' '' -- $word) $valued)"
            continue
        else if test (count $options) -gt 1; and contains -- $word (__flatimage_flatimage_names $options)
            continue
        else if string match -q 'image*' -- "$slots[$position]"
            set place "app $lower"
            set position 1
            __flatimage_flatimage_place
        else
            set position (math $position + 1)
        end
    end
    if test -n "$value"
        __flatimage_flatimage_offer (string split ' ' -- $value)
        return
    end
    if test -z "$data"; and string match -q -- '--*=*' $current
        set value (__flatimage_flatimage_slot (string replace -r '=.*' '' -- $current) $valued)
        test -n "$value"; and __flatimage_flatimage_offer (string split ' ' -- $value)
        return
    end
    if string match -q -- '-*' $current; and test -z "$data"; and test $position = 1 -o (count $options) -gt 1
        printf '%s\n' $options
        return
    end
    set -l slot "$slots[$position]"
    if test -z "$slot"; and string match -q '*\**' -- "$slots[-1]"
        set slot $slots[-1]
    end
    if string match -q 'image*' -- $slot
        set place 'app'
        __flatimage_flatimage_place
        set slot ''
        set position 1
    end
    if test $position = 1; and test -z "$data"
        printf '%s\n' $operations
    end
    if test -n "$slot"
        __flatimage_flatimage_offer (string split ' ' -- (string replace '*' '' -- $slot))
    end
end

complete -c 'flatimage' -f -a '(__flatimage_flatimage)'
