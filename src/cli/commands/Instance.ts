/** `fim-instance`. */
import { json, operation } from "../grammar/Command.ts"
import type { ImageCommand } from "./Services.ts"

export const command: ImageCommand = {
  name: "fim-instance",
  summary: "running instances of this build, and commands in them",
  description: [
    "Instances of the caller are numbered from 0 in the order of their pids, at each call. A command runs with the",
    "identity, environment and sandbox of its instance, which keeps running until the command has ended. An instance",
    "whose program has left processes running also keeps running, until they end or it is stopped."
  ],
  missing: "Missing op for 'fim-instance' (<exec|list>)",
  unknown: "Invalid instance operation",
  operations: [
    operation({
      name: "list",
      summary: "print index:pid of each instance",
      options: [json],
      handler: () => import("../instance/Instance.ts").then(({ list }) => list)
    }),
    // The launcher passes these arguments to the native program, which needs no runtime:
    // src/native/fim/src/portal/instance.rs.
    operation({
      name: "exec",
      summary: "run a command in an instance",
      arguments: [
        { name: "id", about: "instance", missing: "Missing 'id' argument for 'fim-instance'" },
        { name: "command", about: "guest program", missing: "Missing 'cmd' argument for 'fim-instance'" },
        { name: "arguments", shown: "argument", as: "rest" }
      ]
    }),
    operation({
      name: "stop",
      summary: "stop an instance and all processes in it",
      arguments: [{
        name: "id",
        about: "instance",
        pattern: /^[0-9]+$/,
        missing: "Missing 'id' argument for 'fim-instance'",
        invalid: "Id argument must be a digit"
      }],
      handler: () => import("../instance/Instance.ts").then(({ stop }) => stop)
    })
  ],
  examples: [
    { command: "fim-instance list", description: "list the running instances" },
    { command: "fim-instance exec 0 ps", description: "list the processes of the first instance" },
    { command: "fim-instance stop 0", description: "stop it" }
  ],
  exitCodes: [
    ["126", "the command cannot be executed"],
    ["127", "the command was not found"],
    ["128+n", "signal n ended the command"],
    ["other", "exit code of the command"]
  ]
}
