/** An image that a test damages, runs and repairs, over and over. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { execFileSync } from "node:child_process"
import { closeSync, openSync, readdirSync, readSync, rmSync, statSync, truncateSync, writeSync } from "node:fs"
import type { Failure } from "./Failure.ts"
import { withPeak } from "./Memory.ts"
import { type Place, place } from "./Place.ts"
import type { Outcome } from "./Process.ts"
import { projectRoot } from "./Project.ts"
import type { User } from "./Users.ts"

/** A part of an image: its name, and its place in bytes. */
export interface Part {
  readonly name: string
  readonly offset: number
  readonly size: number
}

export interface Patient {
  readonly app: Place
  readonly parts: ReadonlyArray<Part>
  readonly part: (name: string) => Part
  readonly size: number
  /** Bytes of the sound image. */
  readonly read: (offset: number, length: number) => Buffer
  /**
   * Runs with the bits of one byte flipped. `cold` runs with no tool unpacked: a program, which needs only some tools, and then a command
   * that unpacks all of them, whose verdict is the answer. Fails unless each run ends in an allowed way.
   */
  readonly flip: (
    offset: number,
    mask: number,
    options?: { readonly cold?: boolean }
  ) => Effect.Effect<Verdict, Failure>
  /** Runs with other bytes in a place. */
  readonly patch: (
    offset: number,
    bytes: Uint8Array,
    options?: { readonly cold?: boolean }
  ) => Effect.Effect<Verdict, Failure>
  /** Cuts the image off for good. Lengths have to get smaller from call to call. */
  readonly truncate: (length: number) => Effect.Effect<Verdict, Failure>
}

/** How a damaged image ended: as if it were sound, with a failure of ours, or with an error that the guest was told of. */
export type Verdict = "sound" | "refused" | "guest"

/** Reads every file of the image and prints its checksum. `/etc/hosts` is made for each run, and depends on its namespaces. */
const readAll = [
  "fim-exec",
  "sh",
  "-c",
  "set -o pipefail; find / -xdev -type f ! -path /etc/hosts | sort | xargs sha256sum"
]

/** Unpacks every tool before it does anything. */
const version = ["fim-version", "short"]

const memoryLimit = 1024 * 1024 * 1024

/** Exit codes of programs that crashed: illegal instruction, abort, bus error, arithmetic, segmentation. */
const crashes = new Set([4, 6, 7, 8, 11].map((signal) => 128 + signal))

export const judge = (outcome: Outcome, sound: string, what: string): Verdict => {
  const { code, stderr, stdout } = outcome
  const told = `${what}: ${JSON.stringify({ code, stdout: stdout.slice(0, 300), stderr })}`
  assert(typeof code === "number", `ended by a signal; ${told}`)
  // The kernel ends a program that it cannot read in by a signal; then somebody has to say why.
  assert(!crashes.has(code) || /^[EC]::.*damaged/m.test(stderr), `crashed; ${told}`)
  const lines = new Set(sound.split("\n"))
  assert(stdout.split("\n").every((line) => lines.has(line)), `wrong content; ${told}`)
  if (code === 0) {
    assert(stdout === sound, `not all of the content, and no failure; ${told}`)
    return "sound"
  }
  assert(stderr.trim() !== "", `no word about the failure; ${told}`)
  if (code !== 125) return "guest"
  assert(stdout === "", `output and a failure of ours; ${told}`)
  assert(/^[EC]::\S.{10,}$/m.test(stderr), `no sentence; ${told}`)
  return "refused"
}

const partsOf = (image: string): ReadonlyArray<Part> =>
  JSON.parse(execFileSync(`${projectRoot}/bin/flatimage`, ["inspect", image, "--json"], { encoding: "utf8" })).parts

/** Puts an image in bed. Its own global directory is warm, but for what a damage makes it unpack anew. */
export const admit = (user: User): Effect.Effect<Patient, Failure, Scope.Scope> =>
  Effect.gen(function*() {
    const app = yield* place(user, { copy: true, fresh: true })
    const parts = partsOf(app.image)
    const { stdout: sound } = yield* app.run(readAll)
    assert.isAbove(sound.split("\n").length, 5)
    const { stdout: soundVersion } = yield* app.run(version)
    const [warm = ""] = readdirSync(`${app.global}/app`)
    const file = openSync(app.image, "r")
    const read = (offset: number, length: number) => {
      const bytes = Buffer.alloc(length)
      return bytes.subarray(0, readSync(file, bytes, 0, length, offset))
    }
    yield* Effect.addFinalizer(() => Effect.sync(() => closeSync(file)))

    const write = (offset: number, bytes: Uint8Array) => {
      const writable = openSync(app.image, "r+")
      writeSync(writable, bytes, 0, bytes.length, offset)
      closeSync(writable)
    }
    const forget = (cold: boolean) => {
      for (const name of readdirSync(`${app.global}/app`)) {
        if (cold || name !== warm) rmSync(`${app.global}/app/${name}`, { recursive: true })
      }
    }
    const runWords = Effect.fnUntraced(function*(words: ReadonlyArray<string>, expected: string, what: string) {
      const { peak, value } = yield* withPeak([app.directory], app.run(words))
      const verdict = judge(value, expected, what)
      assert.isBelow(peak, memoryLimit, `memory; ${what}`)
      yield* app.isClean
      return verdict
    })
    const run = (what: string) => runWords(readAll, sound, what)
    const runCold = Effect.fnUntraced(function*(what: string) {
      forget(true)
      yield* run(what)
      forget(true)
      return yield* runWords(version, soundVersion, what)
    })
    const patch: Patient["patch"] = (offset, bytes, { cold = false } = {}) =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          const before = read(offset, bytes.length)
          write(offset, bytes)
          return before
        }),
        () => (cold ? runCold : run)(`byte ${offset} is ${Buffer.from(bytes).toString("hex").slice(0, 40)}`),
        (before) =>
          Effect.sync(() => {
            write(offset, before)
            if (!cold) forget(false)
          })
      )
    return {
      app,
      parts,
      part: (name) => {
        const found = parts.find((part) => part.name === name)
        assert(found !== undefined, `there is no part '${name}'`)
        return found
      },
      size: statSync(app.image).size,
      read,
      patch,
      flip: (offset, mask, options) => patch(offset, Buffer.from([(read(offset, 1)[0] ?? 0) ^ mask]), options),
      truncate: (length) =>
        Effect.suspend(() => {
          truncateSync(app.image, length)
          return run(`cut off at ${length}`)
        })
    }
  })
