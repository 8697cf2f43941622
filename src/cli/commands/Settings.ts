/** The commands that change the settings of an image. */
import { bindingTypes, namespaceNames, overlayNames, permissionNames } from "../../image/SettingsDefaults.ts"
import { json, operation } from "../grammar/Command.ts"
import type { SettingsCommand } from "./Services.ts"

const nameSets = () => import("../config/NameSet.ts")

const permissions = {
  name: "names",
  shown: "permission,...",
  as: "list",
  choices: ["all", ...[...permissionNames].sort()],
  alone: { value: "all", error: "Permission 'all' should not be used with others" },
  refused: { none: "Invalid permission 'NONE'" },
  invalid: "Invalid permission"
} as const

export const perms: SettingsCommand = {
  name: "fim-perms",
  summary: "permissions of the guest on the host",
  description: [
    "A new image has no permissions. Permissions: all audio dbus_system dbus_user dev gpu home input media network",
    "optical shm udev usb wayland xorg. A list is separated by commas, without spaces."
  ],
  missing: "Missing op for fim-perms (add,del,list,set,clear)",
  unknown: "Invalid perms operation",
  operations: [
    operation({
      name: "add",
      summary: "grant these in addition",
      arguments: [{ ...permissions, missing: "No arguments for 'ADD' command" }],
      handler: () => nameSets().then(({ perms }) => perms.add)
    }),
    operation({
      name: "del",
      summary: "withdraw these",
      arguments: [{ ...permissions, missing: "No arguments for 'DEL' command" }],
      handler: () => nameSets().then(({ perms }) => perms.del)
    }),
    operation({
      name: "set",
      summary: "grant these and no others",
      arguments: [{ ...permissions, missing: "No arguments for 'SET' command" }],
      handler: () => nameSets().then(({ perms }) => perms.set)
    }),
    operation({
      name: "list",
      summary: "print the granted permissions, one per line",
      options: [json],
      handler: () => nameSets().then(({ perms }) => perms.list)
    }),
    operation({
      name: "clear",
      summary: "withdraw all",
      handler: () => nameSets().then(({ perms }) => perms.clear)
    })
  ],
  examples: [
    { command: "fim-perms add network,audio", description: "use the network and play sound" },
    { command: "fim-perms set all", description: "grant everything" },
    { command: "fim-perms del home", description: "hide the home directory again" }
  ]
}

const namespaces = {
  name: "names",
  shown: "option,...",
  as: "list",
  choices: ["all", ...[...namespaceNames].sort()],
  alone: { value: "all", error: "Unshare option 'all' should not be used with others" },
  refused: { none: "Invalid unshare option 'NONE'" },
  invalid: "Invalid unshare option"
} as const

export const unshare: SettingsCommand = {
  name: "fim-unshare",
  summary: "namespaces of the guest that are separate from the host",
  description: ["Options: all cgroup ipc net pid user uts. A list is separated by commas, without spaces."],
  missing: "Missing op for fim-unshare (add,clear,del,list,set)",
  unknown: "Invalid unshare operation",
  operations: [
    operation({
      name: "add",
      summary: "separate these in addition",
      arguments: [{ ...namespaces, missing: "No arguments for 'ADD' command" }],
      handler: () => nameSets().then(({ unshare }) => unshare.add)
    }),
    operation({
      name: "del",
      summary: "share these with the host",
      arguments: [{ ...namespaces, missing: "No arguments for 'DEL' command" }],
      handler: () => nameSets().then(({ unshare }) => unshare.del)
    }),
    operation({
      name: "set",
      summary: "separate exactly these",
      arguments: [{ ...namespaces, missing: "No arguments for 'SET' command" }],
      handler: () => nameSets().then(({ unshare }) => unshare.set)
    }),
    operation({
      name: "list",
      summary: "print the separate namespaces, one per line",
      options: [json],
      handler: () => nameSets().then(({ unshare }) => unshare.list)
    }),
    operation({
      name: "clear",
      summary: "restore the default",
      handler: () => nameSets().then(({ unshare }) => unshare.clear)
    })
  ],
  examples: [{ command: "fim-unshare set pid,ipc", description: "own process numbers and shared memory" }]
}

const variables = () => import("../config/Env.ts")

