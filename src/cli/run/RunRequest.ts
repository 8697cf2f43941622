/** `fim-run`: options before a program, which count for this start. */
import * as Effect from "effect/Effect"
import type { Changes } from "../../image/RunChanges.ts"
import { Host } from "../../relocate/Host.ts"
import * as Utf8 from "../../Utf8.ts"
import { run, type runOptions } from "../commands/Programs.ts"
import type { Input } from "../grammar/Command.ts"
import { parse } from "../grammar/Parse.ts"
import type { ProgramRequest } from "../Request.ts"
import { absolute, bindingOf, permissionsIn, variableOf } from "./RunOptions.ts"

type Options = Input<readonly [], typeof runOptions> & { readonly args: ReadonlyArray<string> }

/**
 * Parses the arguments of `fim-run`.
 *
 * @param bytes the arguments
 * @returns the program to start, and the changes for it; fails with `CommandError` for arguments that are not valid, and for a bind that
 *   is not possible
 */
export const runRequest = Effect.fn("fim-run")(function*(bytes: ReadonlyArray<Uint8Array>) {
  const { directory } = yield* Host
  const { input } = yield* Effect.fromResult(parse(run, bytes.map(Utf8.decode)))
  const options = input as unknown as Options
  // Arguments of a program need not be text.
  const args = bytes.slice(bytes.length - options.args.length)
  const bindings = yield* Effect.forEach(options.bind, bindingOf)
  const here = options.pwd === undefined || options.pwd.startsWith("/") ? undefined : absolute(options.pwd, directory)
  if (here !== undefined) bindings.push(yield* bindingOf(here))
  const changes: Changes = {
    allow: yield* permissionsIn(options.allow, "--allow"),
    deny: yield* permissionsIn(options.deny, "--deny"),
    bindings,
    environment: Object.fromEntries(yield* Effect.forEach(options.env, variableOf)),
    directory: here ?? options.pwd
  }
  const request: ProgramRequest = args.length === 0 && !options.root
    ? { _tag: "Boot", args: [] }
    : { _tag: "Execute", root: options.root, args }
  return { changes, request }
})
