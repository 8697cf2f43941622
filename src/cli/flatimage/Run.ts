/** Runs the command line of `flatimage`. */
import * as Command from "effect/cli/Command"
import { treeOf, withDataMarked } from "../grammar/Tree.ts"
import { flatimage } from "./HostCommands.ts"

const tree = treeOf(flatimage, "flatimage")

/** Whether help is asked for where a command without options would take the argument as data. */
const asksForHelp = ([, option, ...more]: ReadonlyArray<string>): boolean =>
  more.length === 0 && (option === "--help" || option === "-h")

/** Parses and runs the arguments of `flatimage`. */
export const runHost = (args: ReadonlyArray<string>, version: string, options?: { readonly renderErrors?: boolean }) =>
  Command.runWith(tree, { version, ...options })(asksForHelp(args) ? args : withDataMarked(flatimage, args))
