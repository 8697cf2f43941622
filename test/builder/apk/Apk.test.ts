import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { Apk } from "../../../src/builder/apk/Apk.ts"
import { alpine } from "../../../src/builder/dist/Alpine.ts"
import { Download } from "../../../src/builder/Download.ts"
import { Progress } from "../../../src/builder/Progress.ts"
import { Tarball } from "../../../src/builder/Tarball.ts"
import { TreeSandbox } from "../../../src/builder/TreeSandbox.ts"
import { Workspace } from "../../../src/builder/Workspace.ts"
import { type ApkSpec, buildApk, buildIndex, newSigner, type Signer, writeApkMirror } from "../../support/ApkMirror.ts"
import { closureOfProject, ProjectBubblewrap } from "../../support/Closure.ts"
import * as Needs from "../../support/Needs.ts"
import { entry } from "../../support/Tar.ts"
import { filesOf, serve } from "../../support/WebServer.ts"
import { TestBase } from "../TestServices.ts"

/** What the build said beside its progress. */
const notes: Array<string> = []

const NotedProgress = Layer.succeed(Progress, {
  step: (_label, work) => work(() => Effect.void),
  note: (line) => Effect.sync(() => void notes.push(line))
})

const TestLayer = Apk.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(Tarball.layer, TreeSandbox.layer, NotedProgress, Download.layer)),
  Layer.provideMerge(ProjectBubblewrap),
  Layer.provideMerge(TestBase)
)

const signer = newSigner()

const busybox = () => readFileSync(`${closureOfProject().directory}/bin/busybox`)

/** A small system: a shell, a library that a program needs, and scripts that note that they ran. */
const system = (): ReadonlyArray<ApkSpec> => [
  {
    name: "alpine-base",
    fields: { D: "busybox so:libtest.so.1>=1.2 !uclibc" },
    files: [entry("etc/", "5"), entry("etc/alpine-release", "0", "", "3.99\n", 0o644)]
  },
  {
    name: "busybox",
    version: "1.37.0-r0",
    files: [
      entry("bin/", "5"),
      entry("bin/busybox", "0", "", busybox()),
      entry("bin/sh", "2", "/bin/busybox"),
      entry("lib/", "5"),
      entry("dev/", "5"),
      entry("dev/null", "3")
    ],
    scripts: {
      ".post-install":
        "#!/bin/busybox sh\nset -e\n/bin/busybox --install -s /bin\necho \"$0 $1\" >> /scripts\nid -u >> /scripts\n",
      ".trigger": "#!/bin/sh\necho trigger \"$@\" >> /scripts\n"
    },
    triggers: "/bin /usr/share/*/x /nothing"
  },
  { name: "libtest-old", fields: { p: "so:libtest.so.1=1.1" }, files: [entry("lib/old", "0")] },
  {
    name: "libtest",
    fields: { p: "so:libtest.so.1=1.2.3", D: "loop" },
    files: [
      entry("lib/", "5"),
      entry("lib/libtest.so.1", "0", "", "library", 0o755),
      entry("tmp/", "5", "", "", 0o1777)
    ],
    scripts: {
      ".pre-install": "#!/bin/sh\necho \"pre $1\" >> /scripts\n",
      ".post-install": "#!/bin/sh\nls /sys /etc/passwd || exit 7\n"
    }
  },
  { name: "loop", fields: { D: "libtest" }, files: [entry("usr/share/a/x/f", "0", "", "x", 0o600)] },
  { name: "base-doc", fields: { i: "alpine-base docs" }, files: [entry("usr/share/doc", "5")] },
  { name: "docs" },
  { name: "escape", files: [entry("out", "2", "/etc"), entry("out/passwd", "0", "", "x")] },
  { name: "linker", files: [entry("out", "2", "/etc")] },
  { name: "follower", files: [entry("out/passwd", "0", "", "x")], fields: { D: "linker" } }
]

