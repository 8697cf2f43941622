/** `fim-layer`. */
import { json, operation } from "../grammar/Command.ts"
import type { ImageCommand } from "./Services.ts"

const commits = () => import("../layer/Commit.ts")

const created = "create requires exactly two arguments (/path/to/dir /path/to/file.layer)"
const added = "add requires exactly one argument (/path/to/file.layer)"

const commit = {
  trailing: "fim-layer commit",
  options: [
    { name: "keep-caches", summary: "also commit the caches and lists of package managers" },
    {
      name: "order-by-run",
      value: "CMD",
      summary: "run CMD with the guest's sh, and store first what it reads, so that it starts faster"
    }
  ]
} as const

export const command: ImageCommand = {
  name: "fim-layer",
  summary: "the layers of the image",
  description: [
    "A commit makes a layer of all changes of the guest, deletions too, and empties the writable tree. All instances on",
    "that data directory must have ended. binary, the default, puts the layer into the image, layer beside the writable",
    "tree, file at a path. Caches and lists of package managers stay in the writable tree.",
    "FIM_COMPRESSION_LEVEL=<0-9> selects between fast (0) and small (9); the default is 6.",
    "rollback saves each layer to the file <image>.<index>.layer, which add puts back. squash changes no file that the",
    "guest sees. Both work on layers inside the image, and do not affect running instances. rollback keeps the lowest",
    "layer."
  ],
  missing: "Missing op for 'fim-layer' (create,add,commit,list)",
  hint: "There are rollback and squash too",
  unknown: "Invalid layer operation",
  operations: [
    operation({
      name: "create",
      summary: "pack a directory into a file",
      arguments: [
        { name: "directory", about: "directory", missing: created },
        { name: "file", about: "file", missing: created }
      ],
      tooMany: created,
      handler: () => import("../layer/Create.ts").then(({ createLayer }) => createLayer)
    }),
    operation({
      name: "add",
      summary: "append a packed layer to the image",
      arguments: [{ name: "file", about: "file", missing: added }],
      tooMany: added,
      handler: () => import("../layer/Add.ts").then(({ addLayer }) => addLayer)
    }),
    {
      name: "commit",
      summary: "make a layer of the changes of the guest",
      default: "binary",
      unknown: "Invalid commit operation",
      operations: [
        operation({
          name: "binary",
          summary: "put it into the image itself",
          ...commit,
          handler: () => commits().then(({ commitBinary }) => commitBinary)
        }),
        operation({
          name: "layer",
          summary: "put it beside the writable tree",
          ...commit,
          handler: () => commits().then(({ commitLayer }) => commitLayer)
        }),
        operation({
          name: "file",
          summary: "put it at a path",
          ...commit,
          arguments: [{
            name: "path",
            about: "file",
            nonEmpty: true,
            missing: "Missing path for 'file' operation"
          }],
          handler: () => commits().then(({ commitFile }) => commitFile)
        })
      ]
    },
    operation({
      name: "list",
      summary: "print index:offset:size:path of each layer, lowest first",
      options: [json, { name: "long", summary: "print a table that shows where each layer is from" }],
      trailing: "fim-layer list",
      handler: () => import("../layer/List.ts").then(({ list }) => list)
    }),
    operation({
      name: "rollback",
      summary: "remove the last n layers from the image, by default 1",
      arguments: [{
        name: "n",
        optional: true,
        pattern: /^(?=\d{1,9}$)0*[1-9]/,
        invalid: "rollback takes a number of layers from 1 on, not '%s'"
      }],
      trailing: "fim-layer rollback",
      handler: () => import("../layer/Rollback.ts").then(({ rollback }) => rollback)
    }),
    operation({
      name: "squash",
      summary: "merge the last n layers into one, by default all",
      arguments: [{
        name: "n",
        optional: true,
        pattern: /^(?=\d{1,9}$)0*(?:[2-9]|1\d)/,
        invalid: "squash takes a number of layers from 2 on, not '%s'"
      }],
      trailing: "fim-layer squash",
      handler: () => import("../layer/Squash.ts").then(({ squash }) => squash)
    })
  ],
  examples: [
    { command: "fim-layer commit binary", description: "keep changes in the image itself" },
    { command: "fim-layer commit layer --keep-caches", description: "keep downloaded packages and lists too" },
    {
      command: "fim-layer commit binary --order-by-run 'ffmpeg -version'",
      description: "store first what ffmpeg reads at a start"
    },
    { command: "fim-layer create ./files files.layer", description: "pack files for FIM_LAYERS or add" },
    { command: "fim-layer add files.layer", description: "put them into the image" },
    { command: "fim-layer rollback", description: "undo the last commit binary or add" },
    { command: "fim-layer squash 3", description: "merge the last three layers into one" }
  ]
}
