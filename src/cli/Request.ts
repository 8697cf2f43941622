import * as Result from "effect/Result"
import * as Utf8 from "../Utf8.ts"
import * as Programs from "./commands/Programs.ts"
import { type CommandError, usageError } from "./config/CommandError.ts"

/** A program to run: the image's boot command or another one. Its words stay bytes. */
export type ProgramRequest =
  | { readonly _tag: "Boot"; readonly words: ReadonlyArray<Uint8Array> }
  | { readonly _tag: "Execute"; readonly root: boolean; readonly words: ReadonlyArray<Uint8Array> }

/** What the caller's words ask for: a program, one with options in front of it, or one of our own commands. */
export type Request =
  | ProgramRequest
  | { readonly _tag: "Run"; readonly words: ReadonlyArray<Uint8Array> }
  | { readonly _tag: "Command"; readonly words: ReadonlyArray<string> }

const programCommands: ReadonlySet<string> = new Set([Programs.exec.name, Programs.root.name, Programs.run.name])

/**
 * Decides whose words these are before anything is parsed. Everything is the program's, options such as `--help` too,
 * unless the first word begins with `fim-`. Behind `fim-exec` and `fim-root` everything is the program's again, and behind the options of
 * `fim-run`; one `--` in front of it is ours.
 */
export const parse = (words: ReadonlyArray<Uint8Array>): Result.Result<Request, CommandError> => {
  const [first, ...rest] = words
  const verb = first === undefined ? "" : Utf8.decode(first)
  if (!verb.startsWith("fim-")) return Result.succeed({ _tag: "Boot", words })
  if (!programCommands.has(verb)) {
    return Result.succeed({ _tag: "Command", words: words.map(Utf8.decode) })
  }
  const next = rest[0] === undefined ? "" : Utf8.decode(rest[0])
  if (next === "--help") return Result.succeed({ _tag: "Command", words: ["fim-help", verb.slice("fim-".length)] })
  if (verb === Programs.run.name) return Result.succeed({ _tag: "Run", words: rest })
  const program = next === "--" ? rest.slice(1) : rest
  if (program.length === 0) {
    return Result.fail(usageError(`Incorrect number of arguments for ${verb}`))
  }
  return Result.succeed({ _tag: "Execute", root: verb === Programs.root.name, words: program })
}
