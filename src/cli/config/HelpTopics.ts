/** What each command says about itself: the source of `fim-help`, of the parser's descriptions and of shell completion. */

import { portalTopics } from "./PortalTopics.ts"
import { recipeTopics } from "./RecipeTopics.ts"
import { settingTopics } from "./SettingTopics.ts"

export interface Operation {
  readonly name: string
  /** As in a synopsis: `<name>` for a word, `...` for more of them. */
  readonly words: string
  readonly summary: string
  readonly json?: true
}

export interface Topic {
  readonly name: string
  readonly summary: string
  readonly description: ReadonlyArray<string>
  /** Empty for a command that takes its words as they are. */
  readonly operations: ReadonlyArray<Operation>
  /** The synopsis of a command without operations. */
  readonly words?: string
  readonly examples: ReadonlyArray<{ readonly command: string; readonly description: string }>
  /** Beside 0 and 125. */
  readonly exitCodes?: ReadonlyArray<readonly [code: string, meaning: string]>
}

const programExitCodes: Topic["exitCodes"] = [
  ["126", "the program cannot be executed"],
  ["127", "the program was not found"],
  ["128+n", "signal n ended the program"],
  ["other", "exit code of the program"]
]

const otherTopics: ReadonlyArray<Topic> = [
  {
    name: "layer",
    summary: "layers of files that the image is made of",
    description: [
      "A commit makes a layer of all that the guest has changed, deletions too, and empties the writable tree. It needs all",
      "instances on that data directory to have ended. binary puts the layer into the image, layer beside the writable tree,",
      "file at a path of yours. FIM_COMPRESSION_LEVEL=<0-9> chooses between quick and small, 6 unless set.",
      "rollback puts each layer into the file <image>.<index>.layer, which add puts back. squash keeps what the guest sees.",
      "Both are for layers inside the image, never take the lowest one out, and leave running instances what they have."
    ],
    operations: [
      { name: "create", words: "<directory> <file>", summary: "pack a directory into a file" },
      { name: "add", words: "<file>", summary: "put a packed layer into the image" },
      { name: "commit", words: "<binary|layer|file> [path]", summary: "make a layer of what the guest has changed" },
      {
        name: "list",
        words: "[--json|--long]",
        summary: "print index:offset:size:path of each, lowest first",
        json: true
      },
      { name: "rollback", words: "[n]", summary: "take the last n layers out of the image, 1 unless told" },
      { name: "squash", words: "[n]", summary: "make one layer of the last n, of all unless told" }
    ],
    examples: [
      { command: "fim-layer commit binary", description: "keep changes in the image itself" },
      { command: "fim-layer create ./files files.layer", description: "pack files, to be used by FIM_LAYERS or add" },
      { command: "fim-layer add files.layer", description: "put them into the image" },
      { command: "fim-layer rollback", description: "undo the last commit binary or add" },
      { command: "fim-layer squash 3", description: "make one layer of the last three" }
    ]
  },
  {
    name: "exec",
    summary: "run a program in the guest",
    description: ["All words after the name of the command belong to the program."],
    operations: [],
    words: "<program> [argument...]",
    examples: [{ command: "fim-exec ls -la /", description: "look around" }],
    exitCodes: programExitCodes
  },
  {
    name: "root",
    summary: "run a program in the guest as root",
    description: [
      "Root of the guest has no rights on the host that its user does not have. Where that is an ordinary user, calls that",
      "change owners and ids, and make devices, seem to succeed, as package managers need it; FIM_ALLOW=ids leaves them to",
      "the kernel."
    ],
    operations: [],
    words: "<program> [argument...]",
    examples: [{ command: "fim-root apt-get install nano", description: "install a package" }],
    exitCodes: programExitCodes
  }
]

/** In alphabetical order. */
export const topics: ReadonlyArray<Topic> = [
  ...settingTopics,
  ...portalTopics,
  ...recipeTopics,
  ...otherTopics
].sort((left, right) => left.name < right.name ? -1 : 1)

/** By name, with or without `fim-`, in any case. */
export const findTopic = (word: string): Topic | undefined => {
  const name = word.toLowerCase().replace(/^fim-/, "")
  return topics.find((topic) => topic.name === name)
}
