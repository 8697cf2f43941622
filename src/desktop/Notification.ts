/** Sends a desktop notification that an image was started. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import { NativeBytes } from "../platform/NativeBytes.ts"
import { dataHome } from "../relocate/Directories.ts"
import { Host } from "../relocate/Host.ts"
import { runSilently } from "./HostProgram.ts"
import { type Identity, identityOf } from "./Names.ts"
import { noticeIcons } from "./Plan.ts"

/** Nobody may be there to show it, and the message bus then takes its time to say so. */
const timeout = "2 seconds"

/** The words of `notify-send`. None of them can be taken for an option but the first. */
const notifyArguments = (name: string, icon: string | undefined): ReadonlyArray<string> => [
  ...(icon === undefined ? [] : ["-i", icon]),
  `Started '${name}' FlatImage`
]

/**
 * Sends the notification with the host's `notify-send`, if there is one, and waits until it is sent. In: the name of the
 * application, and the names that its icon was installed under.
 */
export const announce = Effect.fn("Notification.announce")(function*(name: string, identity: Identity | undefined) {
  const fs = yield* FileSystem.FileSystem
  const native = yield* NativeBytes
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const home = dataHome((yield* Host).environment)
  const candidates = home === undefined
    ? []
    : noticeIcons(identity ?? identityOf(native, name)).map((path) => `${home}/${path}`)
  const there = yield* Effect.filter(candidates, (path) => Effect.orElseSucceed(fs.exists(path), () => false))
  yield* runSilently(spawner, "notify-send", notifyArguments(name, there[0]), timeout)
})
