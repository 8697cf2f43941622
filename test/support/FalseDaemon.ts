/** The part of a guest that plays the daemon of the portal for a client on the host, seen from the host for once. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { execFileSync } from "node:child_process"
import { closeSync, constants, openSync, readdirSync, readSync, renameSync, rmSync, writeSync } from "node:fs"
import { encode } from "../../src/messages/Codec.ts"
import type { Failure } from "./Failure.ts"
import type { Place } from "./Place.ts"
import { eventually } from "./Portal.ts"

/** A message as it stands in a FIFO. */
export const message = (head: object): Uint8Array => Buffer.concat([Buffer.from("\n"), encode(head)])

export const makeFifos = (paths: ReadonlyArray<string>): void => {
  execFileSync("mkfifo", ["-m", "600", ...paths])
}

/** The portal of the only instance of a place. */
export const portalOf = (app: Place): string => {
  const [application = ""] = readdirSync(`${app.global}/app`)
  const [instance = ""] = readdirSync(`${app.global}/app/${application}/instance`)
  return `${app.global}/app/${application}/instance/${instance}/portal`
}

const flags = { read: constants.O_RDONLY, write: constants.O_WRONLY, both: constants.O_RDWR } as const

/** A FIFO, without waiting for its other end. It is closed with the scope. */
export const openFifo = (path: string, mode: keyof typeof flags): Effect.Effect<number, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => openSync(path, flags[mode] | constants.O_NONBLOCK)),
    (fifo) => Effect.sync(() => closeSync(fifo))
  )

/**
 * Writes as often as a FIFO takes it now, but no more than fills one: somebody may read as quickly. In bytes; undefined when
 * nobody can read it any more.
 */
export const fill = (fifo: number, bytes: Uint8Array): number | undefined => {
  let written = 0
  try {
    while (written < 256 * 1024) written += writeSync(fifo, bytes)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return undefined
  }
  return written
}

/** Writes all of it, as quickly as somebody reads. */
export const push = (fifo: number, bytes: Uint8Array): Effect.Effect<void> =>
  Effect.suspend(() => {
    try {
      const rest = bytes.subarray(writeSync(fifo, bytes))
      return rest.length === 0 ? Effect.void : push(fifo, rest)
    } catch {
      return Effect.andThen(Effect.sleep(1), push(fifo, bytes))
    }
  })

/** What is in a FIFO now; undefined if nothing is. */
export const take = (fifo: number): string | undefined => {
  const bytes = Buffer.alloc(8192)
  try {
    return bytes.toString("latin1", 0, readSync(fifo, bytes))
  } catch {
    return undefined
  }
}

/** Writes again and again, until nobody can read it any more. */
export const flood = (fifo: number, bytes: Uint8Array): Effect.Effect<void> =>
  Effect.suspend(() =>
    fill(fifo, bytes) === undefined ? Effect.void : Effect.andThen(Effect.sleep(1), flood(fifo, bytes))
  )

export interface FalseCall {
  readonly directory: string
  readonly control: number
  readonly reply: number
}

/** Puts a FIFO of its own in place of a daemon's, which is back when the scope closes. */
export const takeOver = (portal: string, daemon: "guest" | "host") =>
  Effect.gen(function*() {
    const path = `${portal}/daemon/${daemon}.fifo`
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        renameSync(path, `${path}.kept`)
        makeFifos([path])
      }),
      () =>
        Effect.sync(() => {
          rmSync(path)
          renameSync(`${path}.kept`, path)
        })
    )
    const fifo = openSync(path, flags.both | constants.O_NONBLOCK)
    let isOpen = true
    /** As if the process had ended that reads the FIFO. */
    const die = Effect.sync(() => {
      if (isOpen) closeSync(fifo)
      isOpen = false
    })
    yield* Effect.addFinalizer(() => die)
    const room = `${portal}/dispatcher/${daemon === "guest" ? "host" : "guest"}`
    /** Waits for a caller; gives the directory of its call. */
    const knock: Effect.Effect<string, Failure> = Effect.map(
      eventually("a knock", () => take(fifo)),
      () => `${room}/${readdirSync(room)[0]}`
    )
    /** The two FIFOs that every call has. */
    const call = Effect.gen(function*() {
      const directory = yield* knock
      const control = yield* openFifo(`${directory}/control`, "read")
      const reply = yield* openFifo(`${directory}/reply`, "write")
      return { directory, control, reply } satisfies FalseCall
    })
    return { room, fifo, die, knock, call }
  })
