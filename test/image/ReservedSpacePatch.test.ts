/** The native half of a write, byte by byte. */
import { assert, describe, it } from "@effect/vitest"
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import { encode } from "../../src/messages/Codec.ts"
import { patcher } from "./ReservedSpaceFixture.ts"

const directory = mkdtempSync(join(tmpdir(), "flatimage-patch-"))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const u64 = (value: number) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

const write = (sync: boolean, ...writes: ReadonlyArray<readonly [offset: bigint | number, text: string]>) => {
  const text = writes.map(([, text]) => text).join("")
  const parts = writes.map(([offset, text]) => `[${offset},${text.length}]`).join()
  return Buffer.from(`{"op":"write","sync":${sync},"writes":[${parts}]} ${text.length}\n${text}`)
}

const request = (op: string, fields: object) => Buffer.from(encode({ op, ...fields }))

const truncate = (length: number) => request("truncate", { length })

const lockedReply = /^\{"ok":\{"device":"\d+","inode":"\d+"\}\}$/
const done = "{\"ok\":{}}"

let count = 0
/** Runs stages on a file of 100 letters, of which those from 20 to 30 may be written. */
const patch = (input: Uint8Array, content = "a".repeat(100)) => {
  const path = join(directory, String(count++))
  writeFileSync(path, content)
  const { status, stdout } = spawnSync(patcher(), ["patch", path, "--range", "20:10"], { input, encoding: "utf8" })
  const [locked = "", ...answers] = stdout.trimEnd().split("\n")
  assert.match(locked, lockedReply)
  return { answers, status, content: readFileSync(path, "utf8") }
}

describe("fim patch", () => {
  it("writes stages, and the end of its input is the end", () => {
    assert.deepStrictEqual(patch(Buffer.concat([write(true, [20, "xy"], [29, "z"]), write(false, [21, "Y"])])), {
      answers: [done, done],
      status: 0,
      content: `${"a".repeat(20)}xYaaaaaaaz${"a".repeat(70)}`
    })
    assert.deepStrictEqual(patch(Buffer.alloc(0)).status, 0)
  })

  it.each([
    ["before the range", write(true, [19, "xx"])],
    ["over its end", write(true, [29, "xx"])],
    ["behind it", write(true, [30, "x"])],
    ["behind the end of the file", write(true, [101, "x"])],
    ["past all offsets", write(true, [0xffff_ffff_ffff_ffffn, "xx"])],
    ["one of several outside", write(true, [20, "xx"], [0, "x"])]
  ])("refuses to write %s, and writes nothing", (_, input) => {
    const { answers, content, status } = patch(input)
    assert.match(answers.join(), /^\{"error":"a write (outside the range|past all offsets)"\}$/)
    assert.deepStrictEqual({ content, status }, { content: "a".repeat(100), status: 1 })
  })

  it("appends at the end and cuts off what begins with zeros there", () => {
    const zeros = "\0".repeat(8)
    assert.strictEqual(patch(write(true, [100, `${zeros}tail`])).content, `${"a".repeat(100)}${zeros}tail`)
    assert.strictEqual(
      patch(Buffer.concat([write(true, [100, `${zeros}tail`]), truncate(100)])).content,
      "a".repeat(100)
    )
    assert.strictEqual(patch(truncate(100), `${"a".repeat(100)}\0\0`).content, "a".repeat(100))
  })

  it.each([
    ["into the range", truncate(29), "\0".repeat(100)],
    ["a layer", truncate(60), "a".repeat(100)],
    ["to more than there is", truncate(101), "a".repeat(100)]
  ])("refuses to cut %s", (_, input, content) => {
    const outcome = patch(input, content)
    assert.include(outcome.answers.join(), "{\"error\":\"only a tail")
    assert.strictEqual(outcome.content, content)
  })

  it.each(
    [
      ["an unknown stage", request("erase", {}), /^\{"error":"unknown variant `erase`, .*, in the message \{/],
      [
        "a stage without its fields",
        request("truncate", {}),
        /^\{"error":"missing field `length`.*, in the message \{/
      ],
      [
        "too many writes",
        request("write", { sync: true, writes: Array.from({ length: 65_537 }, () => [20, 0]) }),
        /"too many writes in one stage"/
      ],
      [
        "too many bytes",
        Buffer.from("{\"op\":\"write\"} 16777217\n"),
        /"a message has more than 16777216 bytes behind/
      ],
      [
        "a line without an end",
        Buffer.alloc(4 * 1024 * 1024 + 1, "{"),
        /"a message has a line of more than 4194304 bytes"/
      ],
      ["fewer bytes than it says", request("write", { sync: true, writes: [[20, 2]] }), /"a stage with other bytes/],
      [
        "more bytes than it says",
        Buffer.from("{\"op\":\"truncate\",\"length\":100} 1\nx"),
        /"a stage with other bytes/
      ],
      [
        "lengths that are too large together",
        Buffer.from("{\"op\":\"write\",\"sync\":true,\"writes\":[[20,18446744073709551615],[20,2]]} 1\nx"),
        /"a stage with other bytes/
      ],
      ["a stage that is cut off", write(true, [20, "xx"], [22, "yy"]).subarray(0, -1), /"a message ends early"/],
      ["half a line", Buffer.from("{\"op\":"), /"a message ends early"/],
      ["what is no message", Buffer.from([1, 0, 0, 0, 10]), /"this line is not a message: /]
    ] as const
  )("refuses %s", (_, input, answer) => {
    const { answers, ...rest } = patch(input)
    assert.match(answers.join(), answer)
    assert.deepStrictEqual(rest, { status: 1, content: "a".repeat(100) })
  })

  it("says which file is missing, and how it is called", () => {
    assert.match(
      spawnSync(patcher(), ["patch", "/nonexistent", "--range", "0:1"], { encoding: "utf8" }).stdout,
      /^\{"error":"No such file.*","errno":2\}/
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
    child.stdin.write(write(true, [size, "settings"]))
    const read = Buffer.from(readFileSync(path))
    assert.strictEqual(read.length, size)
    running.kill("SIGKILL")
    await once(running, "exit")
    child.stdin.end()
    await once(child, "close")
    const [locked = "", ...rest] = answers.join("").split("\n")
    assert.match(locked, lockedReply)
    assert.deepStrictEqual(rest, [done, ""])
    assert.isTrue(readFileSync(path).subarray(size).equals(Buffer.from("settings")))
  })
})

let sources = 0
const copy = (offset: number, content: string) => {
  const source = join(directory, `source-${sources++}`)
  writeFileSync(source, content)
  return request("copy", { offset, source })
}

const publish = (offset: number, size: number) => request("publish", { offset, size })

describe("fim patch, appending a layer", () => {
  const zeros = "\0".repeat(8)
  const begin = "a".repeat(100)

  it("copies behind a size of zero, and then writes the size", () => {
    assert.strictEqual(patch(copy(100, "layer")).content, `${begin}${zeros}layer`)
    const large = "0123456789".repeat(50_000)
    const { answers, content, status } = patch(Buffer.concat([copy(100, large), publish(100, large.length)]))
    assert.deepStrictEqual([answers, status], [[done, done], 0])
    assert.strictEqual(content, `${begin}${u64(large.length).toString("utf8")}${large}`)
  })

  it("leaves nothing of what it could not copy", () => {
    for (const source of ["/no/such/file", directory]) {
      const { content, status } = patch(request("copy", { offset: 100, source }))
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
    assert.match(answers.at(-1) ?? "", /^\{"error":"(a layer is appended at the end|there is no appended layer)/)
  })
})
