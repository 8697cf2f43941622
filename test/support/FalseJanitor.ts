/** A janitor that tests answer for: what it was asked is kept, and any request can be refused, or end it. */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { defaults } from "../../src/image/SettingsDefaults.ts"
import { Snapshot } from "../../src/image/Snapshot.ts"
import { encode } from "../../src/messages/Codec.ts"
import { HotCache } from "../../src/mount/HotCache.ts"
import { JanitorLink, type Link } from "../../src/mount/JanitorLink.ts"
import { LayerStack } from "../../src/mount/LayerStack.ts"
import { LingerTime } from "../../src/mount/LingerTime.ts"
import { below } from "../../src/relocate/Directories.ts"
import { Relocate } from "../../src/relocate/Relocate.ts"
import { hostWith } from "./Host.ts"

/** What becomes of the request of a number, counted from 0: done if nothing is said. */
export type Fault = "refused" | "gone" | "senseless"

export interface FalseJanitor {
  readonly link: Link
  /** Names of the requests, in the order in which they came. */
  readonly asked: Array<string>
  /** How often it was told that nothing more comes. */
  readonly ends: () => number
}

const answers: Readonly<Record<string, object>> = {
  open: { holder: 2, shared: false, own_users: true, shared_users: null, outside: null },
  "mount-layers": { unpacked: null, were_open: false, lingered: false },
  "read-root": { content: null },
  "prepare-root": { replaced: [], points: [] },
  run: { code: 7, started: true, stays: false, damage: null }
}

/** In: faults by the number of the request, and whether it may go on after us. */
export const falseJanitor = Effect.fnUntraced(function*(
  faults: Readonly<Record<number, Fault>> = {},
  outlivesUs = false
) {
  const replies = yield* Queue.make<Uint8Array, Cause.Done>()
  const asked: Array<string> = []
  let ends = 0
  const say = (reply: object) => Queue.offer(replies, encode(reply))
  const send = (bytes: Uint8Array) => {
    const { id, op } = JSON.parse(new TextDecoder().decode(bytes)) as { id: number; op: string }
    const fault = faults[asked.length]
    asked.push(op)
    if (fault === "gone") return Queue.end(replies)
    if (fault === "refused") return say({ id, error: `${op} is refused` })
    return say({ id, ok: fault === "senseless" ? null : answers[op] ?? {} })
  }
  const link: Link = {
    send: (bytes) => Effect.asVoid(Effect.suspend(() => send(bytes))),
    replies: Stream.fromQueue(replies),
    outlivesUs,
    end: Effect.suspend(() => {
      ends++
      return Effect.asVoid(Queue.end(replies))
    })
  }
  return { link, asked, ends: () => ends } satisfies FalseJanitor
})

/** Everything around the mounts of a run: an image in `/image` with one layer, and a false janitor. `seconds` are of `FIM_LINGER`. */
export const surroundings = (
  janitor: FalseJanitor,
  removed: Array<string> = [],
  { seconds = 0, uid = 0 }: { readonly seconds?: number; readonly uid?: number } = {}
) =>
  Layer.mergeAll(
    hostWith({}, uid),
    Layer.mock(ChildProcessSpawner, {}),
    Layer.succeed(JanitorLink, janitor.link),
    Layer.succeed(Snapshot, defaults),
    Layer.succeed(HotCache, { place: undefined }),
    Layer.succeed(LingerTime, { seconds, isChosen: true }),
    Layer.mock(LayerStack, {
      data: "/data",
      identity: "one",
      layers: [{ path: "/image", offset: 1, size: 2 }],
      embedded: 1,
      listed: 0
    }),
    Layer.mock(Relocate, {
      image: "/image",
      reservedOffset: 1,
      version: "0.1.0",
      commit: "one",
      timestamp: "20260102030405",
      loader: "/app/lib/ld.so",
      directories: below("/global", "one", "7", "/")
    }),
    Layer.succeed(
      FileSystem.FileSystem,
      FileSystem.makeNoop({
        remove: (path) => Effect.sync(() => void removed.push(path)),
        readFileString: () => Effect.succeed("")
      })
    )
  )
