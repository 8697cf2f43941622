/** `fim-help`. */
import { operation } from "../grammar/Command.ts"
import type { SettingsCommand } from "./Services.ts"

const help = () => import("../config/Help.ts")

/** The file name of the image, which becomes part of a script or a page. */
const program = {
  name: "program",
  optional: true,
  pattern: /^[A-Za-z0-9._+-]+$/
} as const

const invalidShell = "Invalid shell for completion (<bash|zsh|fish>)"

export const shells = ["bash", "zsh", "fish"] as const

export const command: SettingsCommand = {
  name: "fim-help",
  summary: "this help",
  description: [
    "Every command also takes --help. completion prints a script for a shell. apparmor prints a profile for hosts on",
    "which AppArmor allows user namespaces only to programs with a profile; its comment shows how to install it. man",
    "prints a page for man(1)."
  ],
  arguments: [{ name: "topic", about: "image command", optional: true }],
  operations: [
    operation({
      name: "apparmor",
      summary: "print a profile for AppArmor",
      handler: () => help().then(({ appArmor }) => appArmor)
    }),
    operation({
      name: "completion",
      summary: "print a completion script; `program` is the name of the image",
      arguments: [
        { name: "shell", choices: shells, missing: invalidShell, invalid: invalidShell },
        { ...program, invalid: "Invalid program name '%s' for completion" }
      ],
      handler: () => help().then(({ completion }) => completion)
    }),
    operation({
      name: "man",
      summary: "print a manual page of all commands",
      arguments: [{ ...program, invalid: "Invalid program name '%s' for a manual page" }],
      handler: () => help().then(({ manual }) => manual)
    })
  ],
  handler: () => help().then(({ help }) => help),
  examples: [
    { command: "fim-help perms", description: "one command in detail" },
    { command: "fim-help apparmor", description: "the profile for Ubuntu, and the command that installs it" },
    {
      command: "fim-help completion bash app.flatimage > ~/.local/share/bash-completion/completions/app.flatimage",
      description: "complete with the Tab key"
    },
    { command: "fim-help man | man -l -", description: "read the manual page" }
  ]
}
