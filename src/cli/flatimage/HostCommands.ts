/** All commands of `flatimage`, the program of those who make images. */
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import type { Builder } from "../../builder/Builder.ts"
import type { ToolClosure } from "../../builder/Closure.ts"
import type { CrossCompiler } from "../../builder/cross/CrossCompiler.ts"
import { distributionNames, distributions } from "../../builder/dist/Distributions.ts"
import type { Lock } from "../../builder/Lock.ts"
import type { LockResolver } from "../../builder/LockResolver.ts"
import { architectureNames, type Machine } from "../../builder/Machine.ts"
import type { Revisions } from "../../builder/Revision.ts"
import type { Workspace } from "../../builder/Workspace.ts"
import type { Inspector } from "../../image/Inspect.ts"
import type { NativeBytes } from "../../platform/NativeBytes.ts"
import type { Posix } from "../../platform/Posix.ts"
import type { Host } from "../../relocate/Host.ts"
import { shells } from "../commands/Help.ts"
import type { Patcher } from "../config/ConfigFile.ts"
import { type Command, operation } from "../grammar/Command.ts"

type HostServices =
  | Builder
  | ChildProcessSpawner.ChildProcessSpawner
  | CrossCompiler
  | FileSystem.FileSystem
  | Host
  | Inspector
  | Lock
  | LockResolver
  | Machine
  | NativeBytes
  | Patcher
  | Path.Path
  | Posix
  | Revisions
  | ToolClosure
  | Workspace

const quiet = { name: "quiet", alias: "q", summary: "Show only errors" } as const

const suites = distributions.flatMap(({ name, suites }) =>
  suites.length === 0 ? [] : [`${suites.join(", ")} (${name})`]
)

const build: Command<HostServices> = {
  ...operation({
    name: "build",
    summary: "Build an image",
    arguments: [{
      name: "definition",
      shown: "FILE",
      about: "file",
      optional: true,
      summary: "Definition of the image, NAME.flatimage.json; it replaces the options that describe the system"
    }],
    options: [
      {
        name: "dist",
        choices: distributionNames,
        summary: `System to build: ${distributions.map(({ name, summary }) => `${name} (${summary})`).join(", ")}`
      },
      {
        name: "arch",
        choices: architectureNames,
        summary:
          "Architecture of the image (default: that of the machine). For arm64 on amd64 the compilers are downloaded from Debian " +
          "once, and programs of arm64 run in an emulator"
      },
      { name: "suite", value: "NAME", summary: `Release of the distribution: ${suites.join("; ")}` },
      {
        name: "mirror",
        value: "URL",
        summary: "URL of its packages: http, https or file (default for Debian: the mirror of this machine's apt)"
      },
      {
        name: "keyring",
        value: "PATH",
        about: "file",
        summary: "Keys that sign its packages or the archive (default: those of this machine)"
      },
      {
        name: "rootfs",
        value: "DIR|TAR|URL",
        about: "file",
        summary: "Use this directory or tar archive (gzip, xz, zstd) as the system"
      },
      {
        name: "from",
        value: "REF",
        summary:
          "Use this container as the system, with its settings: docker://HOST/NAME:TAG, oci:DIR[:TAG], oci-archive:FILE[:TAG], " +
          "docker-archive:FILE[:TAG] or containers-storage:NAME"
      },
      { name: "squash", summary: "Make one layer of those of the container" },
      {
        name: "max-size",
        value: "SIZE",
        summary: "Largest container, without compression, as 500M or 20G (default: 64G)"
      },
      {
        name: "trust-realm",
        value: "HOST",
        repeated: true,
        summary: "Send the credentials for the registry also to this token server, which is of another domain"
      },
      { name: "sha256", value: "DIGITS", summary: "Checksum that the archive must have" },
      {
        name: "signature",
        value: "FILE|URL",
        about: "file",
        summary: "Detached OpenPGP signature that the archive must have"
      },
      { name: "include", value: "PKG,PKG", summary: "Packages of the distribution to install in addition" },
      {
        name: "level",
        value: "0-9",
        number: 6,
        summary: "Compression of the layers: 0 is the fastest, 9 the smallest"
      },
      {
        name: "order-by-run",
        value: "CMD",
        summary: "Run CMD in the image, without permissions, and store first what it reads, so that it starts faster"
      },
      {
        name: "output",
        alias: "o",
        value: "FILE",
        about: "file",
        summary: "Image to write (default: dist/NAME.flatimage of the project)"
      },
      {
        name: "identity",
        value: "DIGITS",
        summary:
          "Identity of the image that this is a new version of, as 'flatimage inspect' prints it: the new one uses the same data"
      },
      {
        name: "refresh",
        summary: "Make the system and all steps of a definition again, without the cache"
      },
      {
        name: "reproducible",
        summary: "Equal inputs give equal bytes: no file is younger than SOURCE_DATE_EPOCH, by default the last commit"
      },
      quiet
    ],
    handler: () => import("./Build.ts").then(({ build }) => build)
  }),
  description: [
    "Build an image. Downloads, layers and compiled programs are cached in the build directory: a second build is fast and",
    "needs no network."
  ],
  examples: [
    { command: "build --dist debian", description: "dist/debian.flatimage with the stable Debian" },
    {
      command: "build --dist debian --include python3,git -o tools.flatimage",
      description: "Debian with some packages"
    },
    {
      command: "build --dist debian --arch arm64 -o debian-arm64.flatimage",
      description: "Debian for arm64, also on amd64"
    },
    { command: "build --dist alpine --mirror URL", description: "Alpine from a mirror of it" },
    { command: "build --rootfs root.tar.gz", description: "Any system from an archive of its root tree" },
    { command: "build --from docker://HOST/NAME:TAG", description: "A container of a registry" },
    {
      command: "build --dist arch --rootfs URL --signature URL.sig",
      description: "Arch from its bootstrap archive"
    },
    { command: "build editor.flatimage.json", description: "An image from a definition file" }
  ]
}