const assignments = { name: "assignments", shown: "name=value", as: "repeated" } as const

export const env: SettingsCommand = {
  name: "fim-env",
  summary: "variables of the guest",
  description: [
    "Values are stored unchanged. Each start replaces $NAME, ${NAME} and a leading ~ by variables of the host. UID, GID,",
    "USER, HOME, SHELL and PS1 set the identity in the guest. FIM_ALLOW=userns lets its programs create their own",
    "sandboxes, as browsers do. FIM_ALLOW=ptrace lets them trace each other, as debuggers do."
  ],
  missing: "Missing op for 'fim-env' (add,del,list,set,clear)",
  unknown: "Invalid env operation",
  operations: [
    operation({
      name: "add",
      summary: "set these in addition",
      arguments: [{ ...assignments, missing: "Missing arguments for 'ADD'" }],
      handler: () => variables().then(({ add }) => add)
    }),
    operation({
      name: "set",
      summary: "set these and remove all others",
      arguments: [{ ...assignments, missing: "Missing arguments for 'SET'" }],
      handler: () => variables().then(({ set }) => set)
    }),
    operation({
      name: "del",
      summary: "remove these",
      arguments: [{ name: "names", shown: "name", as: "repeated", missing: "Missing arguments for 'DEL'" }],
      handler: () => variables().then(({ del }) => del)
    }),
    operation({
      name: "list",
      summary: "print all, with variables expanded",
      options: [json],
      handler: () => variables().then(({ list }) => list)
    }),
    operation({ name: "clear", summary: "remove all", handler: () => variables().then(({ clear }) => clear) })
  ],
  examples: [
    {
      command: "fim-env add EDITOR=vi 'CACHE=$HOME/.cache/app'",
      description: "set two variables, the second with a variable of the host"
    },
    { command: "fim-env del EDITOR", description: "remove one" },
    { command: "fim-env add -- --NAME=value", description: "a name that looks like an option" }
  ]
}

const bootCommand = () => import("../config/Boot.ts")

const showBoot = { options: [json], handler: () => bootCommand().then(({ show }) => show) }

export const boot: SettingsCommand = {
  name: "fim-boot",
  summary: "the program that starts by default",
  description: ["The caller's arguments are appended to its own. Without a boot command, bash starts."],
  missing: "Missing op for 'fim-boot' (<set|show|clear>)",
  unknown: "Invalid boot operation",
  operations: [
    operation({
      name: "set",
      summary: "set the program and its arguments",
      arguments: [
        { name: "program", about: "guest program", nonEmpty: true, missing: "Missing program for 'set' operation" },
        { name: "arguments", shown: "argument", as: "rest" }
      ],
      handler: () => bootCommand().then(({ set }) => set)
    }),
    operation({ name: "show", summary: "print the program and its arguments", ...showBoot }),
    operation({ name: "get", summary: "the same as show", ...showBoot }),
    operation({ name: "clear", summary: "start bash again", handler: () => bootCommand().then(({ clear }) => clear) })
  ],
  examples: [
    { command: "fim-boot set firefox --no-remote", description: "start a browser" },
    { command: "fim-boot show", description: "print the boot command" }
  ]
}

const bindings = () => import("../config/Bind.ts")

const addedBinding = "Incorrect number of arguments for 'add' (<ro,rw,dev> <src> <dst>)"
const deletedBinding = "Incorrect number of arguments for 'del' (<index>)"

