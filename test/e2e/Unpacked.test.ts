/** Hosts on which layers cannot be mounted: they are unpacked to a cache, once. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import { chmodSync, chownSync, closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync } from "node:fs"
import { rmSync, statSync, utimesSync, writeSync } from "node:fs"
import { makeLayer, makeMark, packTree } from "../support/Layers.ts"
import { processesIn } from "../support/Leftovers.ts"
import { images, root, scenario } from "../support/Needs.ts"
import { type Place, place, temporary } from "../support/Place.ts"
import * as Process from "../support/Process.ts"
import { smallDisk, where, withoutFuse } from "../support/Rungs.ts"
import { ordinary, type User, users } from "../support/Users.ts"

const needs = [...images, root]
const absent = withoutFuse["no /dev/fuse"]

const optionsOf = (app: Place, environment: Readonly<Record<string, string>>): Process.Options => ({
  directory: app.home,
  environment: { ...app.environment, ...environment }
})

/** Runs the image where `/dev/fuse` is not to be had, or starts it there. */
const run = (app: Place, words: ReadonlyArray<string>, environment = {}, script = absent) =>
  Process.run(where(app, script, words), optionsOf(app, environment))

const start = (app: Place, words: ReadonlyArray<string>, environment = {}) =>
  Process.start(where(app, absent, words), { ...optionsOf(app, environment), interactive: true })

const cacheOf = (app: Place) => `${app.home}/.cache/flatimage/layers`

/** Names in the cache: of trees, and of those that are not finished. */
const trees = (app: Place) => readdirSync(cacheOf(app)).filter((name) => !name.endsWith(".lock"))

/** A layer with one of each kind, and one above that deletes some of them. */
const makeKinds = (app: Place): string => {
  const lower = `${app.directory}/lower-tree`
  const script = `
    mkdir -p $1/kinds/dir/sub $1/kinds/shut $1/kinds/gone/deep && cd $1/kinds
    echo text > file && chmod 4751 file && ln file dir/name && ln -s ../file dir/link && mkfifo -m 620 fifo
    truncate -s 5000000 sparse && printf x | dd of=sparse bs=1 seek=3000000 conv=notrunc 2> /dev/null
    echo hidden > shut/file && chmod 0 shut/file && chmod 555 shut && echo gone > gone/deep/file && : > empty
    mkdir -p $2/kinds/dir && mknod $2/kinds/gone c 0 0 && mknod $2/kinds/dir/sub c 0 0 && echo over > $2/kinds/file
    find $1 $2 -exec touch -h -d @1000000000 {} +`
  const upper = `${app.directory}/upper-tree`
  execFileSync("sh", ["-euc", script, "sh", lower, upper])
  return `${packTree(`${app.directory}/lower`, lower)}:${packTree(`${app.directory}/upper`, upper)}`
}

/** Everything that one can know of the files of a guest, but for sizes and links of directories. */
const look = [
  "fim-root",
  "sh",
  "-c",
  `
  find / -xdev ! -type d ! -path '/tmp/*' | sort | xargs stat -c '%n %F %a %u %g %s %Y %h'
  find / -xdev -type d ! -path '/tmp/*' ! -path '/run/*' ! -path / ! -path /root | sort | xargs stat -c '%n %F %a %u %g %Y'
  find / -xdev -type f ! -path '/tmp/*' | sort | xargs sha256sum
  find /kinds -type l -exec readlink {} +`
]

/** What a guest may see otherwise where the run makes it anew. */
const lasting = (stdout: string) =>
  stdout.split("\n").filter((line) => !/^\/(dev|proc|sys|run|tmp|etc\/passwd)\b/.test(line))

const large = (app: Place, bytes: number) =>
  makeLayer(`${app.directory}/large`, { large: randomBytes(bytes).toString("latin1") })

