/** What each command says about itself: the source of `fim-help`, of the parser's descriptions and of shell completion. */

import { portalTopics } from "./PortalTopics.ts"
import { recipeTopics } from "./RecipeTopics.ts"

export interface Operation {
  readonly name: string
  /** As in a synopsis: `<name>` for a word, `...` for more of them. */
  readonly words: string
  readonly summary: string
  readonly json?: true
}

export interface Topic {
  readonly name: string
  readonly summary: string
  readonly description: ReadonlyArray<string>
  /** Empty for a command that takes its words as they are. */
  readonly operations: ReadonlyArray<Operation>
  /** The synopsis of a command without operations. */
  readonly words?: string
  readonly examples: ReadonlyArray<{ readonly command: string; readonly description: string }>
  /** Beside 0 and 125. */
  readonly exitCodes?: ReadonlyArray<readonly [code: string, meaning: string]>
}

const programExitCodes: Topic["exitCodes"] = [
  ["126", "the program cannot be executed"],
  ["127", "the program was not found"],
  ["128+n", "signal n ended the program"],
  ["other", "exit code of the program"]
]

const list = (summary: string): Operation => ({ name: "list", words: "[--json]", summary, json: true })
const show = (summary: string): Operation => ({ name: "show", words: "[--json]", summary, json: true })
const get = (summary: string): Operation => ({ name: "get", words: "[--json]", summary, json: true })

/** The settings: what this directory implements. */
const settingTopics: ReadonlyArray<Topic> = [
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

const otherTopics: ReadonlyArray<Topic> = [
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
    name: "layer",
    summary: "layers of files that the image is made of",
    description: [
      "A commit makes a layer of all that the guest has changed, deletions too, and empties the writable tree. It needs all",
      "instances on that data directory to have ended. binary puts the layer into the image, layer beside the writable tree,",
      "file at a path of yours. FIM_COMPRESSION_LEVEL=<0-9> chooses between quick and small, 7 unless set.",
      "rollback puts each layer into the file <image>.<index>.layer, which add puts back. squash keeps what the guest sees.",
      "Both are for layers inside the image, never take the lowest one out, and leave running instances what they have."
    ],
    operations: [
      { name: "create", words: "<directory> <file>", summary: "pack a directory into a file" },
      { name: "add", words: "<file>", summary: "put a packed layer into the image" },
      { name: "commit", words: "<binary|layer|file> [path]", summary: "make a layer of what the guest has changed" },
      {
        name: "list",
        words: "[--json|--long]",
        summary: "print index:offset:size:path of each, lowest first",
        json: true
      },
      { name: "rollback", words: "[n]", summary: "take the last n layers out of the image, 1 unless told" },
      { name: "squash", words: "[n]", summary: "make one layer of the last n, of all unless told" }
    ],
    examples: [
      { command: "fim-layer commit binary", description: "keep changes in the image itself" },
      { command: "fim-layer create ./files files.layer", description: "pack files, to be used by FIM_LAYERS or add" },
      { command: "fim-layer add files.layer", description: "put them into the image" },
      { command: "fim-layer rollback", description: "undo the last commit binary or add" },
      { command: "fim-layer squash 3", description: "make one layer of the last three" }
    ]
  },
  {
    name: "exec",
    summary: "run a program in the guest",
    description: ["All words after the name of the command belong to the program."],
    operations: [],
    words: "<program> [argument...]",
    examples: [{ command: "fim-exec ls -la /", description: "look around" }],
    exitCodes: programExitCodes
  },
  {
    name: "root",
    summary: "run a program in the guest as root",
    description: [
      "Root of the guest has no rights on the host that its user does not have. Where that is an ordinary user, calls that",
      "change owners and ids, and make devices, seem to succeed, as package managers need it; FIM_ALLOW=ids leaves them to",
      "the kernel."
    ],
    operations: [],
    words: "<program> [argument...]",
    examples: [{ command: "fim-root apt-get install nano", description: "install a package" }],
    exitCodes: programExitCodes
  }
]

/** In alphabetical order. */
export const topics: ReadonlyArray<Topic> = [
  ...settingTopics,
  ...portalTopics,
  ...recipeTopics,
  ...otherTopics
].sort((left, right) => left.name < right.name ? -1 : 1)

/** By name, with or without `fim-`, in any case. */
export const findTopic = (word: string): Topic | undefined => {
  const name = word.toLowerCase().replace(/^fim-/, "")
  return topics.find((topic) => topic.name === name)
}
