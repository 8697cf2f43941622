/** What a commit deletes is gone in each type of overlay, wherever in the stack the layer lies. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { inGuestOnly } from "../support/Guest.ts"
import { appendLayer, makeLayer } from "../support/Layers.ts"
import { images, root, scenario } from "../support/Needs.ts"
import { type Place, place } from "../support/Place.ts"
import * as Process from "../support/Process.ts"
import { where, withoutFuse } from "../support/Rungs.ts"
import { users } from "../support/Users.ts"

const types = ["bwrap", "overlayfs", "unionfs"]

/** As it lies below. In `k` nothing but the deletion changes, in `k/deep` it is two directories down. */
const below = {
  "d/a": "a\n",
  "d/sub/b": "b\n",
  "d/sub/deep/c": "c\n",
  "o/old": "old\n",
  "o/both": "old\n",
  "o/sub/x": "x\n",
  file: "file\n",
  "k/keep": "keep\n",
  "k/go": "go\n",
  "k/deep/er/go": "go\n",
  "k/deep/er/keep": "keep\n"
}

/** Deletes a tree, a file and one file of two; replaces a directory by an opaque one of the same name. */
const change = `${inGuestOnly}
  set -e
  rm -r /d /file /k/go /k/deep/er/go
  rm -r /o && mkdir -p /o/sub && echo new > /o/both && echo y > /o/sub/y`

/** A second layer above brings something back. */
const again = `${inGuestOnly}
  mkdir /d && echo again > /d/a && echo again > /file`

const look = "cd / && find d o k file 2> /dev/null | sort && cat o/both k/keep; ls -A /"

const looking = ["fim-root", "sh", "-c", look]

const first = ["k", "k/deep", "k/deep/er", "k/deep/er/keep", "k/keep", "o", "o/both", "o/sub", "o/sub/y", "new", "keep"]
const second = ["d", "d/a", "file", ...first]

const lines = (outcome: Process.Outcome) => {
  assert.deepStrictEqual([outcome.code, outcome.stderr], [0, ""])
  return outcome.stdout.trimEnd().split("\n")
}

/** An image that deletes with one type what its own lower layer has. The data directory is empty after. */
const committed = Effect.fnUntraced(function*(app: Place, type: string, script: string) {
  const environment = { FIM_OVERLAY: type }
  lines(yield* app.run(["fim-root", "sh", "-c", script], { environment }))
  // No other type took its place.
  if (script === change) assert.strictEqual(existsSync(`${app.data}/data/.unionfs-fuse`), type === "unionfs")
  lines(yield* app.run(["fim-layer", "commit", "binary"], { environment }))
})

describe.each(users)("as $name", (user) => {
  for (const made of types) {
    scenario(`what was deleted with ${made} is gone with each type`, images, () =>
      Effect.gen(function*() {
        const app = yield* place(user, { copy: true })
        appendLayer(app.image, makeLayer(`${app.directory}/below`, below))
        const rootNames = lines(yield* app.run(["fim-root", "ls", "-A", "/"]))
        yield* committed(app, made, change)
        for (const type of types) {
          const environment = { FIM_OVERLAY: type, FIM_DIR_DATA: `${app.home}/${type}` }
          const seen = lines(
            yield* app.run(["fim-root", "sh", "-c", `${look}; ${again}; cat /d/* /file; ls /d /o`], { environment })
          )
          const names = rootNames.filter((name) => !["d", "file"].includes(name))
          assert.deepStrictEqual(
            seen,
            [...first, ...names, "again", "again", "/d:", "a", "", "/o:", "both", "sub"],
            type
          )
        }
        // Another layer on top brings it back, which no note of the one below may hide.
        yield* committed(app, made, again)
        const environment = { FIM_OVERLAY: "unionfs", FIM_DIR_DATA: `${app.home}/last` }
        const seen = lines(yield* app.run(looking, { environment }))
        assert.deepStrictEqual(seen.slice(0, second.length), second)
        yield* app.isClean
      }))
  }

  scenario("what was deleted is gone where the layers are unpacked", [...images, root], () =>
    Effect.gen(function*() {
      const app = yield* place(user, { copy: true })
      appendLayer(app.image, makeLayer(`${app.directory}/below`, below))
      yield* committed(app, "bwrap", change)
      const words = where(app, withoutFuse["no /dev/fuse"], looking)
      const seen = lines(yield* Process.run(words, { directory: app.home, environment: app.environment }))
      assert.deepStrictEqual(seen.slice(0, first.length), first)
    }))

  scenario(
    "a type that takes the place of another reads deletions in its own form",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { copy: true, fresh: true })
        appendLayer(app.image, makeLayer(`${app.directory}/below`, below))
        yield* committed(app, "bwrap", change)
        // Nothing of zeros can be started. The launcher would unpack it again if the change were not noted too.
        const [name = ""] = readdirSync(`${app.global}/app`)
        const application = `${app.global}/app/${name}`
        const server = `${application}/bin/fuse-overlayfs`
        writeFileSync(server, Buffer.alloc(statSync(server).size))
        const { ctimeNs, ino, size } = statSync(server, { bigint: true })
        const notes = readFileSync(`${application}/tools.noted`, "utf8")
        const line = `${ino} ${ctimeNs / 1_000_000_000n} ${ctimeNs % 1_000_000_000n} ${size}`
        writeFileSync(`${application}/tools.noted`, notes.replace(new RegExp(`^${ino} .*$`, "m"), line))
        const seen = yield* app.run(looking, { environment: { FIM_OVERLAY: "overlayfs", FIM_DEBUG: "1" } })
        assert.include(seen.stderr, "Overlay type: UNIONFS_FUSE")
        assert.deepStrictEqual(seen.stdout.split("\n").slice(0, first.length), first)
      })
  )
})
