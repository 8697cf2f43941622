import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { spawnSync } from "node:child_process"
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { arch } from "../../src/builder/dist/Arch.ts"
import { Pacman, pacmanConfiguration } from "../../src/builder/Pacman.ts"
import { TreeSandbox } from "../../src/builder/TreeSandbox.ts"
import { Workspace } from "../../src/builder/Workspace.ts"
import { closureOfProject, ProjectBubblewrap } from "../support/Closure.ts"
import * as Needs from "../support/Needs.ts"
import { scenario } from "../support/Needs.ts"
import { endPgpSigner, newPgpSigner, type PacmanSpec, signFile, writePacmanMirror } from "../support/PacmanMirror.ts"
import { entry } from "../support/Tar.ts"
import { filesOf, serve } from "../support/WebServer.ts"
import { TestBase } from "./TestServices.ts"

const TestLayer = Pacman.layer.pipe(
  Layer.provideMerge(TreeSandbox.layer),
  Layer.provideMerge(ProjectBubblewrap),
  Layer.provideMerge(TestBase)
)

const busybox = () => readFileSync(`${closureOfProject().directory}/bin/busybox`)

const system = (): ReadonlyArray<PacmanSpec> => [
  { name: "base", depends: ["shell", "filesystem"] },
  {
    name: "filesystem",
    files: [
      entry("etc/", "5"),
      entry("etc/os-release", "0", "", "ID=arch\n", 0o644),
      entry("etc/pacman.conf", "0", "", "[options]\n", 0o644),
      entry("bin", "2", "usr/bin")
    ]
  },
  {
    name: "shell",
    depends: ["filesystem"],
    files: [
      entry("usr/", "5"),
      entry("usr/bin/", "5"),
      entry("usr/bin/busybox", "0", "", busybox()),
      entry("usr/bin/sh", "2", "busybox"),
      entry("usr/bin/bash", "2", "busybox")
    ],
    install: [
      "post_install() {",
      "  id -u > /ran",
      "  echo \"$1\" >> /ran",
      "  ls /proc/self/status /dev/null >> /ran",
      // The network is there for what is fetched, not for what packages bring with them.
      "  wc -l < /proc/net/dev >> /ran",
      "}",
      ""
    ].join("\n")
  },
  { name: "extra-tool", files: [entry("usr/bin/tool", "0", "", "tool")] }
]

const needs = [Needs.program("pacman"), Needs.program("gpg"), Needs.root]

/** A mirror that is served, and a way to make a tree of it. In a short directory: gpg makes sockets there. */
const prepare = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const workspace = yield* Workspace
  const directory = yield* fs.makeTempDirectoryScoped({ prefix: "fp-" })
  const signer = yield* Effect.acquireRelease(
    Effect.sync(() => newPgpSigner(directory, "k")),
    (signer) => Effect.sync(() => endPgpSigner(signer))
  )
  writePacmanMirror(`${directory}/mirror`, system(), signer)
  const mirror = yield* serve(filesOf(`${directory}/mirror`))
  const tree = `${yield* workspace.directory("cache", "trees")}/tree`
  const pacman = yield* Pacman
  const install = Effect.fnUntraced(function*(keyring: string, ...include: ReadonlyArray<string>) {
    // What was fetched before and is still signed would do.
    yield* fs.remove(yield* workspace.directory("cache", "pacman"), { recursive: true })
    yield* fs.remove(tree, { recursive: true, force: true })
    yield* fs.makeDirectory(tree, { recursive: true })
    yield* pacman.install(arch, { mirror, keyring }, include, tree, () => Effect.void)
  })
  return { core: `${directory}/mirror/core/os/x86_64`, directory, install, mirror, signer, tree }
})

describe("a tree of pacman's packages", () => {
  scenario(
    "has what was asked for and all that it needs, its scripts run, and a database",
    needs,
    () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const { install, mirror, signer, tree } = yield* prepare
        yield* install(signer.keyring, "extra-tool")
        const read = (path: string) => fs.readFileString(`${tree}/${path}`)
        assert.strictEqual(yield* read("usr/bin/tool"), "tool")
        // One interface, lo, below two lines of headings.
        assert.strictEqual(yield* read("ran"), "0\n1.0-1\n/dev/null\n/proc/self/status\n3\n")
        assert.strictEqual(yield* read("etc/pacman.d/mirrorlist"), `Server = ${mirror}/$repo/os/$arch\n`)
        assert.include(yield* fs.readDirectory(`${tree}/var/lib/pacman/local`), "shell-1.0-1")
        // Nothing of the sandbox stays.
        for (const path of ["proc", "dev", "run", "tmp"]) {
          assert.deepStrictEqual(yield* fs.readDirectory(`${tree}/${path}`), [], path)
        }
      }).pipe(Effect.provide(TestLayer)),
    60_000
  )

  scenario(
    "is refused for packages of another key, of no key, and that were changed",
    needs,
    () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const { core, directory, install, signer, tree } = yield* prepare
        const stranger = yield* Effect.acquireRelease(
          Effect.sync(() => newPgpSigner(directory, "s")),
          (stranger) => Effect.sync(() => endPgpSigner(stranger))
        )
        const installed = fs.exists(`${tree}/etc/os-release`)
        const messageOf = (keyring: string) => Effect.map(Effect.flip(install(keyring)), (error) => error.message)
        assert.match(yield* messageOf(stranger.keyring), /^pacman .*required key missing from keyring/)
        assert.isFalse(yield* installed)
        // A key that its maker has revoked, as the keyring's package says in the file beside it.
        const { stdout } = spawnSync("gpg", ["--homedir", signer.home, "--with-colons", "--list-keys"], {
          encoding: "utf8"
        })
        writeFileSync(`${directory}/k-revoked`, `${/^fpr:+([0-9A-F]{40}):/m.exec(stdout)?.[1]}\n`)
        assert.match(yield* messageOf(signer.keyring), /^pacman .*required key missing from keyring/)
        rmSync(`${directory}/k-revoked`)
        rmSync(`${core}/shell-1.0-1-any.pkg.tar.zst.sig`)
        assert.match(yield* messageOf(signer.keyring), /pacman .*failed/)
        assert.isFalse(yield* installed)
        signFile(`${core}/shell-1.0-1-any.pkg.tar.zst`, stranger)
        assert.match(yield* messageOf(signer.keyring), /pacman .*failed/)
        assert.isFalse(yield* installed)
      }).pipe(Effect.provide(TestLayer)),
    90_000
  )

  it("has settings that read nothing of the machine", () => {
    const text = pacmanConfiguration({
      repositories: ["core"],
      processor: "x86_64",
      mirror: "http://m",
      home: "/h",
      cache: "/c",
      tree: "/t"
    })
    assert.notMatch(text, /Include|\/etc\/pacman\.conf/)
    assert.match(text, /^SigLevel = PackageRequired /m)
    assert.match(text, /^\[core\]\nServer = http:\/\/m\/core\/os\/x86_64$/m)
  })
})
