import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { fileURLToPath } from "node:url"
import { Builder, type Request } from "../../../src/builder/Builder.ts"
import { BuildError } from "../../../src/builder/BuildError.ts"
import { alpine } from "../../../src/builder/dist/Alpine.ts"
import { debian } from "../../../src/builder/dist/Debian.ts"
import { Revisions } from "../../../src/builder/Revision.ts"
import { Workspace } from "../../../src/builder/Workspace.ts"
import { runHost } from "../../../src/cli/flatimage/Run.ts"
import type { Failure } from "../../../src/cli/grammar/Command.ts"
import { smallImage } from "../../image/SmallImage.ts"
import * as Platform from "../../support/Platform.ts"

/** What the builder is asked for by these words; nothing is built. */
const requestOf = (...words: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const asked = yield* Ref.make<Request | undefined>(undefined)
    const fake = Layer.succeed(Builder, {
      build: (request) => Effect.as(Ref.set(asked, request), { head: 0, tools: 0, reservedOffset: 0, size: 0 })
    })
    const revisions = Layer.succeed(Revisions, { current: Effect.never, epoch: Effect.succeed(7) })
    const services = Layer.mergeAll(fake, revisions, Workspace.layer({ root: "/project", build: "/project/build" }))
      .pipe(
        Layer.provideMerge(Platform.layer)
      )
    // The other services are those of other commands.
    const run = runHost(["build", ...words], "0") as Effect.Effect<void, Failure, Layer.Success<typeof services>>
    yield* run.pipe(Effect.provide(services))
    return yield* Ref.get(asked)
  })

const refusal = (...words: ReadonlyArray<string>) =>
  Effect.map(Effect.flip(requestOf(...words)), (error) => error instanceof BuildError ? error.message : "another error")

describe("flatimage build", () => {
  it.effect("asks for what the words say", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* requestOf("--dist", "debian"), {
        root: { _tag: "Packages", distribution: debian, options: { suite: "trixie", include: [], refresh: false } },
        distribution: "DEBIAN",
        level: 6,
        output: "/project/dist/debian.flatimage"
      })
      assert.deepStrictEqual(
        yield* requestOf(
          "--dist",
          "debian",
          "--suite",
          "bookworm",
          "--include",
          "git, g++",
          "--level",
          "0",
          "--refresh",
          "-o",
          "/x/y"
        ),
        {
          root: {
            _tag: "Packages",
            distribution: debian,
            options: { suite: "bookworm", include: ["git", "g++"], refresh: true }
          },
          distribution: "DEBIAN",
          level: 0,
          output: "/x/y"
        }
      )
      assert.deepInclude(yield* requestOf("--dist", "blueprint"), {
        root: { _tag: "Blueprint" },
        distribution: "BLUEPRINT",
        output: "/project/dist/blueprint.flatimage"
      })
      assert.deepInclude(yield* requestOf("--rootfs", "/usr/"), {
        distribution: "CUSTOM",
        output: "/project/dist/usr.flatimage"
      })
      assert.deepInclude(
        yield* requestOf("--dist", "alpine", "--suite", "v3.21", "--mirror", "http://m/alpine", "--keyring", "/keys"),
        {
          root: {
            _tag: "Packages",
            distribution: alpine,
            options: { suite: "v3.21", mirror: "http://m/alpine", keyring: "/keys", include: [], refresh: false }
          },
          distribution: "ALPINE"
        }
      )
      assert.deepInclude(
        yield* requestOf("--dist", "arch", "--rootfs", "http://m/b.tar.zst", "--signature", "/b.sig"),
        {
          root: {
            _tag: "Given",
            archive: {
              path: "http://m/b.tar.zst",
              signature: "/b.sig",
              keyring: "/usr/share/keyrings/archlinux.gpg",
              strip: 1
            }
          },
          distribution: "ARCH",
          output: "/project/dist/arch.flatimage"
        }
      )
      assert.deepInclude(yield* requestOf("--dist", "blueprint", "--reproducible"), { epoch: 7 })
      assert.deepInclude(yield* requestOf("--dist", "debian", "--arch", "arm64"), { architecture: "arm64" })
    }))

  it.effect("refuses words that do not go together, in one sentence", () =>
    Effect.gen(function*() {
      assert.match(yield* refusal(), /nothing to build/)
      assert.match(
        yield* refusal("--dist", "blueprint", "--suite", "trixie"),
        /blueprint has no releases and no packages/
      )
      assert.match(yield* refusal("--dist", "blueprint", "--refresh"), /nothing to fetch again/)
      assert.match(yield* refusal("--rootfs", "/usr", "--include", "git"), /are of no use with --rootfs/)
      assert.match(yield* refusal("--rootfs", "/usr", "--keyring", "/k"), /of use only with a signature/)
      assert.match(yield* refusal("--rootfs", "/usr", "--sha256", "12"), /12 is no SHA-256/)
      assert.match(yield* refusal("--dist", "debian", "--sha256", "12"), /of use only with --rootfs/)
      assert.match(yield* refusal("--dist", "arch", "--suite", "x"), /arch has no releases to choose from/)
      assert.match(
        yield* refusal("--dist", "alpine", "--suite", "../x"),
        /not one of latest-stable, edge and their like/
      )
      assert.match(yield* refusal("--dist", "alpine", "--include=-x"), /is not the name of a package/)
      assert.match(yield* refusal("--dist", "arch", "--include=--overwrite"), /is not the name of a package/)
      assert.match(yield* refusal("x.json", "--dist", "debian"), /a definition describes its own system/)
      assert.match(yield* refusal("--dist", "debian", "--suite", "jessie"), /jessie is not one of trixie, bookworm/)
      assert.match(yield* refusal("--dist", "debian", "--include", "git,--allow-x"), /is not the name of a package/)
      assert.match(yield* refusal("--dist", "debian", "--level", "10"), /not from 0 to 9/)
      assert.match(yield* refusal("--dist", "debian", "--level", "-1"), /not from 0 to 9/)
    }))
})

