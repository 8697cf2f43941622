/** A terminal in which a test types. `script`, a part of every Linux system, makes it and stands between. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Failure } from "./Failure.ts"
import type { Place } from "./Place.ts"
import * as Process from "./Process.ts"

/** What keys send. */
export const keys = { interrupt: "\u0003", endOfFile: "\u0004", suspend: "\u001a", quit: "\u001c" } as const

export interface Terminal extends Process.Running {
  /** Waits until the screen has shown a match behind what was matched before. */
  readonly shows: (pattern: RegExp) => Effect.Effect<RegExpMatchArray, Failure>
}

/** Words for a shell, each standing for itself. */
export const quoted = (words: ReadonlyArray<string>): string =>
  words.map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(" ")

/** Runs a command of the shell in a terminal, as the user of a place. The exit code is the command's. */
export const openTerminal = (
  app: Place,
  command: string,
  environment: Readonly<Record<string, string>> = {}
): Effect.Effect<Terminal, Failure, Scope.Scope> =>
  Effect.gen(function*() {
    const running = yield* Process.start(app.command(["-qefc", command, "/dev/null"], "script"), {
      environment: { ...app.environment, SHELL: "/bin/sh", app: app.image, ...environment },
      directory: app.home,
      interactive: true
    })
    let seen = 0
    const shows = (pattern: RegExp) =>
      Effect.map(running.says(new RegExp(`^[^]{${seen},}?(?:${pattern.source})`)), (match) => {
        seen = match[0].length
        return match
      })
    return { ...running, shows }
  })
