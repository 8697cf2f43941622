import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { Archives, type ArchiveSource } from "../../src/builder/Archives.ts"
import { Download } from "../../src/builder/Download.ts"
import { Gpgv } from "../../src/builder/Gpgv.ts"
import { Workspace } from "../../src/builder/Workspace.ts"
import * as Needs from "../support/Needs.ts"
import { endPgpSigner, newPgpSigner, signFile } from "../support/PacmanMirror.ts"
import { sha256 } from "../support/Platform.ts"
import { type Answer, filesOf, serve } from "../support/WebServer.ts"
import { TestBase } from "./TestServices.ts"

const TestLayer = Archives.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(Download.layer, Gpgv.layer)),
  Layer.provideMerge(TestBase)
)

/** Fetches what a server answers, with a limit of 100 bytes. */
const fetched = Effect.fnUntraced(function*(answer: Answer) {
  const fs = yield* FileSystem.FileSystem
  const download = yield* Download
  const directory = yield* fs.makeTempDirectoryScoped()
  const url = yield* serve(answer)
  yield* download.fetch(`${url}/file`, `${directory}/file`, { limit: 100 })
  return yield* fs.readFileString(`${directory}/file`)
})

const refused = (answer: Answer) => Effect.map(Effect.flip(fetched(answer)), (error) => error.message)

const long = "x".repeat(101)

const moved: Answer = (request, response) =>
  request.url === "/there" ? response.end("moved") : response.writeHead(302, { location: "/there" }).end()

const circle: Answer = (_, response) => response.writeHead(302, { location: "/file" }).end()

const cut: Answer = (_, response) => {
  response.writeHead(200, { "content-length": 50 })
  response.write("short", () => response.destroy())
}

/** Without a length, and without an end. */
const endless: Answer = (_, response) => {
  const write = () => {
    if (!response.destroyed) response.write(long, () => setImmediate(write))
  }
  write()
}

it.layer(TestLayer)("a download", (it) => {
  it.effect("is what the server has, also where it is moved to", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* fetched((_, response) => response.end("content")), "content")
      assert.strictEqual(yield* fetched(moved), "moved")
    }))

  it.effect("is refused when it is not there, too long, cut short, or led in circles", () =>
    Effect.gen(function*() {
      assert.match(yield* refused((_, response) => response.writeHead(404).end()), /the server answered with 404/)
      assert.match(yield* refused((_, response) => response.writeHead(500).end()), /the server answered with 500/)
      assert.match(yield* refused((_, response) => response.end(long)), /it has more than 100 bytes/)
      assert.match(yield* refused(endless), /it has more than 100 bytes/)
      assert.match(
        yield* refused(cut),
        /cannot be fetched: the server closed the connection: try again$/
      )
      assert.match(yield* refused(circle), /cannot be fetched: it leads on to another address more than 10 times$/)
    }))

  it.effect("is given up when the server is silent, at first or in the middle", () =>
    Effect.gen(function*() {
      for (const start of ["", "abc"]) {
        const asked = yield* Deferred.make<void>()
        const silent: Answer = (_, response) => {
          if (start !== "") {
            response.writeHead(200, { "content-length": 50 })
            response.write(start)
          }
          Effect.runSync(Deferred.succeed(asked, undefined))
        }
        const fiber = yield* Effect.forkChild(refused(silent))
        yield* Deferred.await(asked)
        // However far it has come with the answer: time goes on until it gives up.
        while (fiber.pollUnsafe() === undefined) {
          yield* TestClock.adjust("31 seconds")
          yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        }
        assert.match(yield* Fiber.join(fiber), /the server is silent/)
      }
    }))

  it.effect("of a local file is a copy of it", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const download = yield* Download
      const directory = yield* fs.makeTempDirectoryScoped()
      yield* fs.writeFileString(`${directory}/a b`, "local")
      yield* download.fetch(`file://${directory}/a%20b`, `${directory}/copy`, { limit: 100 })
      assert.strictEqual(yield* fs.readFileString(`${directory}/copy`), "local")
      const wrong = (url: string, limit = 100) =>
        Effect.map(Effect.flip(download.fetch(url, `${directory}/copy`, { limit })), (error) => error.message)
      assert.match(yield* wrong(`file://${directory}/a%20b`, 4), /more than 4 bytes/)
      assert.match(yield* wrong(`file://${directory}`), /it is not a file/)
      assert.match(yield* wrong(`file://${directory}/none`), /no such file/)
      assert.match(yield* wrong("file://host/x"), /not the URL of a local file/)
    }))
})

