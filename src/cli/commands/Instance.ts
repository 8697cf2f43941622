/** `fim-instance`. */
import { json, operation } from "../grammar/Command.ts"
import type { ImageCommand } from "./Services.ts"

const missing = "Missing 'id' argument for 'fim-instance'"

/** An index of the list, or a name. */
const id = { name: "id", shown: "id|name", about: "instance", nonEmpty: true, missing } as const

const handlers = () => import("../instance/Instance.ts")

export const command: ImageCommand = {
  name: "fim-instance",
  summary: "running instances of this build, and commands in them",
  description: [
    "Instances of the caller are numbered from 0 in the order of their pids, at each call. A command runs with the",
    "identity, environment and sandbox of its instance, which keeps running until the command has ended. An instance",
    "whose program has left processes running also keeps running, until they end or it is stopped.",
    "start runs a program in the background, without a command the boot command, and prints the name of the instance.",
    "Its output goes to a log of at most 2 MiB, which stays after its end until the name is used again.",
    "stop sends SIGTERM and waits. Only with --time, or FIM_STOP_TIMEOUT set, is an instance killed."
  ],
  missing: "Missing op for 'fim-instance' (<exec|list>)",
  hint: "There are start, stop, kill, logs and unit too",
  unknown: "Invalid instance operation",
  operations: [
    operation({
      name: "list",
      summary: "print index:pid of each instance",
      options: [json, { name: "long", summary: "print a table with name, user, age, state, image and command" }],
      handler: () => handlers().then(({ list }) => list)
    }),
    // The launcher passes the arguments of `exec` and `start` to the native program, which needs no runtime:
    // src/native/fim/src/instances.
    operation({
      name: "exec",
      summary: "run a command in an instance",
      arguments: [
        id,
        { name: "command", about: "guest program", missing: "Missing 'cmd' argument for 'fim-instance'" },
        { name: "arguments", shown: "argument", as: "rest" }
      ]
    }),
    operation({
      name: "start",
      summary: "start an instance in the background",
      options: [{ name: "name", value: "name", summary: "name the instance; by default after its program" }],
      arguments: [{ name: "command", about: "guest program", as: "rest" }]
    }),
    operation({
      name: "stop",
      summary: "stop an instance and all processes in it",
      options: [{ name: "time", alias: "t", value: "seconds", summary: "kill it after so many seconds" }],
      arguments: [id],
      handler: () => handlers().then(({ stop }) => stop)
    }),
    operation({
      name: "kill",
      summary: "send a signal to the program of an instance",
      options: [{ name: "signal", alias: "s", value: "signal", summary: "name or number; by default TERM" }],
      arguments: [id],
      handler: () => handlers().then(({ kill }) => kill)
    }),
    operation({
      name: "logs",
      summary: "print what an instance in the background has written",
      options: [{ name: "follow", alias: "f", summary: "go on until it ends" }],
      arguments: [id],
      handler: () => handlers().then(({ logs }) => logs)
    }),
    operation({
      name: "unit",
      summary: "print a unit of systemd that runs a program in an instance",
      options: [{ name: "name", value: "name", summary: "describe the unit by this name" }],
      arguments: [{ name: "command", about: "guest program", as: "rest" }],
      handler: () => import("../instance/Unit.ts").then(({ unit }) => unit)
    })
  ],
  examples: [
    { command: "fim-instance list --long", description: "list the running instances" },
    { command: "fim-instance exec 0 ps", description: "list the processes of the first instance" },
    {
      command: "fim-instance start --name web -- nginx -g 'daemon off;'",
      description: "start a server in the background"
    },
    { command: "fim-instance logs -f web", description: "read what it writes" },
    { command: "fim-instance stop -t 10 web", description: "stop it, and kill it after ten seconds" },
    {
      command: "fim-instance unit -- nginx -g 'daemon off;' > ~/.config/systemd/user/web.service",
      description: "have systemd start it"
    }
  ],
  exitCodes: [
    ["126", "the command cannot be executed"],
    ["127", "the command was not found"],
    ["128+n", "signal n ended the command"],
    ["other", "exit code of the command"]
  ]
}
