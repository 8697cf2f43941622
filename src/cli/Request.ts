import * as Result from "effect/Result"
import * as Utf8 from "../Utf8.ts"
import * as Programs from "./commands/Programs.ts"
import { type CommandError, usageError } from "./config/CommandError.ts"

/** A program to run: the image's boot command or another one. Its arguments stay bytes. */
export type ProgramRequest =
  | { readonly _tag: "Boot"; readonly args: ReadonlyArray<Uint8Array> }
  | { readonly _tag: "Execute"; readonly root: boolean; readonly args: ReadonlyArray<Uint8Array> }

/** What the command line requests: a program, a program with options before it, or one of our own commands. */
export type Request =
  | ProgramRequest
  | { readonly _tag: "Run"; readonly args: ReadonlyArray<Uint8Array> }
  | { readonly _tag: "Command"; readonly args: ReadonlyArray<string> }

const programCommands: ReadonlySet<string> = new Set([Programs.exec.name, Programs.root.name, Programs.run.name])

/**
 * Decides whose arguments these are, before anything is parsed. All of them are the program's, options such as `--help`
 * too, unless the first one begins with `fim-`. After `fim-exec` and `fim-root`, and after the options of `fim-run`, all
 * arguments are the program's again; one `--` before the program is ours.
 *
 * @param args the caller's arguments, without the name of the image
 * @returns the request; fails with a `CommandError` if the program is missing
 */
export const parse = (args: ReadonlyArray<Uint8Array>): Result.Result<Request, CommandError> => {
  const [first, ...rest] = args
  const verb = first === undefined ? "" : Utf8.decode(first)
  if (!verb.startsWith("fim-")) return Result.succeed({ _tag: "Boot", args })
  if (!programCommands.has(verb)) {
    return Result.succeed({ _tag: "Command", args: args.map(Utf8.decode) })
  }
  const next = rest[0] === undefined ? "" : Utf8.decode(rest[0])
  if (next === "--help") return Result.succeed({ _tag: "Command", args: ["fim-help", verb.slice("fim-".length)] })
  if (verb === Programs.run.name) return Result.succeed({ _tag: "Run", args: rest })
  const program = next === "--" ? rest.slice(1) : rest
  if (program.length === 0) {
    return Result.fail(usageError(`Incorrect number of arguments for ${verb}`))
  }
  return Result.succeed({ _tag: "Execute", root: verb === Programs.root.name, args: program })
}
