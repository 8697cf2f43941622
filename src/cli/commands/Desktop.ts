/** `fim-desktop`. */
import { integrationNames } from "../../image/SettingsDefaults.ts"
import { json, operation } from "../grammar/Command.ts"
import type { SettingsCommand } from "./Services.ts"

const desktop = () => import("../desktop/Desktop.ts")

const show = { options: [json], handler: () => desktop().then(({ show }) => show) }

const items = {
  name: "items",
  as: "list",
  nonEmpty: true,
  invalid: "Invalid integration item"
} as const

const names = integrationNames.map((name) => name.toLowerCase())

export const command: SettingsCommand = {
  name: "fim-desktop",
  summary: "the image in menus and file managers of the host",
  description: [
    "The JSON file has name, icon (a path or an HTTP URL; PNG, JPEG or SVG), categories and optionally integrations:",
    "{ \"name\": \"App\", \"icon\": \"./app.png\", \"categories\": [\"Utility\"], \"integrations\": [\"ENTRY\", \"ICON\"] }",
    "The next start creates the files of enabled integrations in XDG_DATA_HOME. After a move it updates them."
  ],
  missing: "Missing op for 'fim-desktop' (enable,setup,clean,dump)",
  unknown: "Invalid desktop operation",
  operations: [
    operation({
      name: "setup",
      summary: "store name, icon and categories from a JSON file",
      arguments: [{
        name: "file",
        shown: "file.json",
        about: "file",
        nonEmpty: true,
        missing: "Missing argument for 'setup' (/path/to/file.json)"
      }],
      handler: () => desktop().then(({ setup }) => setup)
    }),
    operation({
      name: "enable",
      summary: "enable these integrations and disable all others",
      arguments: [{
        ...items,
        shown: "entry,mimetype,icon|none",
        choices: [...names, "none"],
        alone: { value: "none", error: "'none' option should not be used with others" },
        missing: "Missing arguments for 'enable' (entry,mimetype,icon,none)"
      }],
      handler: () => desktop().then(({ enable }) => enable)
    }),
    operation({
      name: "disable",
      summary: "disable these integrations",
      arguments: [{
        ...items,
        shown: "entry,mimetype,icon",
        choices: names,
        missing: "Missing arguments for 'disable' (entry,mimetype,icon)"
      }],
      handler: () => desktop().then(({ disable }) => disable)
    }),
    operation({
      name: "list",
      summary: "print the enabled integrations, one per line",
      options: [json],
      handler: () => desktop().then(({ list }) => list)
    }),
    operation({ name: "show", summary: "print the stored settings as JSON", ...show }),
    operation({ name: "get", summary: "the same as show", ...show }),
    {
      name: "dump",
      summary: "print a file as the desktop gets it; an icon is written to a file",
      missing: "Missing arguments for 'dump' (entry,mimetype,icon)",
      unknown: "Invalid dump operation",
      operations: [
        operation({
          name: "entry",
          summary: "the desktop entry",
          handler: () => desktop().then(({ dumpEntry }) => dumpEntry)
        }),
        operation({
          name: "mimetype",
          summary: "the MIME type of the image file",
          handler: () => desktop().then(({ dumpMimetype }) => dumpMimetype)
        }),
        operation({
          name: "icon",
          summary: "the icon",
          arguments: [{
            name: "file",
            about: "file",
            nonEmpty: true,
            missing: "Missing argument for 'icon' /path/to/dump/file"
          }],
          handler: () => desktop().then(({ dumpIcon }) => dumpIcon)
        })
      ]
    },
    operation({
      name: "clean",
      summary: "remove all files that this image has created on this desktop",
      handler: () => desktop().then(({ clean }) => clean)
    })
  ],
  examples: [
    { command: "fim-desktop setup ./app.json", description: "name, icon and categories" },
    { command: "fim-desktop enable entry,mimetype,icon", description: "show up in menus and file managers" },
    { command: "fim-desktop enable none", description: "create no files any more; clean removes existing ones" }
  ]
}