describe("bin/flatimage", () => {
  const program = fileURLToPath(new URL("../../../bin/flatimage", import.meta.url))
  const run = (cwd: string, ...args: ReadonlyArray<string>) => {
    const { status, stderr, stdout } = spawnSync(program, args, { cwd, encoding: "utf8" })
    return { status, stderr, stdout }
  }

  it("says in its exit code and in one line what is wrong", () => {
    const directory = mkdtempSync(`${tmpdir()}/flatimage-`)
    const image = smallImage().bytes
    writeFileSync(`${directory}/sound`, image)
    writeFileSync(`${directory}/damaged`, image.subarray(0, image.length - 1))
    const sound = run(directory, "inspect", "sound")
    assert.deepInclude(sound, { status: 0, stderr: "" })
    assert.match(sound.stdout, /^layer 1 /m)
    const damaged = run(directory, "inspect", "--json", "damaged")
    assert.deepInclude(damaged, { status: 1, stderr: "" })
    assert.isFalse(JSON.parse(damaged.stdout).sound)
    const missing = run(directory, "inspect", "missing")
    assert.strictEqual(missing.status, 125)
    assert.match(missing.stderr, /^flatimage: .*\/missing: no such file or directory\n$/)
    assert.deepInclude(run(directory, "build", "--dist", "nothing"), { status: 125, stdout: "" })
    const foreign = process.arch === "x64" ? "arm64" : "amd64"
    const alpine = ["--dist", "alpine", "--mirror", "http://127.0.0.1:9", "--keyring", "/", "-o", `${directory}/image`]
    const refused = run(directory, "build", ...alpine, "--arch", foreign)
    assert.deepInclude(refused, { status: 125, stdout: "" })
    // Before anything is compiled or fetched.
    assert.match(refused.stderr, /^flatimage: images (of alpine )?for (arm64|amd64) cannot be made on [^\n]*\n$/)
    assert.strictEqual(run(directory, "--help").status, 0)
    for (const command of ["man", "uninstall"]) assert.match(run(directory, command, "--help").stdout, /\nUSAGE\n/)
    rmSync(directory, { recursive: true })
  }, 30_000)

  it("answers typos with what was meant, and takes all words behind a command of an image as data", () => {
    const cases: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
      [["bild"], /^flatimage: .*bild.* build \(see flatimage --help\)\n$/],
      [["tools", "lst"], /^flatimage: .*lst.* list \(see flatimage tools --help\)\n$/],
      [["build", "--dst", "debian"], /^flatimage: .*--dst.* --dist \(see flatimage build --help\)\n$/],
      [["build", "--dist", "debain"], /^flatimage: .*debain.*did you mean debian\? \(see flatimage build --help\)\n$/],
      [["completion", "bsh"], /^flatimage: .*bsh.*did you mean bash\? \(see flatimage completion --help\)\n$/],
      [["config", program, "fim-boot", "set", "x", "--version"], /^E::.*is not an image of flatimage/]
    ]
    for (const [words, expected] of cases) {
      const { status, stderr, stdout } = run("/", ...words)
      assert.deepStrictEqual([status, stdout], [125, ""])
      assert.match(stderr, expected)
    }
    assert.match(run("/", "man").stdout, /^\.TH "FLATIMAGE" 1 "" "flatimage 0\.1\.0" "User Commands"\n/)
    assert.match(run("/", "man", "image").stdout, /^\.TH "APP\.FLATIMAGE" 1 /)
    assert.match(run("/", "completion", "bash").stdout, /\ncomplete -F _flatimage_flatimage flatimage\n$/)
  }, 60_000)

  it("runs no code and reads no settings of the directory it is started in, and may be a link", () => {
    const directory = mkdtempSync(`${tmpdir()}/flatimage-`)
    writeFileSync(`${directory}/bunfig.toml`, "preload = [\"./preload.js\"]\n")
    writeFileSync(`${directory}/preload.js`, "console.log(\"preloaded\")\n")
    writeFileSync(`${directory}/.env`, "FLATIMAGE_BUILD_DIRECTORY=/nonexistent\n")
    symlinkSync(program, `${directory}/link`)
    symlinkSync("link", `${directory}/link-to-link`)
    const found = spawnSync(`${directory}/link-to-link`, ["--version"], { cwd: directory, encoding: "utf8" })
    assert.deepInclude(found, { status: 0, stdout: "flatimage v0.1.0\n", stderr: "" })
    rmSync(directory, { recursive: true })
  })
})
