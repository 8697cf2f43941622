/** `fim-layer`. */
import { json, operation } from "../grammar/Command.ts"
import type { ImageCommand } from "./Services.ts"

const commits = () => import("../layer/Commit.ts")

const created = "create requires exactly two arguments (/path/to/dir /path/to/file.layer)"
const added = "add requires exactly one argument (/path/to/file.layer)"

const commit = {
  trailing: "fim-layer commit",
  options: [{ name: "keep-caches", summary: "with the caches and lists of package managers" }]
} as const

export const command: ImageCommand = {
  name: "fim-layer",
  summary: "layers of files that the image is made of",
  description: [
    "A commit makes a layer of all that the guest has changed, deletions too, and empties the writable tree. It needs all",
    "instances on that data directory to have ended. binary puts the layer into the image, layer beside the writable tree,",
    "file at a path of yours; without a word it is binary. Caches and lists of package managers stay in the writable",
    "tree. FIM_COMPRESSION_LEVEL=<0-9> chooses between quick and small, 6 unless set.",
    "rollback puts each layer into the file <image>.<index>.layer, which add puts back. squash keeps what the guest sees.",
    "Both are for layers inside the image, never take the lowest one out, and leave running instances what they have."
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
      summary: "put a packed layer into the image",
      arguments: [{ name: "file", about: "file", missing: added }],
      tooMany: added,
      handler: () => import("../layer/Add.ts").then(({ addLayer }) => addLayer)
    }),
    {
      name: "commit",
      summary: "make a layer of what the guest has changed",
      bare: "binary",
      unknown: "Invalid commit operation",
      operations: [
        operation({
          name: "binary",
          summary: "in the image itself",
          ...commit,
          handler: () => commits().then(({ commitBinary }) => commitBinary)
        }),
        operation({
          name: "layer",
          summary: "beside the writable tree",
          ...commit,
          handler: () => commits().then(({ commitLayer }) => commitLayer)
        }),
        operation({
          name: "file",
          summary: "at a path",
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
      summary: "print index:offset:size:path of each, lowest first",
      options: [json, { name: "long", summary: "print a table that says where each is from" }],
      trailing: "fim-layer list",
      handler: () => import("../layer/List.ts").then(({ list }) => list)
    }),
    operation({
      name: "rollback",
      summary: "take the last n layers out of the image, 1 unless told",
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
      summary: "make one layer of the last n, of all unless told",
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
    { command: "fim-layer create ./files files.layer", description: "pack files, to be used by FIM_LAYERS or add" },
    { command: "fim-layer add files.layer", description: "put them into the image" },
    { command: "fim-layer rollback", description: "undo the last commit binary or add" },
    { command: "fim-layer squash 3", description: "make one layer of the last three" }
  ]
}
