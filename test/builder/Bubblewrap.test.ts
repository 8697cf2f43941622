/** bubblewrap as it is compiled from the pinned source, which setting up a checkout downloads. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { spawnSync } from "node:child_process"
import { appendFileSync, copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { Bubblewrap } from "../../src/builder/Bubblewrap.ts"
import { Lock } from "../../src/builder/Lock.ts"
import { Machine } from "../../src/builder/Machine.ts"
import { Workspace } from "../../src/builder/Workspace.ts"
import * as Elf from "../../src/image/Elf.ts"
import { bubblewrapSource } from "../support/Closure.ts"
import { images, scenario } from "../support/Needs.ts"
import { projectRoot } from "../support/Project.ts"
import { TestApt } from "./TestServices.ts"

/** The sources of a workspace of the test's own. */
const prepare = Effect.gen(function*() {
  const { build, root } = yield* Workspace
  const { archive } = bubblewrapSource()
  mkdirSync(`${build}/cache/sources`, { recursive: true })
  const copy = `${build}/cache/sources/${archive.slice(archive.lastIndexOf("/") + 1)}`
  copyFileSync(archive, copy)
  cpSync(`${projectRoot}/src/native/bubblewrap`, `${root}/src/native/bubblewrap`, { recursive: true })
  return { root, archive: copy, made: `${build}/cache/bubblewrap` }
})

/** A workspace and services of its own for each. */
const fresh = <A, E>(effect: Effect.Effect<A, E, Layer.Success<typeof TestApt>>) =>
  Effect.provide(effect, Layer.fresh(TestApt))

/** As another build would: with nothing known of the one before but what is in the cache. */
const compiled = Effect.flatMap(Bubblewrap, (bubblewrap) => bubblewrap.program).pipe(
  Effect.provide(Layer.fresh(Bubblewrap.layer))
)

const compile = fresh(Effect.gen(function*() {
  const { root } = yield* prepare
  const { path, source } = yield* compiled
  return { root, version: source.version, bytes: readFileSync(path) }
}))

it.live("is static, and the same wherever it is compiled", () =>
  Effect.gen(function*() {
    const [one, other] = [yield* compile, yield* compile]
    assert.notStrictEqual(one.root, other.root)
    assert.isTrue(one.bytes.equals(other.bytes))
    const elf = Elf.parse(one.bytes)
    assert.strictEqual(elf._tag, "Success")
    if (elf._tag === "Success") assert.isUndefined(Elf.interpreter(elf.success, one.bytes))
    const text = one.bytes.toString("latin1")
    assert.include(text, `bubblewrap ${one.version}`)
    assert.notInclude(text, one.root)
    // What Debian leaves out of its own: the way for kernels without openat2.
    assert.include(text, "/proc/self/fd/%d")
  }), 60_000)

it.live("is compiled once, and again when our part of it changes", () =>
  fresh(Effect.gen(function*() {
    const { made, root } = yield* prepare
    const { path } = yield* compiled
    writeFileSync(path, "cached")
    assert.strictEqual((yield* compiled).path, path)
    assert.strictEqual(readFileSync(path, "utf8"), "cached")
    appendFileSync(`${root}/src/native/bubblewrap/capability.c`, "/* changed */\n")
    assert.notStrictEqual((yield* compiled).path, path)
    assert.lengthOf(readdirSync(made), 2)
  })), 60_000)

/** A compiler for arm64 of some version, which says where its C library is in a tree of its own. */
const armCompiler = (tree: string, version: string) =>
  Effect.map(Effect.flatMap(Machine, ({ targetOf }) => targetOf("arm64")), (architecture) => ({
    architecture: architecture ?? assert.fail(),
    root: tree,
    run: (words: ReadonlyArray<string>, place?: string) =>
      Effect.sync(() => {
        if (words[0] === "--version") return version
        if (words[0]?.startsWith("-print-file-name=") === true) return "/libc.a\n"
        writeFileSync(`${place}/bwrap`, words.join(" "))
        return ""
      })
  })).pipe(Effect.provide(Machine.layer({ arch: "x64", uid: 0 })))

it.live("is kept apart for another architecture, for each compiler and C library", () =>
  fresh(Effect.gen(function*() {
    const { made, root } = yield* prepare
    writeFileSync(`${root}/libc.a`, "one")
    const { compiledBy, program } = yield* Effect.provide(Bubblewrap, Layer.fresh(Bubblewrap.layer))
    const path = (version: string) =>
      Effect.map(Effect.flatMap(armCompiler(root, version), compiledBy), (compiled) => compiled.path)
    const first = yield* path("14")
    assert.isTrue(first.startsWith(`${made}-arm64/`))
    assert.match(readFileSync(first, "utf8"), /-fstack-protector-strong .* -static .* own\/capability\.c$/)
    const other = yield* path("15")
    writeFileSync(`${root}/libc.a`, "two")
    assert.strictEqual(new Set([first, other, yield* path("15"), (yield* program).path]).size, 4)
    // That of the machine is elsewhere, and is a program.
    assert.lengthOf(readdirSync(made), 1)
    assert.lengthOf(readdirSync(`${made}-arm64`), 3)
  })), 60_000)

it.live("is not compiled from another archive than the pinned one", () =>
  fresh(Effect.gen(function*() {
    const { archive, made } = yield* prepare
    writeFileSync(archive, "another")
    const error = yield* Effect.flip(compiled)
    assert.deepInclude(error.reason, { _tag: "Tampered", path: archive })
    assert.deepStrictEqual(readdirSync(made).flatMap((key) => readdirSync(`${made}/${key}`)), [])
  })))

it.live("is refused by name where the lock does not have it", () =>
  fresh(Effect.gen(function*() {
    const lock = yield* Lock
    yield* lock.write({ ...(yield* lock.read), sources: [] })
    assert.match((yield* Effect.flip(compiled)).message, /no source of bubblewrap: run "flatimage tools lock"/)
  })))

scenario("knows every capability of the kernel's headers by its name", images, () =>
  fresh(Effect.gen(function*() {
    yield* prepare
    const { path } = yield* compiled
    const header = readFileSync("/usr/include/linux/capability.h", "utf8")
    const all = [...header.matchAll(/^#define (CAP_[A-Z_]+)\s+(\d+)$/gm)].map(([, name = "", number]) =>
      [name, Number(number)] as const
    )
    assert.isAtLeast(all.length, 38)
    const effective = (name: string) => {
      const words = ["--unshare-user", "--cap-drop", "ALL", "--cap-add", name, "--bind", "/", "/", "--proc", "/proc"]
      const { stderr, stdout } = spawnSync(path, [...words, "grep", "CapEff", "/proc/self/status"], {
        encoding: "utf8"
      })
      return stdout === "" ? stderr : BigInt(`0x${stdout.split("\t")[1]?.trim()}`)
    }
    for (const [name, number] of all) assert.strictEqual(effective(name), 1n << BigInt(number), name)
    assert.strictEqual(effective("cap_kill"), 32n)
    for (const name of ["CAP_KIL", "CAP_KILLS", "", "5"]) assert.match(String(effective(name)), /unknown cap/, name)
  })), 60_000)
