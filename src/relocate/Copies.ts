/** Finds copies of an image in the records of the caller's data directories. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { Identified } from "../image/Identity.ts"
import type { IdentityKeeper } from "../image/IdentityKeeper.ts"
import type { NativeBytes } from "../platform/NativeBytes.ts"
import { claim, imageFile, recorded, siblings } from "./DataFiles.ts"
import { type ImageFile, isSameFile } from "./DataRecord.ts"
import { chosenData, dataPlaces } from "./Directories.ts"
import type { Host } from "./Host.ts"

/** The caller's data directories with the identity of the image, those of copies included. */
const known = Effect.fnUntraced(function*(host: Host["Service"], image: ImageFile) {
  const lists = yield* Effect.forEach(dataPlaces(host, image.path), (place) => siblings(place, image, host.uid))
  return lists.flatMap(({ found }) => found)
})

/** Makes the keeper of an image's identity, for one caller. A file that cannot be read does not count as a copy. */
export const identityKeeper = (
  host: Host["Service"],
  path: string,
  services: Context.Context<FileSystem.FileSystem | NativeBytes>
): IdentityKeeper => {
  const provided = Effect.provideContext(services)
  return {
    isCopy: (identified: Identified) =>
      imageFile(path, identified).pipe(
        Effect.flatMap(({ image }) => known(host, image)),
        Effect.map((found) => found.some(({ file }) => file === "Copy")),
        Effect.orElseSucceed(() => false),
        provided
      ),
    // A read-only directory is recognised at the next start by a former identity of the image.
    changed: Effect.fn("IdentityKeeper.changed")(
      function*(before, after) {
        if (before === undefined) return
        const { image } = yield* imageFile(path, { identity: before })
        const chosen = chosenData(host)
        const directories = [
          ...(yield* known(host, image)).map(({ directory }) => directory),
          ...(chosen === undefined ? [] : [chosen])
        ]
        for (const directory of directories) {
          const found = yield* recorded(directory, image, host.uid)
          if (found._tag !== "Ours" || found.record === undefined || !isSameFile(found.record, image)) continue
          yield* claim(directory, { ...image, identity: after, path: found.record.path }, found)
        }
      },
      Effect.ignore({ log: "Debug" }),
      provided
    )
  }
}
