/** An X server without a screen, of Debian's package xvfb: what is shown is a file. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import { chmodSync, readFileSync, writeFileSync } from "node:fs"
import { Failure } from "./Failure.ts"
import type { Pixels } from "./Pictures.ts"
import * as Process from "./Process.ts"

export interface Display {
  /** Where programs find it, and what lets them in. */
  readonly environment: { readonly DISPLAY: string; readonly XAUTHORITY: string }
  /** Waits until a window with this title is shown, and gives what the server says of it. */
  readonly window: (title: string) => Effect.Effect<string, Failure>
  /** What is on the screen, as soon as it has so many colours. */
  readonly picture: (colours: number) => Effect.Effect<Pixels, Failure>
}

const field = (bytes: Buffer) => Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes])

/** A file with one cookie for every display, as `xauth` writes it. */
const authority = (cookie: Buffer): Buffer => {
  const names = ["", "", "MIT-MAGIC-COOKIE-1"].map((text) => field(Buffer.from(text)))
  return Buffer.concat([Buffer.from([0xff, 0xff]), ...names, field(cookie)])
}

/** Asks until there is an answer, for half a minute. */
const until = <A>(what: string, ask: Effect.Effect<A | undefined, Failure>): Effect.Effect<A, Failure> => {
  const again: Effect.Effect<A, Failure> = Effect.flatMap(
    ask,
    (answer) => (answer === undefined ? Effect.andThen(Effect.sleep("100 millis"), again) : Effect.succeed(answer))
  )
  return Effect.timeoutOrElse(again, {
    duration: "30 seconds",
    orElse: () => Effect.fail(new Failure({ detail: `${what} is not there` }))
  })
}

/** Reads a screen as the server keeps it: an XWD file of 32 bits for each pixel. */
const read = (path: string): Pixels => {
  const file = readFileSync(path)
  const number = (index: number) => file.readUInt32BE(index * 4)
  const [width, height, line, colours] = [number(4), number(5), number(12), number(19)]
  const begin = number(0) + colours * 12
  const rgba = new Uint8Array(width * height * 4)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [blue = 0, green = 0, red = 0] = file.subarray(begin + y * line + x * 4)
      rgba.set([red, green, blue, 255], (y * width + x) * 4)
    }
  }
  return { width, height, rgba }
}

/** Starts one in a directory, for anyone who has the cookie. It ends with the scope. */
export const startDisplay = (
  directory: string,
  size: string
): Effect.Effect<Display, Failure, Scope.Scope> =>
  Effect.gen(function*() {
    const XAUTHORITY = `${directory}/authority`
    writeFileSync(XAUTHORITY, authority(randomBytes(16)))
    chmodSync(XAUTHORITY, 0o644)
    const words = ["-displayfd", "1", "-screen", "0", `${size}x24`, "-nolisten", "tcp"]
    const server = yield* Process.start(["Xvfb", ...words, "-auth", XAUTHORITY, "-fbdir", directory], {
      environment: { PATH: process.env["PATH"] },
      interactive: true
    })
    // It removes its socket and its lock when it is asked to end.
    yield* Effect.addFinalizer(() => Effect.andThen(server.signal("SIGTERM"), Effect.ignore(server.exited)))
    const [, number] = yield* server.says(/^(\d+)\n/)
    const environment = { DISPLAY: `:${number}`, XAUTHORITY }
    const ask = (title: string) =>
      Process.run(["xwininfo", "-name", title], { environment: { PATH: process.env["PATH"], ...environment } })
    const picture = () => read(`${directory}/Xvfb_screen0`)
    return {
      environment,
      window: (title) =>
        until(
          `the window '${title}'`,
          Effect.map(ask(title), ({ stdout }) => (stdout.includes("IsViewable") ? stdout : undefined))
        ),
      picture: (colours) =>
        until(
          `a picture of ${colours} colours`,
          Effect.sync(() => {
            const pixels = picture()
            return new Set(new Uint32Array(pixels.rgba.buffer)).size < colours ? undefined : pixels
          })
        )
    }
  })
