import { assert, describe, it } from "@effect/vitest"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import { Patcher } from "../../../src/cli/config/ConfigFile.ts"
import { runHost } from "../../../src/cli/flatimage/Run.ts"
import type { Failure } from "../../../src/cli/grammar/Command.ts"
import * as Elf from "../../../src/image/Elf.ts"
import * as Manifest from "../../../src/image/Manifest.ts"
import { journal, reservedSize } from "../../../src/image/ReservedLayout.ts"
import type { Fields } from "../../../src/image/Settings.ts"
import { decodeSettings, encodeSettings } from "../../../src/image/SettingsFile.ts"
import type { Host } from "../../../src/relocate/Host.ts"
import { imageOf, launcher, patcher } from "../../image/ReservedSpaceFixture.ts"
import { hostWith } from "../../support/Host.ts"
import * as Platform from "../../support/Platform.ts"
import { build } from "./Run.ts"

const directory = mkdtempSync(join(tmpdir(), "flatimage-config-"))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** A real head, an empty tool table. */
const head = (() => {
  const program = readFileSync(launcher())
  const table = Result.getOrThrow(Manifest.encode({
    format: 1,
    version: build.version,
    commit: build.commit,
    timestamp: build.timestamp,
    tools: [],
    applets: [],
    dependencies: {}
  }))
  const elf = Result.getOrThrow(Elf.parse(program))
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(BigInt(table.length))
  const bytes = Buffer.concat([program.subarray(0, elf.end), size, table])
  bytes.writeBigUInt64LE(BigInt(bytes.length), Elf.section(elf, ".fim_reserved_offset")!.offset)
  return bytes
})()

let count = 0
const image = (settings: Partial<Fields> = {}): string => {
  const path = join(directory, `${count++}.flatimage`)
  writeFileSync(path, imageOf(settings, head))
  return path
}

const config = (...words: ReadonlyArray<string>) => {
  const lines: Array<string> = []
  // The other services are those of other commands.
  const run = runHost(["config", ...words], "0.1.0", { renderErrors: false }) as Effect.Effect<
    void,
    Failure,
    Patcher | Host | Layer.Success<typeof Platform.layer>
  >
  return run.pipe(
    Effect.provideService(Console.Console, { ...globalThis.console, log: (text: string) => void lines.push(text) }),
    Effect.provide(Layer.mergeAll(
      Platform.layer,
      Layer.succeed(Patcher, { path: patcher() }),
      hostWith({ HOME: "/h" })
    )),
    Effect.map(() => lines.join("\n"))
  )
}

const message = (...words: ReadonlyArray<string>) => Effect.map(Effect.flip(config(...words)), (error) => error.message)

const settingsBytes = (path: string): Buffer => {
  const bytes = readFileSync(path)
  return bytes.fill(0, head.length + journal.offset, head.length + reservedSize)
}

const all: Fields = {
  permissions: ["gpu", "network"],
  notify: true,
  overlay: "overlayfs",
  casefold: true,
  desktop: { name: "é", categories: ["A"], integrations: ["MIMETYPE"] },
  boot: { program: "sh", args: ["", "-c"] },
  icon: { extension: "svg", data: Uint8Array.from({ length: 70_000 }, (_, index) => index % 251) },
  environment: { "10": "a", "9": "b", A: "😀", ["__proto__"]: "c" },
  bindings: [{ type: "rw", src: "~", dst: "/d" }],
  remote: "https://example.org",
  unshare: ["net"],
  extension: { distribution: "DEBIAN", portal: ["a", "b"] }
}

