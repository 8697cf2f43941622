/** `fim-override`. */
import { json, operation } from "../grammar/Command.ts"
import { runOptions } from "./Programs.ts"
import type { ImageCommand } from "./Services.ts"

const handlers = () => import("../override/Override.ts")

const [allow, deny, bind, env] = runOptions

/** The options of `fim-run` that also make sense for every start. */
export const overrideOptions = [allow, deny, bind, env] as const

export const command: ImageCommand = {
  name: "fim-override",
  summary: "your own settings for this image, outside of the file",
  description: [
    "Overrides are yours alone, count for every start, and need no write access to the image. They belong to the identity",
    "of the image, so they stay when the file is renamed, and another image at the same path does not get them. A",
    "permission that they deny stays denied, also with fim-run --allow. When the settings of the image change, overrides",
    "are not applied until you confirm them."
  ],
  missing: "Missing op for fim-override (clear,confirm,list,set,unset)",
  unknown: "Invalid override operation",
  operations: [
    operation({
      name: "set",
      summary: "add overrides",
      options: overrideOptions,
      trailing: "fim-override set",
      handler: () => handlers().then(({ set }) => set)
    }),
    operation({
      name: "unset",
      summary: "remove overrides: permissions, names of variables, destinations of binds",
      arguments: [{ name: "names", shown: "name", as: "repeated", missing: "Missing name for 'unset' operation" }],
      handler: () => handlers().then(({ unset }) => unset)
    }),
    operation({
      name: "list",
      summary: "print your overrides",
      options: [json],
      trailing: "fim-override list",
      handler: () => handlers().then(({ list }) => list)
    }),
    operation({
      name: "confirm",
      summary: "apply them although the settings of the image have changed",
      trailing: "fim-override confirm",
      handler: () => handlers().then(({ confirm }) => confirm)
    }),
    operation({
      name: "clear",
      summary: "remove all",
      trailing: "fim-override clear",
      handler: () => handlers().then(({ clear }) => clear)
    })
  ],
  examples: [
    { command: "fim-override set --deny network", description: "never let this image use the network" },
    {
      command: "fim-override set --bind ~/Music:/music:ro --env LANG=C",
      description: "show a directory, set a variable"
    },
    { command: "fim-override unset network LANG", description: "remove two of them" }
  ]
}
