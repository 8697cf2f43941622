/** Rollbacks in which one call after the other fails: the image is as it was, or the one that it should be. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as PlatformError from "effect/PlatformError"
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import { rollback } from "../../../src/cli/layer/Rollback.ts"
import { ReservedSpace } from "../../../src/image/ReservedSpace.ts"
import { patcher } from "../../image/ReservedSpaceFixture.ts"
import { smallImage, smallLayer } from "../../image/SmallImage.ts"
import { program } from "../../support/Needs.ts"
import * as Platform from "../../support/Platform.ts"

const directory = mkdtempSync(join(tmpdir(), "flatimage-rollback-"))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const layers = ["lower", "upper", "uppermost"].map((content) => smallLayer(content))
const { bytes: original, reservedAt } = smallImage(layers)
const { bytes: expected } = smallImage(layers.slice(0, 1))

let count = 0
const newImage = () => {
  const room = join(directory, String(count++))
  mkdirSync(room)
  const path = join(room, "image")
  writeFileSync(path, original, { mode: 0o755 })
  return { room, path }
}

/** The real file system, of which call number `nth` of all that are made fails. `made` says how many there were. */
const failing = (nth: number) => {
  const calls = { made: 0 }
  const wrap = <Service extends object>(service: Service): Service =>
    new Proxy(service, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name, target)
        const guarded = (effect: Effect.Effect<unknown, unknown, never>) =>
          Effect.suspend(() => {
            calls.made++
            if (calls.made === nth) {
              return Effect.fail(PlatformError.systemError({
                _tag: "Unknown",
                module: "FileSystem",
                method: String(name),
                description: "no space left on device"
              }))
            }
            return name === "open" ? Effect.map(effect, (file) => wrap(file as FileSystem.File)) : effect
          })
        if (Effect.isEffect(member)) return guarded(member as Effect.Effect<unknown>)
        if (typeof member !== "function") return member
        return (...words: ReadonlyArray<unknown>) => {
          const result: unknown = Reflect.apply(member, target, words)
          return Effect.isEffect(result) ? guarded(result as Effect.Effect<unknown>) : result
        }
      }
    })
  const layer = Layer.effect(FileSystem.FileSystem, Effect.map(FileSystem.FileSystem, wrap)).pipe(
    Layer.provideMerge(Platform.layer)
  )
  return { calls, layer }
}

const rollBack = (path: string, options: { readonly nth?: number; readonly patcher?: string } = {}) =>
  Effect.gen(function*() {
    const { calls, layer } = failing(options.nth ?? 0)
    const platform = Layer.provideMerge(
      ReservedSpace.layer({ path, offset: reservedAt, patcher: options.patcher ?? patcher() }),
      layer
    )
    const result = yield* Effect.result(
      rollback({ n: "2" }).pipe(Effect.provide(Layer.merge(platform, Logger.layer([]))))
    )
    return { succeeded: result._tag === "Success", calls: calls.made }
  })

/** The files beside an image that is as it was, or as it should be; anything else fails. */
const state = ({ path, room }: ReturnType<typeof newImage>, what: string) => {
  const image = readFileSync(path)
  const isNew = image.equals(expected)
  assert.isTrue(isNew || image.equals(original), what)
  const others = readdirSync(room).filter((name) => name !== "image")
  for (const [index, layer] of layers.entries()) {
    const name = `image.${index}.layer`
    if (others.includes(name)) assert.isTrue(readFileSync(join(room, name)).equals(layer), `${what}: ${name}`)
  }
  if (isNew) assert.includeMembers(others, ["image.1.layer", "image.2.layer"], what)
  return { isNew, others }
}

/** Whatever happened, the next one does what the first one should have. */
const isRepaired = Effect.fnUntraced(function*(image: ReturnType<typeof newImage>, what: string) {
  if (!state(image, what).isNew) assert.isTrue((yield* rollBack(image.path)).succeeded, what)
  const { isNew, others } = state(image, what)
  assert.isTrue(isNew, what)
  assert.deepStrictEqual(others.filter((name) => name.endsWith(".layer")), ["image.1.layer", "image.2.layer"], what)
})

/** System calls that make and name files, each counted by itself. */
const systemCalls = ["copy_file_range", "fsync", "fchown", "fchmod", "pread64", "flistxattr", "rename"]

/** A patcher in which a system call fails, or ends it; and whether it has come so far. */
const faultyPatcher = (call: string, fault: string, nth: number) => {
  const path = join(directory, `patcher-${count++}`)
  const strace = `exec strace -f -qq -o ${path}.log -e trace=${call} -e inject=${call}:${fault}:when=${nth}`
  writeFileSync(path, `#!/bin/sh\n${strace} ${patcher()} "$@"\n`)
  chmodSync(path, 0o755)
  return { path, wasHit: () => /INJECTED|killed by/.test(readFileSync(`${path}.log`, "latin1")) }
}

describe("a rollback", () => {
  it.live("in which a call of the file system fails changes nothing, or is complete", () =>
    Effect.gen(function*() {
      const outcomes = new Set<string>()
      for (let nth = 1, reached = true; reached; nth++) {
        const image = newImage()
        const run = yield* rollBack(image.path, { nth })
        reached = run.calls >= nth
        const what = `call ${nth}`
        const { isNew, others } = state(image, what)
        assert.strictEqual(run.succeeded, isNew, what)
        // Only when the call that removes something is the one that fails is something left.
        if (!isNew && others.length > 0) outcomes.add("left")
        outcomes.add(isNew ? "new" : "old")
        yield* isRepaired(image, what)
        rmSync(image.room, { recursive: true })
      }
      assert.includeMembers([...outcomes], ["old", "new"])
      assert.notInclude([...outcomes], "left")
    }), 120_000)

  describe.skipIf(program("strace").missing !== undefined)("whose native half", () => {
    it.live.each([["fails", "error=ENOSPC"], ["is killed", "signal=KILL"]] as const)(
      "%s at a system call changes nothing, or is complete",
      ([, fault]) =>
        Effect.gen(function*() {
          const seen = new Set<boolean>()
          for (const call of systemCalls) {
            for (let nth = 1, isHit = true; isHit; nth++) {
              const image = newImage()
              const faulty = faultyPatcher(call, fault, nth)
              const { succeeded } = yield* rollBack(image.path, { patcher: faulty.path })
              const what = `${fault}, ${call} ${nth}`
              isHit = faulty.wasHit()
              assert.isTrue(isHit || nth > 1, what)
              const { isNew, others } = state(image, what)
              assert.strictEqual(succeeded, isNew, what)
              if (!isNew) assert.deepStrictEqual(others, [], what)
              seen.add(isNew)
              rmSync(image.room, { recursive: true })
            }
          }
          assert.deepStrictEqual([...seen], [false, true])
        }),
      120_000
    )
  })
})
