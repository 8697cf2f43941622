import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { appletsOf } from "../../src/builder/Applets.ts"
import { closureOfProject } from "../support/Closure.ts"

it.effect("the names of busybox's programs are those that it prints", () =>
  Effect.gen(function*() {
    const path = `${closureOfProject().directory}/bin/busybox`
    const printed = spawnSync(path, ["--list"], { encoding: "utf8" }).stdout.trim().split("\n")
    assert.isAbove(printed.length, 200)
    assert.deepStrictEqual(
      yield* appletsOf(path, readFileSync(path)),
      printed.filter((name) => name !== "busybox")
    )
  }))

const applets = (text: string) => appletsOf("/x", Buffer.from(text, "latin1"))

it.effect("a file without exactly one table of names is refused", () =>
  Effect.gen(function*() {
    const table = "[\0[[\0sh\0\0"
    assert.deepStrictEqual(yield* applets(`x${table}`), ["[", "[[", "sh"])
    for (
      const text of ["", "[\0[[\0", "[\0[[\0ls\0\0", `${table}${table}`, "[\0[[\0sh\0a/b\0\0", "[\0[[\0sh\0\x01\0\0"]
    ) {
      assert.strictEqual(
        (yield* Effect.flip(applets(text))).message,
        "/x: it is not a busybox with a table of its programs"
      )
    }
  }))
