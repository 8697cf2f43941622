/** What tests of commands do over and over. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { lstatSync, readdirSync, readFileSync } from "node:fs"
import type { Place } from "./Place.ts"

/** What was said, in order, without the letters of the log. */
export const said = (stdout: string) => stdout.trimEnd().split("\n").map((line) => line.replace(/^I::/, ""))

/** Runs a command, which has to succeed without a word on standard error. The answer is what it printed. */
export const succeeds = Effect.fnUntraced(function*(
  app: Place,
  words: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>> = {}
) {
  const outcome = yield* app.run(words, { environment })
  assert.deepStrictEqual([outcome.code, outcome.stderr], [0, ""], words.join(" "))
  return outcome.stdout
})

/** Runs a script in the guest. */
export const guest = (app: Place, script: string, environment: Readonly<Record<string, string>> = {}) =>
  succeeds(app, ["fim-exec", "sh", "-c", script], environment)

/** As a user of another machine gets the image: with a data directory that is new. */
export const elsewhere = (app: Place, script: string, environment: Readonly<Record<string, string>> = {}) =>
  guest(app, script, { ...environment, FIM_DIR_DATA: `${app.home}/elsewhere` })

/** Names, types and digests of everything below a directory. */
export const tree = (directory: string): ReadonlyArray<string> =>
  readdirSync(directory, { recursive: true, encoding: "utf8" }).sort().map((name) => {
    const path = `${directory}/${name}`
    const info = lstatSync(path)
    return `${name} ${info.mode.toString(8)} ${
      info.isFile() ? createHash("sha256").update(readFileSync(path)).digest("hex") : info.rdev
    }`
  })
