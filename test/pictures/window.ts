/**
 * Shows an image on an X server without a screen, and keeps what is to be seen:
 *
 *     node test/pictures/window.ts IMAGE TITLE WIDTHxHEIGHT PICTURE.png [word...]
 *
 * Of Debian: xvfb, x11-utils. The image starts with the words; the picture is taken once its window with this title is drawn.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { resolve } from "node:path"
import { startDisplay } from "../support/Display.ts"
import { png } from "../support/Pictures.ts"
import * as Process from "../support/Process.ts"

const [image = "", title = "", size = "", picture = "", ...words] = process.argv.slice(2)

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(`${tmpdir()}/fim-window-`)),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const program = Effect.gen(function*() {
  const screen = yield* startDisplay(yield* directory, size)
  const running = yield* Process.start([resolve(image), ...words], {
    environment: Object.assign({}, process.env, screen.environment)
  })
  yield* screen.window(title)
  yield* Effect.sleep("2 seconds")
  const { height, rgba, width } = yield* screen.picture(2)
  const colour = (x: number, y: number) => {
    const [red = 0, green = 0, blue = 0] = rgba.subarray((y * width + x) * 4)
    return [red, green, blue, 255] as const
  }
  writeFileSync(picture, png(width, height, colour))
  yield* running.signal("SIGTERM")
  yield* running.exited
})

NodeRuntime.runMain(Effect.scoped(program))