export const bind: SettingsCommand = {
  name: "fim-bind",
  summary: "paths of the host in the guest",
  description: [
    "Types: ro read only, rw read and write, dev with access to devices. Paths are stored unchanged. Each start replaces",
    "$NAME, ${NAME} and a leading ~. A source that does not exist is reported and skipped."
  ],
  missing: "Missing op for 'fim-bind' command (add,del,list)",
  unknown: "Invalid bind operation",
  operations: [
    operation({
      name: "add",
      summary: "bind one path",
      arguments: [
        { name: "type", choices: bindingTypes, missing: addedBinding, invalid: "Invalid bind type" },
        { name: "source", about: "file", missing: addedBinding },
        { name: "destination", missing: addedBinding }
      ],
      tooMany: addedBinding,
      handler: () => bindings().then(({ add }) => add)
    }),
    operation({
      name: "del",
      summary: "remove one; the following indices decrease by one",
      arguments: [{
        name: "which",
        shown: "index|destination",
        pattern: /^\d+$|\//,
        missing: deletedBinding,
        invalid: "Index argument for 'del' is not a number",
        hint: "A destination is a path, as '/data'"
      }],
      tooMany: deletedBinding,
      handler: () => bindings().then(({ del }) => del)
    }),
    operation({
      name: "list",
      summary: "print all as JSON",
      options: [json],
      tooMany: "'list' command takes no arguments",
      handler: () => bindings().then(({ list }) => list)
    }),
    operation({
      name: "clear",
      summary: "remove all",
      tooMany: "'clear' command takes no arguments",
      handler: () => bindings().then(({ clear }) => clear)
    })
  ],
  examples: [
    { command: "fim-bind add rw '$HOME/Documents' /documents", description: "share a directory" },
    { command: "fim-bind del 0", description: "remove the first" }
  ]
}

const overlays = () => import("../config/Overlay.ts")

const showOverlay = { options: [json], handler: () => overlays().then(({ show }) => show) }

export const overlay: SettingsCommand = {
  name: "fim-overlay",
  summary: "the file system that makes the layers writable",
  description: [
    "bwrap uses the kernel's overlay and is the fastest. overlayfs uses fuse-overlayfs, unionfs uses unionfs-fuse.",
    "FIM_OVERLAY=<type> selects the type for one run."
  ],
  missing: "Missing op for 'fim-overlay' (<set|show>)",
  unknown: "Invalid overlay operation",
  operations: [
    operation({
      name: "set",
      summary: "set the type",
      arguments: [{
        name: "type",
        choices: overlayNames,
        missing: "Missing argument for 'set'",
        invalid: "Invalid overlay type"
      }],
      handler: () => overlays().then(({ set }) => set)
    }),
    operation({ name: "show", summary: "print the type that the next run uses", ...showOverlay }),
    operation({ name: "get", summary: "the same as show", ...showOverlay })
  ],
  examples: [{ command: "fim-overlay set overlayfs", description: "for kernels without unprivileged overlayfs" }]
}

const switches = () => import("../config/Switch.ts")

const missingSwitch = (command: string) => `Incorrect number of arguments for '${command}' (<on|off>)`

const getCasefold = { options: [json], handler: () => switches().then(({ casefold }) => casefold.get) }

export const casefold: SettingsCommand = {
  name: "fim-casefold",
  summary: "whether names of files ignore case",
  description: [
    "For programs that come from Windows. FIM_CASEFOLD=1 switches it on for one run.",
    "Names keep the case with which they were created. It needs overlayfs or unionfs: instead of bwrap, unionfs is used."
  ],
  missing: missingSwitch("fim-casefold"),
  unknown: "Invalid casefold switch",
  operations: [
    operation({ name: "on", summary: "ignore case", handler: () => switches().then(({ casefold }) => casefold.on) }),
    operation({
      name: "off",
      summary: "distinguish case",
      handler: () => switches().then(({ casefold }) => casefold.off)
    }),
    operation({ name: "get", summary: "print on or off", ...getCasefold }),
    operation({ name: "show", summary: "the same as get", hidden: true, ...getCasefold })
  ],
  examples: [{ command: "fim-casefold on", description: "README and readme are one file" }]
}

// FlatImage in C++ prints this for too many arguments, and scripts match it.
const tooManyNotify = { tooMany: missingSwitch("fim-notify") }

const getNotify = { ...tooManyNotify, options: [json], handler: () => switches().then(({ notify }) => notify.get) }

export const notify: SettingsCommand = {
  name: "fim-notify",
  summary: "whether a start is announced on the desktop",
  description: [
    "It uses notify-send of the host, if it is installed, and needs the name that 'fim-desktop setup' stores. The program",
    "does not wait for it."
  ],
  missing: missingSwitch("fim-notify"),
  unknown: "Invalid notify switch",
  operations: [
    operation({
      name: "on",
      summary: "announce each start",
      ...tooManyNotify,
      handler: () => switches().then(({ notify }) => notify.on)
    }),
    operation({
      name: "off",
      summary: "announce no start",
      ...tooManyNotify,
      handler: () => switches().then(({ notify }) => notify.off)
    }),
    operation({ name: "get", summary: "print on or off", ...getNotify }),
    operation({ name: "show", summary: "the same as get", hidden: true, ...getNotify })
  ],
  examples: [{ command: "fim-notify on", description: "announce each start" }]
}

