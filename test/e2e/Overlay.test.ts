import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, readFileSync } from "node:fs"
import { inGuestOnly } from "../support/Guest.ts"
import { images, scenario } from "../support/Needs.ts"
import { place } from "../support/Place.ts"
import { users } from "../support/Users.ts"

/** The types of overlay, and what the log calls them. */
const types = { bwrap: "BWRAP", overlayfs: "FUSE_OVERLAYFS", unionfs: "UNIONFS_FUSE" }

/** Makes, changes and removes files over those of the layer. */
const change = `${inGuestOnly}
set -e
echo new > /new; mkdir /dir; echo a > /dir/a; mv /dir /moved; ln -s a /moved/b
sha256sum < /usr/bin/bash > /before; echo more >> /usr/bin/bash; sha256sum < /usr/bin/bash > /after
rm /usr/bin/yes; chmod 700 /moved; cat /moved/b`

const look =
  "cat /new /moved/b; test -e /usr/bin/yes || echo removed; cmp -s /before /after || echo changed; stat -c %a /moved"

describe.each(users)("as $name, the overlay", (user) => {
  for (const [type, name] of Object.entries(types)) {
    const environment = { FIM_OVERLAY: type }

    scenario(`'${type}' keeps what the guest changes`, images, () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const debug = yield* app.run(["fim-exec", "true"], { environment: { ...environment, FIM_DEBUG: "1" } })
        assert.include(debug.stderr, `Overlay type: ${name}`)
        yield* app.isClean
        const changed = yield* app.run(["fim-root", "sh", "-c", change], { environment })
        assert.deepStrictEqual([changed.code, changed.stdout, changed.stderr], [0, "a\n", ""])
        yield* app.isClean
        const seen = yield* app.run(["fim-root", "sh", "-c", look], { environment })
        assert.deepStrictEqual([seen.code, seen.stdout, seen.stderr], [0, "new\na\nremoved\nchanged\n700\n", ""])
        yield* app.isClean
        assert.strictEqual(readFileSync(`${app.data}/data/new`, "utf8"), "new\n")
        assert.isTrue(existsSync(`${app.data}/data/moved/a`))
      }))

    scenario(`'${type}' leaves nothing behind when the run is killed`, images, () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        for (let round = 0; round < 5; round++) {
          const running = yield* app.start(["fim-exec", "sh", "-c", "echo ready; echo > /file; sleep 1000"], {
            environment
          })
          yield* running.says(/ready/)
          yield* running.signal("SIGKILL")
          yield* running.exited
          yield* app.isClean
        }
      }))
  }
})
