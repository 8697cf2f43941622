/**
 * `fim-exec`, `fim-root` and `fim-run`: the arguments after the command belong to a program, except the options of
 * `fim-run`. A start reads the names of these commands here, and nothing else of the commands.
 */
import type { Argument, Command, Option } from "../grammar/Command.ts"

const programArguments: ReadonlyArray<Argument> = [
  { name: "program", about: "guest program" },
  { name: "arguments", shown: "argument", as: "rest" }
]

const exitCodes: Command<never>["exitCodes"] = [
  ["126", "the program cannot be executed"],
  ["127", "the program was not found"],
  ["128+n", "signal n ended the program"],
  ["other", "exit code of the program"]
]

export const exec: Command<never> = {
  name: "fim-exec",
  summary: "run a program in the guest",
  description: ["All arguments after the name of the command belong to the program."],
  arguments: programArguments,
  examples: [{ command: "fim-exec ls -la /", description: "list the files of the guest" }],
  exitCodes
}

export const root: Command<never> = {
  name: "fim-root",
  summary: "run a program in the guest as root",
  description: [
    "Root of the guest has no rights on the host that the caller does not have. For an ordinary user, calls that change",
    "owners and ids or make devices report success and do nothing, because package managers need them to succeed.",
    "FIM_ALLOW=ids passes them to the kernel."
  ],
  arguments: programArguments,
  examples: [{ command: "fim-root apt-get install nano", description: "install a package" }],
  exitCodes
}

/** What `fim-run` can change for one start. */
export const runOptions = [
  { name: "allow", summary: "grant permissions", value: "permission,...", repeated: true },
  { name: "deny", summary: "withdraw permissions, also those of the image", value: "permission,...", repeated: true },
  {
    name: "bind",
    summary: "show a file of the host in the guest, by default at the same path",
    value: "source[:destination][:ro]",
    about: "file",
    repeated: true
  },
  { name: "env", summary: "set a variable", value: "name=value", repeated: true },
  {
    name: "pwd",
    summary: "start in this directory; a relative one is a directory of the host, which is bound",
    value: "directory",
    about: "directory"
  },
  { name: "root", summary: "run as root of the guest" }
] as const satisfies ReadonlyArray<Option>

export const run: Command<never> = {
  name: "fim-run",
  summary: "run a program with other settings, once",
  description: [
    "The settings of the image stay as they are. Options come before the program. --deny overrides --allow and the image.",
    "Without a program the boot command runs."
  ],
  arguments: [{ name: "args", shown: "argument", about: "guest program", as: "rest" }],
  options: runOptions,
  examples: [
    { command: "fim-run --pwd . ffmpeg -i in.mkv out.webm", description: "work on files of the current directory" },
    { command: "fim-run --allow network,wayland", description: "run the boot command with two more permissions" },
    { command: "fim-run --deny all --env LANG=C sh", description: "run a shell without any permission" },
    { command: "fim-run --bind ~/Music:/music:ro mpv /music", description: "bind one directory, read-only" }
  ],
  exitCodes
}
