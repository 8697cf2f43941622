/** The native half of a write, byte by byte. */
import { assert, describe, it } from "@effect/vitest"
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import { patcher } from "./ReservedSpaceFixture.ts"

const directory = mkdtempSync(join(tmpdir(), "flatimage-patch-"))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const u32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

const u64 = (value: bigint | number) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

const write = (kind: number, ...writes: ReadonlyArray<readonly [offset: bigint | number, text: string]>) =>
  Buffer.concat([
    u32(kind),
    u32(writes.length),
    ...writes.flatMap(([offset, text]) => [u64(offset), u32(text.length), Buffer.from(text)])
  ])

const truncate = (length: number) => Buffer.concat([u32(3), u64(length)])

let count = 0
/** Runs stages on a file of 100 letters, of which those from 20 to 30 may be written. */
const patch = (input: Uint8Array, content = "a".repeat(100)) => {
  const path = join(directory, String(count++))
  writeFileSync(path, content)
  const { status, stdout } = spawnSync(patcher(), ["patch", path, "--range", "20:10"], { input, encoding: "utf8" })
  const [locked = "", ...answers] = stdout.trimEnd().split("\n")
  assert.match(locked, /^locked \d+ \d+$/)
  return { answers, status, content: readFileSync(path, "utf8") }
}

describe("fim patch", () => {
  it("writes stages, and the end of its input is the end", () => {
    assert.deepStrictEqual(patch(Buffer.concat([write(1, [20, "xy"], [29, "z"]), write(2, [21, "Y"])])), {
      answers: ["done", "done"],
      status: 0,
      content: `${"a".repeat(20)}xYaaaaaaaz${"a".repeat(70)}`
    })
    assert.deepStrictEqual(patch(Buffer.alloc(0)).status, 0)
  })

  it.each([
    ["before the range", write(1, [19, "xx"])],
    ["over its end", write(1, [29, "xx"])],
    ["behind it", write(1, [30, "x"])],
    ["behind the end of the file", write(1, [101, "x"])],
    ["past all offsets", write(1, [0xffff_ffff_ffff_ffffn, "xx"])],
    ["one of several outside", write(1, [20, "xx"], [0, "x"])]
  ])("refuses to write %s, and writes nothing", (_, input) => {
    const { answers, content, status } = patch(input)
    assert.match(answers.join(), /^error 0 a write (outside the range|past all offsets)$/)
    assert.deepStrictEqual({ content, status }, { content: "a".repeat(100), status: 1 })
  })

  it("appends at the end and cuts off what begins with zeros there", () => {
    const zeros = "\0".repeat(8)
    assert.strictEqual(patch(write(1, [100, `${zeros}tail`])).content, `${"a".repeat(100)}${zeros}tail`)
    assert.strictEqual(patch(Buffer.concat([write(1, [100, `${zeros}tail`]), truncate(100)])).content, "a".repeat(100))
    assert.strictEqual(patch(truncate(100), `${"a".repeat(100)}\0\0`).content, "a".repeat(100))
  })

  it.each([
    ["into the range", truncate(29), "\0".repeat(100)],
    ["a layer", truncate(60), "a".repeat(100)],
    ["to more than there is", truncate(101), "a".repeat(100)]
  ])("refuses to cut %s", (_, input, content) => {
    const outcome = patch(input, content)
    assert.include(outcome.answers.join(), "error 0 only a tail")
    assert.strictEqual(outcome.content, content)
  })

  it.each([
    ["an unknown kind", u32(9), "error 0 unknown kind of stage"],
    ["too many writes", Buffer.concat([u32(1), u32(65_537)]), "error 0 too many writes in one stage"],
    [
      "too many bytes",
      Buffer.concat([u32(1), u32(1), u64(20), u32(0xffff_ffff)]),
      "error 0 too many bytes in one stage"
    ],
    [
      "a stage that is cut off",
      write(1, [20, "xx"], [22, "yy"]).subarray(0, -1),
      "error 0 failed to fill whole buffer"
    ],
    ["half a kind", Buffer.alloc(2), "error 0 failed to fill whole buffer"]
  ])("refuses %s", (_, input, answer) => {
    assert.deepStrictEqual(patch(input), { answers: [answer], status: 1, content: "a".repeat(100) })
  })

  it("says which file is missing, and how it is called", () => {
    assert.match(
      spawnSync(patcher(), ["patch", "/nonexistent", "--range", "0:1"], { encoding: "utf8" }).stdout,
      /^error 2 No such file/
    )
    for (
      const words of [[], ["x"], ["x", "--range", "1"], ["x", "--range", "1:99999999999999999999"], [
        "x",
        "--range",
        "0:1",
        "y"
      ]]
    ) {
      const { status, stderr } = spawnSync(patcher(), ["patch", ...words], { encoding: "utf8" })
      assert.deepStrictEqual([status, stderr.startsWith("usage: fim patch FILE")], [125, true])
    }
  })

  it("waits for a program that is being executed from the file", async () => {
    const path = join(directory, "running")
    writeFileSync(path, readFileSync("/bin/sleep"))
    chmodSync(path, 0o755)
    const size = readFileSync(path).length
    const running = spawn(path, ["60"])
    await once(running, "spawn")
    const child = spawn(patcher(), ["patch", path, "--range", `${size}:8`], { stdio: ["pipe", "pipe", "inherit"] })
    const answers: Array<string> = []
    child.stdout.setEncoding("utf8").on("data", (text: string) => answers.push(text))
    child.stdin.write(write(1, [size, "settings"]))
    const read = Buffer.from(readFileSync(path))
    assert.strictEqual(read.length, size)
    running.kill("SIGKILL")
    await once(running, "exit")
    child.stdin.end()
    await once(child, "close")
    assert.match(answers.join(""), /^locked \d+ \d+\ndone\n$/)
    assert.isTrue(readFileSync(path).subarray(size).equals(Buffer.from("settings")))
  })
})