const config: Command<HostServices> = {
  ...operation({
    name: "config",
    summary: "Read or change the settings of an image without running it",
    arguments: [
      { name: "file", about: "file", summary: "the image" },
      {
        name: "command",
        about: "image command",
        as: "rest",
        summary: "a command for settings and its arguments, as the image itself takes them"
      }
    ],
    options: [
      {
        name: "export",
        value: "FILE",
        about: "file",
        summary: "Write all settings to this JSON file; - is standard output"
      },
      { name: "import", value: "FILE", about: "file", summary: "Read settings from such a file, all or none" }
    ],
    handler: () => import("../config/ConfigFile.ts").then(({ config }) => config)
  }),
  description: ["Read or change the settings of an image without running it."],
  examples: [
    { command: "config app.flatimage fim-perms set network,wayland", description: "grant two permissions" },
    { command: "config app.flatimage fim-boot set ls -la /", description: "set the boot command" },
    { command: "config app.flatimage --export settings.json", description: "save all settings" },
    { command: "config other.flatimage --import settings.json", description: "apply them to another image" }
  ]
}

const inspect: Command<HostServices> = {
  ...operation({
    name: "inspect",
    summary: "Print and check the parts of an image",
    arguments: [{ name: "file", shown: "FILE", about: "file", summary: "Image to inspect" }],
    options: [{ name: "json", summary: "Print one JSON object instead of a table" }],
    handler: () => import("./Inspect.ts").then(({ inspect }) => inspect)
  }),
  description: ["Print the parts of an image and check each of them. The exit code is 1 if one is damaged."],
  examples: [{ command: "inspect app.flatimage", description: "Print the parts of an image" }],
  exitCodes: [["1", "the image is damaged"]]
}

const arch = {
  name: "arch",
  choices: architectureNames,
  summary: "For images of this architecture (default: that of the machine)"
} as const

const tools: Command<HostServices> = {
  name: "tools",
  summary: "The programs and libraries that every image contains",
  description: ["The programs and libraries that every image contains"],
  operations: [
    operation({
      name: "list",
      summary: "Print the pinned packages and sources with their versions and licences",
      handler: () => import("./Tools.ts").then(({ list }) => list)
    }),
    operation({
      name: "lock",
      summary: "Pin the newest versions of the machine's Debian mirror",
      options: [arch, quiet],
      handler: () => import("./Tools.ts").then(({ lock }) => lock)
    }),
    operation({
      name: "fetch",
      summary: "Download, verify and compile the pinned versions, so that builds need no network for them",
      options: [arch, quiet],
      handler: () => import("./Tools.ts").then(({ fetch }) => fetch)
    })
  ],
  examples: [{ command: "tools list", description: "Print what every image contains" }]
}