it.layer(TestLayer)("an archive of a root tree", (it) => {
  const verified = Effect.fnUntraced(function*(source: ArchiveSource) {
    const archives = yield* Archives
    return yield* archives.verified(source, () => Effect.void)
  })
  const refusal = (source: ArchiveSource) => Effect.map(Effect.flip(verified(source)), (error) => error.message)

  it.effect("from elsewhere needs a checksum or a signature, and is kept only when it is right", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const workspace = yield* Workspace
      const directory = yield* fs.makeTempDirectoryScoped()
      yield* fs.writeFileString(`${directory}/root.tar`, "tree")
      const asked: Array<string> = []
      const path = `${yield* serve(filesOf(directory), asked)}/root.tar`
      assert.match(yield* refusal({ path }), /trusted only with a checksum or a signature/)
      assert.match(yield* refusal({ path: "ftp://x/y", sha256: sha256("") }), /is not http/)
      assert.match(yield* refusal({ path, sha256: sha256("other") }), /is not trusted: its SHA-256 is/)
      const kept = yield* workspace.directory("cache", "archives")
      assert.deepStrictEqual(yield* fs.readDirectory(kept), [])
      const found = yield* verified({ path, sha256: sha256("tree").toUpperCase() })
      assert.strictEqual(yield* fs.readFileString(found), "tree")
      asked.length = 0
      yield* verified({ path, sha256: sha256("tree") })
      assert.deepStrictEqual(asked, [])
      assert.match(yield* refusal({ path: `${directory}/root.tar`, sha256: sha256("other") }), /its SHA-256 is/)
    }))

  const gpg = Needs.program("gpg").missing
  it.effect.skipIf(gpg !== undefined && process.env["MUST_WORK"] !== "1")(
    "with a signature has to be signed by a key of the keyring",
    () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const directory = yield* fs.makeTempDirectoryScoped({ prefix: "fp-" })
        const signers = ["a", "b"].map((name) => newPgpSigner(directory, name))
        yield* Effect.addFinalizer(() => Effect.sync(() => signers.forEach(endPgpSigner)))
        const [own, other] = signers
        assert.isDefined(own)
        assert.isDefined(other)
        const path = `${directory}/root.tar`
        yield* fs.writeFileString(path, "tree")
        signFile(path, own)
        const source = { path, signature: `${path}.sig`, keyring: own.keyring }
        assert.strictEqual(yield* verified(source), path)
        // The same keys as text.
        const armored = `${directory}/keys.asc`
        const { stdout } = spawnSync("gpg", ["--homedir", own.home, "--armor", "--export"])
        yield* fs.writeFile(armored, stdout)
        assert.strictEqual(yield* verified({ ...source, keyring: armored }), path)
        assert.match(
          yield* refusal({ ...source, keyring: other.keyring }),
          /root\.tar is not trusted: no key of .*b\.gpg made/
        )
        assert.match(yield* refusal({ path, signature: `${path}.sig` }), /a signature needs the keys/)
        yield* fs.writeFileString(path, "tree2")
        assert.match(yield* refusal(source), /is not trusted/)
        yield* fs.writeFileString(path, "tree")
        const url = `${yield* serve(filesOf(directory))}/root.tar`
        const remote = yield* verified({ path: url, signature: `${url}.sig`, keyring: own.keyring })
        assert.strictEqual(yield* fs.readFileString(remote), "tree")
        assert.match(
          yield* refusal({ path: url, signature: `${url}.none`, keyring: own.keyring }),
          /the server answered with 404/
        )
        assert.isFalse(existsSync(remote), "what was not verified is not kept")
      })
  )
})