let sources = 0
const copy = (offset: number, content: string) => {
  const source = join(directory, `source-${sources++}`)
  writeFileSync(source, content)
  return Buffer.concat([u32(4), u64(offset), u32(source.length), Buffer.from(source)])
}

const publish = (offset: number, size: number) => Buffer.concat([u32(5), u64(offset), u64(size)])

describe("fim patch, appending a layer", () => {
  const zeros = "\0".repeat(8)
  const begin = "a".repeat(100)

  it("copies behind a size of zero, and then writes the size", () => {
    assert.strictEqual(patch(copy(100, "layer")).content, `${begin}${zeros}layer`)
    const large = "0123456789".repeat(50_000)
    const { answers, content, status } = patch(Buffer.concat([copy(100, large), publish(100, large.length)]))
    assert.deepStrictEqual([answers, status], [["done", "done"], 0])
    assert.strictEqual(content, `${begin}${u64(large.length).toString("utf8")}${large}`)
  })

  it("leaves nothing of what it could not copy", () => {
    const missing = Buffer.from("/no/such/file")
    const directoryPath = Buffer.from(directory)
    for (const source of [missing, directoryPath]) {
      const { content, status } = patch(Buffer.concat([u32(4), u64(100), u32(source.length), source]))
      assert.deepStrictEqual([content, status], [begin, 1])
    }
  })

  it.each([
    ["a copy that is not at the end", copy(99, "layer"), begin, begin],
    ["a copy behind the end", copy(101, "layer"), begin, begin],
    ["the size of another layer", Buffer.concat([copy(100, "layer"), publish(100, 4)]), begin, `${begin}${zeros}layer`],
    ["a size over other bytes", publish(60, 32), begin, begin],
    ["a size in the range", publish(20, 72), "\0".repeat(100), "\0".repeat(100)]
  ])("refuses %s", (_, input, before, after) => {
    const { answers, content, status } = patch(input, before)
    assert.deepStrictEqual([content, status], [after, 1])
    assert.match(answers.at(-1) ?? "", /^error 0 (a layer is appended at the end|there is no appended layer)/)
  })
})
