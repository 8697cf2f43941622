import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { isLibrary } from "../../src/sandbox/Driver.ts"
import { directoriesOf } from "../../src/sandbox/LibraryCache.ts"
import { madeUpHost } from "../support/MadeUpHost.ts"
import { program, scenario } from "../support/Needs.ts"

/** A cache with these libraries, written after glibc's `dl-cache.h`. */
const cacheOf = (libraries: ReadonlyArray<readonly [name: string, path: string]>): Buffer => {
  const head = Buffer.alloc(48 + 24 * libraries.length)
  head.write("glibc-ld.so.cache1.1", "latin1")
  head.writeUInt32LE(libraries.length, 20)
  const texts: Array<Buffer> = []
  let at = head.length
  const place = (text: string) => {
    const bytes = Buffer.from(`${text}\0`)
    texts.push(bytes)
    at += bytes.length
    return at - bytes.length
  }
  for (const [index, [name, path]] of libraries.entries()) {
    head.writeInt32LE(0x303, 48 + 24 * index)
    head.writeUInt32LE(place(name), 48 + 24 * index + 4)
    head.writeUInt32LE(place(path), 48 + 24 * index + 8)
  }
  return Buffer.concat([head, ...texts])
}

const sound = cacheOf([
  ["libc.so.6", "/usr/lib/libc.so.6"],
  ["libcuda.so.1", "/opt/driver/libcuda.so.1"],
  ["libnvidia-ml.so.1", "/opt/driver/libnvidia-ml.so.1"],
  ["libEGL_nvidia.so.0", "/usr/lib32/libEGL_nvidia.so.0"]
])

describe("the loader's list of libraries", () => {
  it("names the directories of those that are wanted, once and in order", () => {
    assert.deepStrictEqual(directoriesOf(sound, isLibrary), ["/opt/driver", "/usr/lib32"])
    assert.deepStrictEqual(directoriesOf(sound, () => false), [])
    // As a view into larger bytes, which a reader of files may give.
    const larger = Buffer.concat([Buffer.from("xx"), sound])
    assert.deepStrictEqual(directoriesOf(larger.subarray(2), isLibrary), ["/opt/driver", "/usr/lib32"])
  })

  it("names no directory that is not absolute", () => {
    assert.deepStrictEqual(directoriesOf(cacheOf([["libcuda.so.1", "lib/libcuda.so.1"]]), isLibrary), [])
  })

  it("is read wherever it is cut and whatever its bytes are, without an error and within it", () => {
    for (let length = 0; length < sound.length; length++) {
      const found = directoriesOf(sound.subarray(0, length), isLibrary)
      assert.isTrue(found.every((path) => ["/opt/driver", "/usr/lib32"].includes(path)), String(length))
    }
    for (let at = 0; at < sound.length; at++) {
      for (const value of [0, 0x7f, 0xff]) {
        const damaged = Buffer.from(sound)
        damaged[at] = value
        assert.isTrue(directoriesOf(damaged, isLibrary).every((path) => path.startsWith("/")), `${at} ${value}`)
      }
    }
    const many = Buffer.from(sound)
    many.writeUInt32LE(0xffffffff, 20)
    assert.deepStrictEqual(directoriesOf(many, isLibrary), [])
    assert.deepStrictEqual(directoriesOf(cacheOf([["libcuda.so.1", `/${"x".repeat(5000)}/l`]]), isLibrary), [])
  })

  scenario("is that of ldconfig itself", [program("ldconfig"), program("cc")], () =>
    Effect.gen(function*() {
      const root = yield* madeUpHost({ "/empty.c": "" })
      const directory = `${root}/a place`
      mkdirSync(directory)
      const compile = ["-shared", "-nostdlib", "-Wl,-soname,libcuda.so.1", "-o", `${directory}/libcuda.so.1.2`]
      execFileSync("cc", [...compile, `${root}/empty.c`])
      writeFileSync(`${root}/conf`, `${directory}\n`)
      execFileSync("ldconfig", ["-C", `${root}/cache`, "-f", `${root}/conf`], { stdio: "ignore" })
      const cache = readFileSync(`${root}/cache`)
      assert.deepStrictEqual(directoriesOf(cache, isLibrary), [directory])
      // It lists the machine's own libraries too.
      assert.isNotEmpty(directoriesOf(cache, (name) => name.startsWith("libc.so")))
    }))
})