const prepare = Effect.fnUntraced(function*(packages: ReadonlyArray<ApkSpec> = system(), by: Signer = signer) {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped()
  // The tests share a workspace, but must not find each other's packages.
  const workspace = yield* Workspace
  yield* fs.remove(yield* workspace.directory("cache", "apk"), { recursive: true })
  const asked: Array<string> = []
  const main = `${directory}/mirror/v3.99/main/x86_64`
  writeApkMirror({ mirror: `${directory}/mirror`, keys: `${directory}/keys`, suite: "v3.99", packages, signer: by })
  const mirror = yield* serve(filesOf(`${directory}/mirror`), asked)
  const tree = `${directory}/tree`
  const install = Effect.fnUntraced(function*(...include: ReadonlyArray<string>) {
    yield* fs.remove(tree, { recursive: true, force: true })
    yield* fs.makeDirectory(tree)
    const apk = yield* Apk
    const repository = { mirror, keyring: `${directory}/keys` }
    const options = { suite: "v3.99", include }
    yield* apk.install(alpine, repository, options, tree, () => Effect.void)
  })
  return { asked, directory, install, main, mirror, tree }
})

it.layer(TestLayer)("a tree of apk's packages", (it) => {
  it.effect(
    "has what was asked for and all that it needs, its scripts run, and a database",
    () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const { asked, install, mirror, tree } = yield* prepare()
        notes.length = 0
        yield* install("docs")
        const read = (path: string) => fs.readFileString(`${tree}/${path}`)
        assert.strictEqual(yield* read("lib/libtest.so.1"), "library")
        assert.isFalse(yield* fs.exists(`${tree}/lib/old`))
        assert.isTrue(yield* fs.exists(`${tree}/usr/share/doc`))
        // First what precedes installation, then what follows it, at last what is triggered; apart from the machine.
        assert.strictEqual(
          yield* read("scripts"),
          "pre 1.0-r0\n/lib/apk/exec/busybox-1.37.0-r0.post-install 1.37.0-r0\n0\ntrigger /bin /usr/share/a/x\n"
        )
        assert.lengthOf(notes, 1)
        assert.match(notes[0] ?? "", /^note: the script post-install of libtest failed: .* failed with 7/)
        assert.strictEqual((yield* fs.lstat(`${tree}/bin/ls`)).type, "SymbolicLink")
        assert.deepStrictEqual(yield* fs.readDirectory(`${tree}/dev`), [])
        assert.isFalse(yield* fs.exists(`${tree}/lib/apk/exec`))
        assert.strictEqual(yield* read("etc/apk/world"), "alpine-base\ndocs\n")
        assert.strictEqual(yield* read("etc/apk/arch"), "x86_64\n")
        assert.strictEqual(yield* read("etc/apk/repositories"), `${mirror}/v3.99/main\n${mirror}/v3.99/community\n`)
        const installed = yield* read("lib/apk/db/installed")
        assert.match(
          installed,
          /\nP:libtest\nV:1\.0-r0\n[^]*\nF:lib\nR:libtest\.so\.1\na:0:0:755\nZ:Q1[A-Za-z0-9+/]{27}=\nF:tmp\nM:0:0:1777\n\n/
        )
        assert.match(installed, /\nF:usr\/share\/a\/x\nR:f\na:0:0:600\n/)
        assert.match(yield* read("lib/apk/db/triggers"), /^Q1\S+ \/bin \/usr\/share\/\*\/x \/nothing\n$/)
        // Packages are kept, indexes are not.
        asked.length = 0
        yield* install("docs")
        assert.deepStrictEqual(asked, ["/v3.99/main/x86_64/APKINDEX.tar.gz", "/v3.99/community/x86_64/APKINDEX.tar.gz"])
      }),
    60_000
  )

  it.effect("takes what is signed anew in the place of what is in the cache", () =>
    Effect.gen(function*() {
      const { asked, directory, install } = yield* prepare()
      yield* install()
      const other = newSigner(signer.name)
      const mirror = `${directory}/mirror`
      writeApkMirror({ mirror, keys: `${directory}/keys`, suite: "v3.99", packages: system(), signer: other })
      asked.length = 0
      yield* install()
      assert.include(asked, "/v3.99/main/x86_64/loop-1.0-r0.apk")
    }), 60_000)

  const refusals: ReadonlyArray<
    readonly [string, (main: string, keys: string) => void, ReadonlyArray<string>, RegExp]
  > = [
    [
      "an index of another key",
      (main) => {
        writeFileSync(`${main}/APKINDEX.tar.gz`, buildIndex([], newSigner(signer.name)))
      },
      [],
      /APKINDEX\.tar\.gz is not trusted: its signature by test@example\.org-0001\.rsa\.pub is wrong/
    ],
    [
      "an index of an unknown key",
      (main) => {
        writeFileSync(`${main}/APKINDEX.tar.gz`, buildIndex([], newSigner("stranger.rsa.pub")))
      },
      [],
      /is signed by stranger\.rsa\.pub, of which there is no key/
    ],
    [
      "a changed index",
      (main) => {
        const bytes = readFileSync(`${main}/APKINDEX.tar.gz`)
        bytes[bytes.length - 20]! ^= 1
        writeFileSync(`${main}/APKINDEX.tar.gz`, bytes)
      },
      [],
      /is not trusted/
    ],
    [
      "a cut index",
      (main) => {
        const bytes = readFileSync(`${main}/APKINDEX.tar.gz`)
        writeFileSync(`${main}/APKINDEX.tar.gz`, bytes.subarray(0, bytes.length / 2))
      },
      [],
      /is not trusted/
    ],
    [
      "a package with other files",
      (main) => {
        const path = `${main}/libtest-1.0-r0.apk`
        const bytes = readFileSync(path)
        bytes[bytes.length - 20]! ^= 1
        writeFileSync(path, bytes)
      },
      [],
      /libtest-1\.0-r0\.apk is not trusted: its files are not those of its description/
    ],
    [
      "an older package of the same key",
      (main) => {
        const spec = { name: "libtest", fields: { p: "so:libtest.so.1=1.2.3" } }
        const { bytes } = buildApk({ ...spec, version: "0.9-r0" }, signer)
        const there = readFileSync(`${main}/libtest-1.0-r0.apk`).length
        writeFileSync(
          `${main}/libtest-1.0-r0.apk`,
          Buffer.concat([bytes, Buffer.alloc(Math.max(0, there - bytes.length))])
        )
      },
      [],
      /is not the libtest 1\.0-r0 of the index/
    ],
    [
      "a package that is longer than the index says",
      (main) => {
        const path = `${main}/libtest-1.0-r0.apk`
        writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.alloc(1)]))
      },
      [],
      /cannot be fetched: it has more than \d+ bytes/
    ],
    [
      "a package that the mirror does not have",
      (main) => rmSync(`${main}/libtest-1.0-r0.apk`),
      [],
      /the server answered with 404/
    ],
    ["a package that writes through its own link", () => {}, ["escape"], /through a symbolic link that leads out/],
    [
      "a package that writes through a link of another",
      () => {},
      ["follower"],
      /through a symbolic link that leads out/
    ],
    ["a name that no repository has", () => {}, ["nothing"], /this image needs nothing, which no repository has/],
    [
      "keys that are none",
      (_main, keys) => {
        writeFileSync(`${keys}/${signer.name}`, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
      },
      [],
      /has no public keys of RSA/
    ]
  ]

  it.effect.each(refusals)("is refused for %s", ([, spoil, include, expected]) =>
    Effect.gen(function*() {
      const { directory, install, main } = yield* prepare()
      spoil(main, `${directory}/keys`)
      const error = yield* Effect.flip(install(...include))
      assert.match(error.message, expected)
      assert.notStrictEqual(error._tag, "PlatformError")
    }), 30_000)
})

// Whether the real apk can read it is seen only where there is one.
const apk = Needs.program("apk")
if (apk.missing === undefined) {
  it.layer(TestLayer)("apk itself", (it) => {
    it.effect("finds nothing wrong with the tree", () =>
      Effect.gen(function*() {
        const { spawnSync } = yield* Effect.promise(() => import("node:child_process"))
        const { directory, install, tree } = yield* prepare()
        yield* install()
        const run = (...words: ReadonlyArray<string>) =>
          spawnSync("apk", ["--root", tree, "--keys-dir", `${directory}/keys`, "--no-network", ...words], {
            encoding: "utf8"
          })
        const audit = run("audit", "--system")
        assert.strictEqual(
          audit.stdout.split("\n").filter((line) => line.startsWith("U ") || line.startsWith("X ")).join(),
          ""
        )
        const { stdout } = run("list", "--installed")
        for (const name of ["alpine-base", "busybox", "libtest", "loop"]) assert.include(stdout, `${name}-1.`)
      }), 60_000)
  })
}
