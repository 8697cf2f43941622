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

/** Without a notification service, the message bus reports that only after a while. */
const timeout = "2 seconds"

/** The arguments of `notify-send`. Only the first can be parsed as an option. */
const notifyArguments = (name: string, icon: string | undefined): ReadonlyArray<string> => [
  ...(icon === undefined ? [] : ["-i", icon]),
  `Started '${name}' FlatImage`
]

/**
 * Sends the notification with the host's `notify-send`, if there is one, and waits until it is sent.
 *
 * @param name of the application
 * @param identity the names of its installed icon, if there is one
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
