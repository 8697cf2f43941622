/** From the words of `flatimage` to what they do. */
import * as Command from "effect/cli/Command"
import { treeOf, withDataMarked } from "../grammar/Tree.ts"
import { flatimage } from "./HostCommands.ts"

const tree = treeOf(flatimage, "flatimage")

/** Carries out what the words behind `flatimage` ask for. */
export const runHost = (words: ReadonlyArray<string>, version: string, options?: { readonly renderErrors?: boolean }) =>
  Command.runWith(tree, { version, ...options })(withDataMarked(flatimage, words))
