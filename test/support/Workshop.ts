/** A directory of a test's own in which images are built as a user builds them, and run. */
import * as Effect from "effect/Effect"
import { disappears } from "./Leftovers.ts"
import { temporary } from "./Place.ts"
import * as Process from "./Process.ts"
import { projectRoot } from "./Project.ts"
import { self } from "./Users.ts"

const patience = 180_000

export const workshop = Effect.gen(function*() {
  const directory = yield* temporary(self)
  const environment = {
    ...process.env,
    FIM_HOT: "0",
    FIM_DIR_GLOBAL: `${directory}/global`,
    SOURCE_DATE_EPOCH: "1700000000"
  }
  const build = (...words: ReadonlyArray<string>) =>
    Process.run([`${projectRoot}/bin/flatimage`, "build", ...words], { directory, environment, patience })
  const run = (image: string, ...words: ReadonlyArray<string>) =>
    Process.run([`${directory}/${image}`, ...words], { directory, environment })
  const start = (image: string, words: ReadonlyArray<string>, more: Readonly<Record<string, string>> = {}) =>
    Process.start([`${directory}/${image}`, ...words], { directory, environment: { ...environment, ...more } })
  const clean = disappears({ directory, global: `${directory}/global`, data: `${directory}/data` })
  return { build, clean, directory, environment, run, start }
})