describe.each(users)("as $name, without FUSE", (user: User) => {
  // What is closed is open to root.
  const ways = Object.entries(withoutFuse).filter(([how]) => user.uid !== 0 || !how.endsWith("closed"))
  for (const [how, script] of ways) {
    scenario(
      `because of ${how}, the layers are unpacked once and the log says why`,
      needs,
      () =>
        Effect.gen(function*() {
          const app = yield* place(user)
          const first = yield* run(app, ["fim-exec", "echo", "runs"], {}, script)
          assert.deepStrictEqual([first.code, first.stdout, first.stderr], [0, "runs\n", ""])
          const [tree = ""] = trees(app)
          const made = statSync(`${cacheOf(app)}/${tree}`).ctimeMs
          const debug = yield* run(app, ["fim-exec", "true"], { FIM_DEBUG: "1" }, script)
          assert.match(debug.stderr, /^W::[\d.]+::Layers cannot be mounted \(.*fuse.*\), their files in/m)
          assert.deepStrictEqual(trees(app), [tree])
          assert.strictEqual(statSync(`${cacheOf(app)}/${tree}`).ctimeMs, made)
          assert.strictEqual(statSync(cacheOf(app)).mode & 0o777, 0o700)
          yield* app.isClean
        })
    )
  }

  scenario("the guest sees the same files as with it", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const environment = { FIM_LAYERS: makeKinds(app) }
      const [mounted, unpacked] = [yield* app.run(look, { environment }), yield* run(app, look, environment)]
      assert.deepStrictEqual([mounted.code, mounted.stderr], [unpacked.code, unpacked.stderr])
      assert.match(unpacked.stdout, /^\/kinds\/sparse regular file .* 5000000 1000000000 1$/m)
      assert.notMatch(unpacked.stdout, /gone|\/kinds\/dir\/sub/)
      assert.deepStrictEqual(lasting(unpacked.stdout), lasting(mounted.stdout))
      const sparse = trees(app).map((name) => `${cacheOf(app)}/${name}/kinds/sparse`).find((path) => existsSync(path))
      assert.isBelow(statSync(sparse ?? "").blocks, 100)
    }))

  scenario(
    "first starts at once unpack once, and each other overlay type gives way to the kernel's",
    needs,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const environment = { FIM_LAYERS: large(app, 3_000_000) }
        const words = ["fim-exec", "sh", "-c", "wc -c < /large"]
        const datas = ["a", "b", "c", "d"].map((name) =>
          Object.assign({ FIM_DIR_DATA: `${app.home}/${name}` }, environment)
        )
        const outcomes = yield* Effect.forEach(datas, (each) => run(app, words, each), { concurrency: "unbounded" })
        const size = outcomes[0]?.stdout
        assert.match(size ?? "", /^\d{7}\n$/)
        for (const { code, stderr, stdout } of outcomes) assert.deepStrictEqual([code, stdout, stderr], [0, size, ""])
        assert.strictEqual(trees(app).length, 2)
        for (const FIM_OVERLAY of ["overlayfs", "unionfs"]) {
          const { code, stderr, stdout } = yield* run(app, words, { ...environment, FIM_OVERLAY, FIM_DEBUG: "1" })
          assert.deepStrictEqual([code, stdout, stderr.includes("Overlay type: BWRAP")], [0, size, true])
          assert.match(stderr, new RegExp(`Overlay '${FIM_OVERLAY}' is not possible, 'bwrap' takes its place`))
        }
        yield* app.isClean
      })
  )

  for (const name of ["the boot program", "fim-janitor", "fim-holder"]) {
    scenario(`SIGKILL of ${name} leaves nothing behind`, needs, () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const running = yield* start(app, ["fim-exec", "sh", "-c", "echo > /file; echo ready; sleep 1000"])
        yield* running.says(/ready/)
        const servant = processesIn([app.global]).find((process) => process.name === name)
        process.kill(servant?.pid ?? running.pid, "SIGKILL")
        assert.strictEqual(yield* running.exited, servant === undefined ? "SIGKILL" : 125)
        if (name === "fim-janitor") assert.strictEqual((yield* run(app, ["fim-exec", "true"])).code, 0)
        yield* app.isClean
      }))
  }

  scenario(
    "a second instance shares the overlay, and keeps the trees when the first one ends",
    needs,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const layer = (number: number) => makeMark(`${app.directory}/${number}`, number)
        const shell = ["fim-exec", "sh", "-c", "echo ready; exec sh"]
        const one = { FIM_LAYERS: layer(1) }
        const first = yield* start(app, shell, one)
        yield* first.says(/ready/)
        const second = yield* start(app, shell, one)
        yield* second.says(/ready/)
        yield* first.write("echo shared > /file; exit\n")
        assert.strictEqual((yield* first.outcome).code, 0)
        const tree = trees(app).find((name) => existsSync(`${cacheOf(app)}/${name}/marks/1`)) ?? ""
        const unpack = (number: number) =>
          run(app, ["fim-exec", "true"], { FIM_DIR_DATA: `${app.home}/data`, FIM_LAYERS: layer(number) })
        // Old enough to be removed, were it not in use.
        utimesSync(`${cacheOf(app)}/${tree}.lock`, 0, 0)
        assert.strictEqual((yield* unpack(2)).code, 0)
        assert.include(trees(app), tree)
        yield* second.write("cat /file /top; exit 7\n")
        const outcome = yield* second.outcome
        assert.deepStrictEqual([outcome.code, outcome.stdout, outcome.stderr], [7, "ready\nshared\n1\n", ""])
        assert.strictEqual((yield* unpack(3)).code, 0)
        assert.notInclude(trees(app), tree)
        yield* app.isClean
      })
  )

  scenario(
    "a kill while a layer is unpacked disturbs nobody, and a file that is gone comes back",
    needs,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const environment = { FIM_LAYERS: large(app, 30_000_000) }
        const running = yield* start(app, ["fim-exec", "true"], environment)
        while (!existsSync(cacheOf(app)) || !trees(app).some((name) => name.endsWith(".part"))) yield* Effect.sleep(1)
        yield* running.signal("SIGKILL")
        yield* running.exited
        yield* app.isClean
        const words = ["fim-exec", "sh", "-c", "sha256sum < /large"]
        const first = yield* run(app, words, environment)
        assert.deepStrictEqual([first.code, first.stderr], [0, ""])
        assert.deepStrictEqual(trees(app).filter((name) => name.endsWith(".part")), [])
        // Until the kernel has ended the first instance it uses the tree, which is then not unpacked again.
        yield* app.isClean
        for (const tree of trees(app).map((name) => `${cacheOf(app)}/${name}`)) {
          if (!existsSync(`${tree}/large`)) continue
          const made = statSync(tree).mtimeMs / 1000
          rmSync(`${tree}/large`)
          // In the second in which the layer was made, as it is where all this is quick.
          utimesSync(tree, made, made + 0.5)
        }
        assert.strictEqual((yield* run(app, words, environment)).stdout, first.stdout)
      })
  )

  scenario("a full disk gives a clear failure and is left as it was", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const disk = yield* smallDisk(`${yield* temporary(user)}/disk`, 4_000_000)
      chownSync(disk, user.uid, user.gid)
      chmodSync(disk, 0o700)
      const environment = { XDG_CACHE_HOME: disk, FIM_LAYERS: large(app, 8_000_000) }
      const outcome = yield* run(app, ["fim-exec", "true"], environment)
      assert.deepStrictEqual([outcome.code, outcome.stdout], [125, ""])
      assert.match(
        outcome.stderr,
        /^E::layers can neither be mounted \(there is no \/dev\/fuse\) nor unpacked: .*no space left.*XDG_CACHE_HOME/
      )
      assert.deepStrictEqual(readdirSync(`${disk}/flatimage/layers`).filter((name) => !name.endsWith(".lock")), [])
      yield* app.isClean
    }))

  scenario("a layer that lies about its digests is refused", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const layer = makeMark(`${app.directory}/layer`, 1)
      // The digest of the first section; mounting looks at another one.
      const file = openSync(layer, "r+")
      writeSync(file, Buffer.from([(readFileSync(layer)[8] ?? 0) ^ 1]), 0, 1, 8)
      closeSync(file)
      const environment = { FIM_LAYERS: layer }
      assert.strictEqual((yield* app.run(["fim-exec", "cat", "/top"], { environment })).stdout, "1\n")
      const outcome = yield* run(app, ["fim-exec", "cat", "/top"], environment)
      assert.deepStrictEqual([outcome.code, outcome.stdout], [125, ""])
      assert.match(outcome.stderr, /layer is damaged/)
      yield* app.isClean
    }))

  scenario(
    "and with a data directory that no overlay can use, the failure says what the host lacks",
    needs,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const overlay = `cd "$place" && mkdir -p o/lower o/upper o/work o/mount && chown --reference=. o/upper
        mount -t overlay overlay -o lowerdir=o/lower,upperdir=o/upper,workdir=o/work o/mount`
        const environment = { FIM_DIR_DATA: `${app.directory}/o/mount/data` }
        const outcome = yield* run(app, ["fim-exec", "true"], environment, `${absent}; ${overlay}`)
        assert.deepStrictEqual([outcome.code, outcome.stdout], [125, ""])
        assert.match(outcome.stderr, /^E::the kernel refused the overlay.*\/dev\/fuse.*FIM_DIR_DATA/)
        yield* app.isClean
      })
  )
})

describe("the cache of layers", () => {
  scenario("is not in a home of somebody else", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary)
      mkdirSync(`${app.directory}/roots`, { mode: 0o755 })
      const outcome = yield* run(app, ["fim-exec", "echo", "runs"], { XDG_CACHE_HOME: `${app.directory}/roots` })
      assert.deepStrictEqual([outcome.code, outcome.stdout, outcome.stderr], [0, "runs\n", ""])
      assert.deepStrictEqual(readdirSync(`${app.directory}/roots`), [])
      assert.isAbove(readdirSync(`${app.global}/layers`).length, 0)
      rmSync(`${app.global}/layers`, { recursive: true })
    }))
})
