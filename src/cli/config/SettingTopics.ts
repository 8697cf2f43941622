/** Help for what an image is told about itself: its settings, and the two commands that only tell. */
import type { Operation, Topic } from "./HelpTopics.ts"

const list = (summary: string): Operation => ({ name: "list", words: "[--json]", summary, json: true })
const show = (summary: string): Operation => ({ name: "show", words: "[--json]", summary, json: true })
const get = (summary: string): Operation => ({ name: "get", words: "[--json]", summary, json: true })

export const settingTopics: ReadonlyArray<Topic> = [
  {
    name: "perms",
    summary: "what the guest may use of the host",
    description: [
      "A new image may use nothing. Permissions: all audio dbus_system dbus_user dev gpu home input media network optical",
      "shm udev usb wayland xorg. A list is separated by commas, without spaces."
    ],
    operations: [
      { name: "add", words: "<permission,...>", summary: "grant these too" },
      { name: "del", words: "<permission,...>", summary: "take these back" },
      { name: "set", words: "<permission,...>", summary: "grant these and no others" },
      list("print what is granted, one per line"),
      { name: "clear", words: "", summary: "take all back" }
    ],
    examples: [
      { command: "fim-perms add network,audio", description: "use the network and play sound" },
      { command: "fim-perms set all", description: "grant everything" },
      { command: "fim-perms del home", description: "hide the home directory again" }
    ]
  },
  {
    name: "env",
    summary: "variables of the guest",
    description: [
      "Values are stored as they are written; $NAME, ${NAME} and a leading ~ are replaced with the variables of the host at",
      "each start. UID, GID, USER, HOME, SHELL and PS1 set the identity in the guest. FIM_ALLOW=userns lets programs in it",
      "make sandboxes themselves, as browsers do, FIM_ALLOW=ptrace lets them look into each other, as debuggers do."
    ],
    operations: [
      { name: "add", words: "<name=value>...", summary: "set these too" },
      { name: "set", words: "<name=value>...", summary: "set these and no others" },
      { name: "del", words: "<name>...", summary: "remove these" },
      list("print all, with variables replaced"),
      { name: "clear", words: "", summary: "remove all" }
    ],
    examples: [
      {
        command: "fim-env add EDITOR=vi 'CACHE=$HOME/.cache/app'",
        description: "two variables, the second from the host"
      },
      { command: "fim-env del EDITOR", description: "remove one" },
      { command: "fim-env add -- --NAME=value", description: "a name that looks like an option" }
    ]
  },
  {
    name: "boot",
    summary: "what starts when the image is called without a command of its own",
    description: ["Words of the call are appended to the arguments. Without a boot command, bash starts."],
    operations: [
      { name: "set", words: "<program> [argument...]", summary: "choose the program" },
      show("print the program and its arguments"),
      get("the same as show"),
      { name: "clear", words: "", summary: "start bash again" }
    ],
    examples: [
      { command: "fim-boot set firefox --no-remote", description: "start a browser" },
      { command: "fim-boot show", description: "see what starts" }
    ]
  },
  {
    name: "bind",
    summary: "paths of the host in the guest",
    description: [
      "Types: ro read only, rw read and write, dev with access to devices. Paths are stored as they are written; $NAME,",
      "${NAME} and a leading ~ are replaced at each start. A source that does not exist is reported and left out."
    ],
    operations: [
      { name: "add", words: "<ro|rw|dev> <source> <destination>", summary: "bind one path" },
      { name: "del", words: "<index|destination>", summary: "remove one; those after it move up" },
      list("print all as JSON"),
      { name: "clear", words: "", summary: "remove all" }
    ],
    examples: [
      { command: "fim-bind add rw '$HOME/Documents' /documents", description: "share a directory" },
      { command: "fim-bind del 0", description: "remove the first" }
    ]
  },
  {
    name: "overlay",
    summary: "what lays the writable tree over the layers",
    description: [
      "bwrap uses the overlay of the kernel and is the fastest, overlayfs uses fuse-overlayfs, unionfs uses unionfs-fuse.",
      "FIM_OVERLAY=<type> chooses for one run."
    ],
    operations: [
      { name: "set", words: "<bwrap|overlayfs|unionfs>", summary: "choose the type" },
      show("print what the next run uses"),
      get("the same as show")
    ],
    examples: [{ command: "fim-overlay set overlayfs", description: "for a kernel that cannot" }]
  },
  {
    name: "casefold",
    summary: "whether names of files ignore case",
    description: [
      "For programs that come from Windows. FIM_CASEFOLD=1 switches it on for one run.",
      "Names keep the case they were made with. Not with the overlay bwrap: unionfs takes its place."
    ],
    operations: [
      { name: "on", words: "", summary: "ignore case" },
      { name: "off", words: "", summary: "do not" },
      get("print on or off")
    ],
    examples: [{ command: "fim-casefold on", description: "README and readme are one file" }]
  },
  {
    name: "notify",
    summary: "whether a start is announced on the desktop",
    description: [
      "With notify-send of the host, if it is there, and once 'fim-desktop setup' has given the image a name. The program",
      "does not wait for it."
    ],
    operations: [
      { name: "on", words: "", summary: "announce" },
      { name: "off", words: "", summary: "do not" },
      get("print on or off")
    ],
    examples: [{ command: "fim-notify on", description: "announce each start" }]
  },
  {
    name: "unshare",
    summary: "namespaces that the guest gets for itself",
    description: ["Options: all cgroup ipc net pid user uts. A list is separated by commas, without spaces."],
    operations: [
      { name: "add", words: "<option,...>", summary: "these too" },
      { name: "del", words: "<option,...>", summary: "not these" },
      { name: "set", words: "<option,...>", summary: "these and no others" },
      list("print them, one per line"),
      { name: "clear", words: "", summary: "back to the default" }
    ],
    examples: [{ command: "fim-unshare set pid,ipc", description: "own process numbers and shared memory" }]
  },
  {
    name: "desktop",
    summary: "the image in menus and file managers of the host",
    description: [
      "The JSON file has name, icon (a path or an HTTP URL; PNG, JPEG or SVG), categories and, if wanted, integrations:",
      "{ \"name\": \"App\", \"icon\": \"./app.png\", \"categories\": [\"Utility\"], \"integrations\": [\"ENTRY\", \"ICON\"] }",
      "What is enabled is made by the next start, in XDG_DATA_HOME, and follows the image when it is moved."
    ],
    operations: [
      { name: "setup", words: "<file.json>", summary: "say what the desktop is to show" },
      { name: "enable", words: "<entry,mimetype,icon|none>", summary: "these and no others" },
      { name: "disable", words: "<entry,mimetype,icon>", summary: "these no longer" },
      list("print what is enabled, one per line"),
      show("print what was set up, as JSON"),
      get("the same as show"),
      {
        name: "dump",
        words: "<entry|mimetype|icon> [file]",
        summary: "print what the desktop gets; an icon goes to a file"
      },
      { name: "clean", words: "", summary: "remove all that this image has made on this desktop" }
    ],
    examples: [
      { command: "fim-desktop setup ./app.json", description: "name, icon and categories" },
      { command: "fim-desktop enable entry,mimetype,icon", description: "show up in menus and file managers" },
      { command: "fim-desktop enable none", description: "make nothing any more; clean removes what there is" }
    ]
  },
  {
    name: "version",
    summary: "what this image was made from",
    description: ["short prints the version, full also commit, distribution and time, deps the programs inside."],
    operations: [
      { name: "short", words: "[--json]", summary: "print the version", json: true },
      { name: "full", words: "[--json]", summary: "print the build as JSON", json: true },
      { name: "deps", words: "[--json]", summary: "print programs, sources and licenses as JSON", json: true }
    ],
    examples: [{ command: "fim-version full", description: "what to say in a bug report" }]
  },
  {
    name: "help",
    summary: "this help",
    description: [
      "Every command also takes --help. completion prints a script for a shell. apparmor prints a profile for hosts whose",
      "AppArmor keeps user namespaces to programs that have one; it says itself how to install it."
    ],
    operations: [{
      name: "apparmor",
      words: "",
      summary: "print a profile for AppArmor"
    }, {
      name: "completion",
      words: "<bash|zsh|fish> [program]",
      summary: "print a completion script; `program` is the name of the image"
    }],
    words: "[topic]",
    examples: [
      { command: "fim-help perms", description: "one command in detail" },
      { command: "fim-help apparmor", description: "what Ubuntu needs, and the command that installs it" },
      {
        command: "fim-help completion bash app.flatimage > ~/.local/share/bash-completion/completions/app.flatimage",
        description: "complete with the tabulator key"
      }
    ]
  }
]
