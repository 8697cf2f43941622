/** Runs the command line of `flatimage`. */
import * as Command from "effect/cli/Command"
import { treeOf, withDataMarked } from "../grammar/Tree.ts"
import { flatimage } from "./HostCommands.ts"

const tree = treeOf(flatimage, "flatimage")

/** Parses and runs the arguments of `flatimage`. */
export const runHost = (args: ReadonlyArray<string>, version: string, options?: { readonly renderErrors?: boolean }) =>
  Command.runWith(tree, { version, ...options })(withDataMarked(flatimage, args))