const du: Command<HostServices> = {
  ...operation({
    name: "du",
    summary: "List what flatimage keeps for you on this machine, with sizes",
    options: [{ name: "json", summary: "Print one JSON object instead of a table" }],
    handler: () => import("./Kept.ts").then(({ du }) => du)
  }),
  description: [
    "List what flatimage keeps for you on this machine: unpacked tools, layers unpacked where they cannot be mounted, hot caches,",
    "and data directories in your data home. Those beside images are not listed."
  ],
  examples: [{ command: "du", description: "what takes how much room" }]
}

const prune: Command<HostServices> = {
  ...operation({
    name: "prune",
    summary: "Remove hot caches, and unpacked tools that nothing uses",
    options: [{ name: "dry-run", summary: "Print what would be removed" }],
    handler: () => import("./Kept.ts").then(({ prune }) => prune)
  }),
  description: [
    "Remove hot caches, and unpacked tools that nothing uses. The next start of an image makes them again. Data directories are",
    "never removed."
  ],
  examples: [{ command: "prune --dry-run", description: "what it would free" }]
}

const install: Command<HostServices> = {
  ...operation({
    name: "install",
    summary: "Make links that run programs of an image",
    arguments: [
      { name: "file", shown: "FILE", about: "file", summary: "The image" },
      { name: "names", shown: "NAME", as: "rest", summary: "More names" }
    ],
    options: [{
      name: "command",
      value: "NAME",
      summary: "Program of the image, and name of its link",
      repeated: true
    }],
    handler: () => import("./Install.ts").then(({ install }) => install)
  }),
  description: [
    "Make links in ~/.local/bin that run programs of an image: NAME runs app fim-exec NAME. Nothing is overwritten that is not a",
    "link of flatimage. The image stays where it is."
  ],
  examples: [
    { command: "install ff.flatimage --command ffmpeg ffprobe", description: "two programs of an image as commands" }
  ]
}

const uninstall: Command<HostServices> = {
  ...operation({
    name: "uninstall",
    summary: "Remove the links and the desktop integration of an image",
    arguments: [{ name: "file", shown: "FILE", about: "file", summary: "The image, or the path that it had" }],
    handler: () => import("./Install.ts").then(({ uninstall }) => uninstall)
  }),
  description: [
    "Remove the links that flatimage install has made for an image, and what it has added to the desktop. The image and its data",
    "stay."
  ],
  examples: [{ command: "uninstall ff.flatimage", description: "remove its commands" }]
}

const completion: Command<HostServices> = {
  ...operation({
    name: "completion",
    summary: "Print a completion script for a shell",
    arguments: [{ name: "shell", choices: shells, summary: "The shell" }],
    handler: () => import("./Derived.ts").then(({ completion }) => completion)
  }),
  description: [
    "Print a completion script of flatimage for a shell. An image prints its own: app fim-help completion."
  ],
  examples: [{
    command: "completion bash > ~/.local/share/bash-completion/completions/flatimage",
    description: "complete with the Tab key"
  }]
}

const man: Command<HostServices> = {
  ...operation({
    name: "man",
    summary: "Print a manual page",
    arguments: [{
      name: "page",
      choices: ["flatimage", "image"],
      optional: true,
      summary: "flatimage(1), the default, or the page of any image"
    }],
    handler: () => import("./Derived.ts").then(({ manual }) => manual)
  }),
  description: ["Print a manual page for man(1): of flatimage itself, or of the commands that every image has."],
  examples: [
    { command: "man | man -l -", description: "read it" },
    { command: "man image > app.flatimage.1", description: "the page of an image" }
  ]
}

/** In the order in which help shows them. */
export const hostCommands: ReadonlyArray<Command<HostServices>> = [
  build,
  config,
  inspect,
  install,
  uninstall,
  du,
  prune,
  tools,
  completion,
  man
]

/** The program with all of them. */
export const flatimage: Command<HostServices> = {
  name: "flatimage",
  summary: "make, configure and inspect images",
  description: [
    "Make images: a whole Linux application with its system, settings and sandbox in one executable file.",
    "Exit codes: 0 success, 1 an inspected image is damaged, 125 any other failure, 130 interrupted."
  ],
  operations: hostCommands,
  examples: []
}
