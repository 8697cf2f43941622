/** The hot cache: what a start has read is kept decompressed, used by the next one, and never trusted. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
  writeSync
} from "node:fs"
import { packLayer } from "../support/Layers.ts"
import { images, isRoot, root, scenario } from "../support/Needs.ts"
import { other } from "../support/OtherUser.ts"
import { type Place, place } from "../support/Place.ts"
import { eventually } from "../support/Portal.ts"
import { projectRoot } from "../support/Project.ts"
import { users } from "../support/Users.ts"

const size = 4 * 1024 * 1024

const hotOf = (app: Place) => `${app.home}/.cache/flatimage/hot`

/** Files of layers, without the names by which they are found, and what is being written. */
const filesOf = (app: Place) =>
  existsSync(hotOf(app)) ? readdirSync(hotOf(app)).filter((name) => /^[0-9a-f]{32}$/.test(name)) : []

/** Names by which the files of layers are found: written last. */
const namesOf = (app: Place) =>
  existsSync(hotOf(app)) ? readdirSync(hotOf(app)).filter((name) => name.startsWith("at-")) : []

/** The processes that fill the hot cache for runs at this place. */
const fillers = ({ global }: Place): ReadonlyArray<number> =>
  readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false
    try {
      return readFileSync(`/proc/${pid}/comm`, "utf8") === "fim-hot\n" &&
        readlinkSync(`/proc/${pid}/exe`).startsWith(`${global}/`)
    } catch {
      // It has ended meanwhile.
      return false
    }
  }).map(Number)

const isFilling = (app: Place) => fillers(app).length > 0

const filled = (app: Place) => eventually("the end of filling", () => !isFilling(app) && namesOf(app).length > 0)

interface Starts {
  readonly programs: ReadonlyArray<{ readonly name: string; readonly hot: number }>
}

/** How much of what the last start read came of the cache, in tenths. */
const tenths = (app: Place) =>
  (JSON.parse(readFileSync(`${app.data}/work/start`, "utf8")) as Starts).programs.find(({ name }) =>
    name === "sha256sum"
  )?.hot

/** A layer with a file that cannot be made smaller, and what its sum is. */
const withLayer = (app: Place, bytes = size) => {
  const content = randomBytes(bytes)
  const layer = packLayer(`${app.directory}/layer`, (tree) => writeFileSync(`${tree}/large`, content))
  const expected = createHash("sha256").update(content).digest("hex")
  const start = (hot = "64M") =>
    Effect.gen(function*() {
      const outcome = yield* app.run(["fim-exec", "sha256sum", "/large"], {
        environment: { FIM_LAYERS: layer, FIM_HOT: hot }
      })
      assert.deepStrictEqual([outcome.code, outcome.stderr], [0, ""])
      assert.strictEqual(outcome.stdout.split(" ")[0], expected)
    })
  return { layer, start }
}

/** Looks without a pause, for what may be there for some milliseconds only. */
const sees = (isThere: () => boolean): boolean => {
  const end = Date.now() + 20_000
  while (Date.now() < end) if (isThere()) return true
  return false
}

