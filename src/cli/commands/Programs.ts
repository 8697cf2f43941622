/**
 * `fim-exec` and `fim-root`: all words behind their names are a program's. A start reads their names here, and nothing else of
 * the commands.
 */
import type { Argument, Command } from "../grammar/Command.ts"

const words: ReadonlyArray<Argument> = [
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
  description: ["All words after the name of the command belong to the program."],
  arguments: words,
  examples: [{ command: "fim-exec ls -la /", description: "look around" }],
  exitCodes
}

export const root: Command<never> = {
  name: "fim-root",
  summary: "run a program in the guest as root",
  description: [
    "Root of the guest has no rights on the host that its user does not have. Where that is an ordinary user, calls that",
    "change owners and ids, and make devices, seem to succeed, as package managers need it; FIM_ALLOW=ids leaves them to",
    "the kernel."
  ],
  arguments: words,
  examples: [{ command: "fim-root apt-get install nano", description: "install a package" }],
  exitCodes
}