describe("flatimage config", () => {
  it.live("runs configuration commands on a file", () =>
    Effect.gen(function*() {
      const path = image()
      yield* config(path, "fim-perms", "set", "network,gpu")
      assert.strictEqual(yield* config(path, "fim-perms", "list"), "gpu\nnetwork")
      assert.strictEqual(yield* config(path, "fim-perms", "list", "--json"), "[\n  \"gpu\",\n  \"network\"\n]")
      yield* config(path, "fim-boot", "set", "ls", "-la", "--json", "--version")
      assert.deepInclude(JSON.parse(yield* config(path, "fim-boot", "show")), {
        program: "ls",
        args: ["-la", "--json", "--version"]
      })
      yield* config(path, "fim-boot", "set", "--", "--odd", "--export")
      assert.deepInclude(JSON.parse(yield* config(path, "fim-boot", "show")), { program: "--odd", args: ["--export"] })
      assert.include(yield* config(path, "fim-version", "full"), "\"DISTRIBUTION\": \"BLUEPRINT\"")
      assert.include(yield* config(path, "fim-env", "--help"), "fim-env: variables of the guest")
    }))

  it.live("exports and imports all settings, exactly", () =>
    Effect.gen(function*() {
      const named = (digit: string): Pick<Fields, "extension"> => ({
        extension: { ...all.extension, identity: digit.repeat(32) }
      })
      const [from, to] = [
        image({ ...all, ...named("1") }),
        image({ remote: "other", environment: { X: "y" }, ...named("2") })
      ]
      const file = join(directory, "settings.json")
      yield* config(from, "--export", file)
      yield* config(to, "--import", file)
      // All but which image it is.
      const same = image({ ...all, ...named("2") })
      assert.isTrue(settingsBytes(to).equals(settingsBytes(same)))
      assert.notInclude(readFileSync(file, "utf8"), "identity")
      assert.strictEqual(yield* config(to, "--export", "-"), readFileSync(file, "utf8").trimEnd())
      // What is not there, an import takes away.
      const empty = image()
      yield* config(empty, "--export", file)
      yield* config(to, "--import", file)
      yield* config(to, "--export", file)
      assert.isTrue(settingsBytes(to).subarray(head.length + 11, head.length + 4107).every((byte) => byte === 0))
    }))

  it.live("says what is wrong", () =>
    Effect.gen(function*() {
      const path = image(all)
      const before = readFileSync(path)
      const settings = join(directory, "wrong.json")
      const importing = (text: string) => {
        writeFileSync(settings, text)
        return message(path, "--import", settings)
      }
      assert.include(yield* message(path), "Missing command for 'config'")
      assert.strictEqual(yield* message(path, "fim-nonsense"), "Unknown command: fim-nonsense")
      assert.strictEqual(yield* message(path, "fim-layer", "list"), "'fim-layer' works only on the image that runs")
      assert.strictEqual(yield* message(path, "fim-env"), "Missing op for 'fim-env' (add,del,list,set,clear)")
      assert.include(yield* message(join(directory, "missing"), "fim-env", "list"), "missing")
      assert.include(yield* message("/bin/true", "fim-env", "list"), "'/bin/true' is not an image of flatimage")
      assert.include(yield* message(settings, "fim-env", "list"), "wrong.json")
      assert.include(yield* importing("{"), "contains no settings")
      assert.include(yield* importing("{\"format\":2,\"settings\":{}}"), "contains no settings")
      assert.include(yield* importing("{\"format\":1,\"settings\":{\"nonsense\":1}}"), "nonsense")
      assert.include(
        yield* importing("{\"format\":1,\"settings\":{\"notify\":true,\"permissions\":[\"root\"]}}"),
        "permissions"
      )
      assert.include(
        yield* importing(`{"format":1,"settings":{"notify":false,"remote":"${"x".repeat(5000)}"}}`),
        "Not enough space"
      )
      assert.include(yield* message(path, "--import", settings, "--export", "-"), "should not be used together")
      assert.include(yield* message("--export", "-", path, "fim-env", "list"), "should not be used with a command")
      assert.isTrue(readFileSync(path).equals(before))
    }))

  it("a document that names some fields touches no others", () => {
    assert.deepStrictEqual(
      Result.getOrThrow(decodeSettings("{\"format\":1,\"settings\":{\"notify\":true,\"remote\":null}}")),
      { notify: true, remote: undefined }
    )
  })

  it("a document is what was put into it", () => {
    assert.deepStrictEqual(Result.getOrThrow(decodeSettings(Result.getOrThrow(encodeSettings(all)))), all)
  })
})