describe.each(users)("as $name", (user) => {
  scenario(
    "what a start reads is kept once it has ended, and read by the next one",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const { start } = withLayer(app)
        yield* start()
        assert.strictEqual(tenths(app), 0)
        yield* filled(app)
        assert.strictEqual(statSync(hotOf(app)).mode & 0o777, 0o700)
        const kept = filesOf(app).map((name) => statSync(`${hotOf(app)}/${name}`))
        assert.isAtLeast(kept.length, 1)
        assert.isTrue(kept.every(({ mode, uid }) => (mode & 0o777) === 0o600 && uid === user.uid))
        yield* start()
        assert.isAtLeast(tenths(app) ?? 0, 9)
        // A new data directory finds it too.
        execFileSync("rm", ["-rf", app.data])
        yield* start()
        assert.isAtLeast(tenths(app) ?? 0, 9)
        yield* app.isClean
      })
  )

  scenario(
    "a flipped byte removes the file, and the layer is read",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const { start } = withLayer(app)
        yield* start()
        yield* filled(app)
        const largest = filesOf(app).map((name) => `${hotOf(app)}/${name}`)
          .sort((left, right) => statSync(right).size - statSync(left).size)[0] ?? ""
        const at = statSync(largest).size - 1024 * 1024
        const flipped = Buffer.from([(readFileSync(largest)[at] ?? 0) ^ 1])
        writeSync(openSync(largest, "r+"), flipped, 0, 1, at)
        yield* start()
        assert.isFalse(existsSync(largest))
        yield* eventually("the file anew", () => existsSync(largest))
        yield* filled(app)
        yield* start()
        assert.isAtLeast(tenths(app) ?? 0, 9)
        yield* app.isClean
      })
  )

  scenario(
    "FIM_HOT=0 makes nothing, and what is not a size is refused before anything is mounted",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const { start } = withLayer(app)
        yield* start("0")
        // Nor is there a process that is about to make it.
        yield* app.isClean
        assert.isFalse(existsSync(`${app.home}/.cache`))
        for (const value of ["1x", "-1", "1.5G", "99999999999999999999"]) {
          const outcome = yield* app.run(["fim-exec", "true"], { environment: { FIM_HOT: value } })
          assert.strictEqual(outcome.code, 125)
          assert.include(outcome.stderr, `FIM_HOT must be 0 or a size such as 512M or 2G, not '${value}'`)
        }
        const seen = yield* app.run(["fim-exec", "sh", "-c", "echo \"${FIM_HOT-unset}\""], {
          environment: { FIM_HOT: "64M" }
        })
        assert.strictEqual(seen.stdout, "unset\n")
        yield* filled(app)
        yield* app.isClean
      })
  )

  scenario(
    "all files together stay below the bound, and a quarter of it is for one layer",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const layers = [1, 2, 3, 4, 5].map((number) =>
          packLayer(`${app.directory}/layer-${number}`, (tree) =>
            writeFileSync(`${tree}/large-${number}`, randomBytes(size / 2)))
        )
        const outcome = yield* app.run(["fim-exec", "sh", "-c", "cat /large-* | wc -c"], {
          environment: { FIM_LAYERS: layers.join(":"), FIM_HOT: "4M" }
        })
        assert.deepStrictEqual([outcome.code, outcome.stdout.trim()], [0, String(size / 2 * layers.length)])
        yield* filled(app)
        const sizes = filesOf(app).map((name) =>
          statSync(`${hotOf(app)}/${name}`).size
        )
        assert.isTrue(sizes.every((size) => size <= 1024 * 1024), String(sizes))
        assert.isAtLeast(sizes.filter((size) => size > 512 * 1024).length, 2)
        assert.isAtMost(sizes.reduce((sum, size) => sum + size, 0), 4 * 1024 * 1024)
        yield* app.isClean
      })
  )

  scenario(
    "a directory that others can write to is not used",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const { start } = withLayer(app)
        mkdirSync(hotOf(app), { recursive: true })
        execFileSync("chown", ["-R", `${user.uid}:${user.gid}`, app.home])
        chmodSync(hotOf(app), 0o777)
        yield* start()
        yield* eventually("the end of filling", () => !isFilling(app))
        assert.deepStrictEqual(readdirSync(hotOf(app)), [])
        yield* app.isClean
      })
  )

  scenario(
    "one that is killed while it fills leaves nothing that is used",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const { start } = withLayer(app, 24 * 1024 * 1024)
        yield* start("256M")
        assert.isTrue(
          sees(() => existsSync(hotOf(app)) && readdirSync(hotOf(app)).some((name) => name.startsWith(".")))
        )
        for (const pid of fillers(app)) process.kill(pid, "SIGKILL")
        yield* eventually("its end", () => !isFilling(app))
        yield* start("256M")
        yield* filled(app)
        assert.deepStrictEqual(readdirSync(hotOf(app)).filter((name) => name.startsWith(".")), [])
        yield* start("256M")
        assert.isAtLeast(tenths(app) ?? 0, 9)
        yield* app.isClean
      })
  )

  scenario(
    "several that end at once leave sound files",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const { layer, start } = withLayer(app)
        const beside = (number: number) =>
          app.run(["fim-exec", "sha256sum", "/large"], {
            environment: { FIM_LAYERS: layer, FIM_HOT: "64M", FIM_DIR_DATA: `${app.home}/data-${number}` }
          })
        const outcomes = yield* Effect.all([beside(1), beside(2), beside(3)], { concurrency: "unbounded" })
        assert.deepStrictEqual(outcomes.map(({ code }) => code), [0, 0, 0])
        yield* filled(app)
        assert.deepStrictEqual(readdirSync(hotOf(app)).filter((name) => name.startsWith(".")), [])
        yield* start()
        assert.isAtLeast(tenths(app) ?? 0, 9)
        yield* app.isClean
      })
  )

  scenario(
    "flatimage du shows it, and prune empties it",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { fresh: true })
        const { start } = withLayer(app)
        yield* start()
        yield* filled(app)
        const host = (...words: ReadonlyArray<string>) => app.run(words, { program: `${projectRoot}/bin/flatimage` })
        const listed = yield* host("du", "--json")
        assert.strictEqual(listed.code, 0, listed.stderr)
        const { entries } = JSON.parse(listed.stdout) as { entries: ReadonlyArray<{ kind: string; path: string }> }
        const paths = entries.filter(({ kind }) => kind === "hot").map(({ path }) => path)
        assert.sameMembers(paths, filesOf(app).map((name) => `${hotOf(app)}/${name}`))
        assert.isTrue(entries.some(({ kind, path }) => kind === "tools" && path.startsWith(`${app.global}/app/`)))
        const before = readdirSync(hotOf(app))
        assert.match((yield* host("prune", "--dry-run")).stdout, /^would free: .* MB$/m)
        assert.deepStrictEqual(readdirSync(hotOf(app)), before)
        const pruned = yield* host("prune")
        assert.match(pruned.stdout, /^hot cache .*\n(.*\n)*freed: .* MB\n$/m)
        assert.deepStrictEqual(readdirSync(hotOf(app)), ["lock"])
        assert.isTrue(existsSync(app.data))
        yield* start()
        yield* filled(app)
        yield* app.isClean
      })
  )
})

describe("another user's cache", () => {
  scenario(
    "is not used by root",
    [...images, root],
    () =>
      Effect.gen(function*() {
        const app = yield* place(users[0] ?? assert.fail("nobody"))
        const { start } = withLayer(app)
        mkdirSync(hotOf(app), { recursive: true })
        chownSync(hotOf(app), other.uid, other.gid)
        yield* start()
        yield* eventually("the end of filling", () => !isFilling(app))
        assert.deepStrictEqual(readdirSync(hotOf(app)), [])
        assert.isTrue(isRoot)
        yield* app.isClean
      })
  )
})