const allowed = () => import("../config/Portal.ts")

const programs = {
  name: "programs",
  shown: "program",
  about: "host program",
  as: "repeated",
  // A plain name is searched in the host's PATH. A path must be absolute: a relative one would depend on the guest's
  // directory.
  pattern: /^(?!\.{1,2}$)[^/]+$|^\/(?!.*\/\.{0,2}(\/|$))./,
  invalid: "Invalid program '%s'",
  hint: "a name, an absolute path, or '*' for all programs"
} as const

export const portal: SettingsCommand = {
  name: "fim-portal",
  summary: "programs of the host that the guest may run",
  description: [
    "A new image may run none. In the guest, 'fim_portal <program> [argument...]' runs an allowed program on the host, as",
    "the caller and outside of the sandbox. A program is a name, which is searched in the host's PATH, an absolute path,",
    "or * for all. It is allowed only by the name with which it is called. Changes take effect at the next start."
  ],
  missing: "Missing op for 'fim-portal' (<allow|deny|list|clear>)",
  unknown: "Invalid portal operation",
  operations: [
    operation({
      name: "allow",
      summary: "allow these in addition",
      arguments: [{ ...programs, missing: "Missing arguments for 'ALLOW'" }],
      handler: () => allowed().then(({ allow }) => allow)
    }),
    operation({
      name: "deny",
      summary: "no longer allow these",
      arguments: [{ ...programs, missing: "Missing arguments for 'DENY'" }],
      handler: () => allowed().then(({ deny }) => deny)
    }),
    operation({
      name: "list",
      summary: "print the allowed programs, one per line",
      options: [json],
      handler: () => allowed().then(({ list }) => list)
    }),
    operation({ name: "clear", summary: "allow none", handler: () => allowed().then(({ clear }) => clear) })
  ],
  examples: [
    { command: "fim-portal allow xdg-open notify-send", description: "open links and show messages on the host" },
    { command: "fim-exec fim_portal xdg-open https://example.org", description: "open a link from the guest" },
    { command: "fim-portal clear", description: "allow no program any more" }
  ]
}

const remotes = () => import("../config/Remote.ts")

const showRemote = { options: [json], handler: () => remotes().then(({ show }) => show) }

export const remote: SettingsCommand = {
  name: "fim-remote",
  summary: "the URL of recipes",
  description: [
    "A URL that begins with http://, https:// or file://. The recipe R for Debian is at <url>/debian/latest/R.json."
  ],
  missing: "Missing op for 'fim-remote' (<set|show|clear>)",
  unknown: "Invalid remote operation",
  operations: [
    operation({
      name: "set",
      summary: "set the URL",
      arguments: [{ name: "url", nonEmpty: true, missing: "Missing URL for 'set' operation" }],
      handler: () => remotes().then(({ set }) => set)
    }),
    operation({ name: "show", summary: "print it", ...showRemote }),
    operation({ name: "get", summary: "the same as show", ...showRemote }),
    operation({ name: "clear", summary: "remove it", handler: () => remotes().then(({ clear }) => clear) })
  ],
  examples: [{ command: "fim-remote set https://example.org/recipes", description: "use your own recipes" }]
}

const versions = () => import("../config/Version.ts")

export const version: SettingsCommand = {
  name: "fim-version",
  summary: "version, build and contents of this image",
  description: [
    "short, and fim-version alone, prints the version; full also commit, distribution and time; deps the programs inside."
  ],
  default: "short",
  unknown: "Invalid version operation",
  operations: [
    operation({
      name: "short",
      summary: "print the version",
      options: [json],
      handler: () => versions().then(({ short }) => short)
    }),
    operation({
      name: "full",
      summary: "print the build as JSON",
      options: [json],
      handler: () => versions().then(({ full }) => full)
    }),
    operation({
      name: "deps",
      summary: "print programs, sources and licenses as JSON",
      options: [json],
      handler: () => versions().then(({ deps }) => deps)
    })
  ],
  examples: [{ command: "fim-version full", description: "the version to include in a bug report" }]
}
