import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Execution } from "../../../src/builder/oci/Documents.ts"
import { configured, resolveUser, signalOf } from "../../../src/builder/oci/ImageConfig.ts"
import { expand, unexpanded } from "../../../src/image/Expand.ts"

const settings = (execution: Execution) => Result.getOrThrow(configured(execution))

const of = (Entrypoint: ReadonlyArray<string> | null, Cmd: ReadonlyArray<string> | null) => {
  const { boot, container } = settings({ Entrypoint, Cmd })
  return [boot, container.arguments, container.replaceable]
}

describe("the configuration of a container", () => {
  it("is a boot command, and what the caller's arguments replace", () => {
    assert.deepStrictEqual(of(null, null), [{ program: "$FIM_DIR_APP_BIN/bash", args: [] }, undefined, true])
    assert.deepStrictEqual(of(null, ["a", "b"]), [{ program: "a", args: ["b"] }, undefined, true])
    assert.deepStrictEqual(of(["e", "f"], null), [{ program: "e", args: ["f"] }, undefined, undefined])
    assert.deepStrictEqual(of(["e"], ["a", "b"]), [{ program: "e", args: [] }, ["a", "b"], undefined])
    assert.deepStrictEqual(of([""], ["a"]), [{ program: "a", args: [] }, undefined, true])
    assert.isTrue(Result.isFailure(configured({ Entrypoint: ["", "x"] })))
  })

  it("has variables as they are, a directory, a signal, ports, volumes and labels", () => {
    const { container, environment, notes, user } = settings({
      Env: ["PATH=/bin", "A=$B ${C} ~", "T=~/x", "E=", "=x", "LONE"],
      WorkingDir: "srv",
      User: "app",
      StopSignal: "SIGRTMIN+3",
      ExposedPorts: { "80/tcp": {}, "443/tcp": {} },
      Volumes: { "/data": {} },
      Labels: { b: "2", a: "1" }
    })
    const found = Object.entries(environment).map(([name, value]) => [name, expand(value, { B: "wrong", HOME: "/h" })])
    assert.deepStrictEqual(found, [["PATH", "/bin"], ["A", "$B ${C} ~"], ["T", "~/x"], ["E", ""]])
    assert.deepStrictEqual(container, {
      replaceable: true,
      directory: "/srv",
      stopSignal: 37,
      labels: { a: "1", b: "2" },
      ports: ["443/tcp", "80/tcp"],
      volumes: ["/data"]
    })
    assert.strictEqual(user, "app")
    assert.deepStrictEqual(notes, ["Variables without a value are left out: =x, LONE"])
  })

  it("leaves out labels that have no place, and signals that cannot be sent", () => {
    const { container, notes } = settings({ Labels: { a: "x", b: "y".repeat(40_000) }, StopSignal: "SIGNAL" })
    assert.deepStrictEqual([container.labels, container.stopSignal, container.directory], [{ a: "x" }, undefined, "/"])
    assert.lengthOf(notes, 2)
  })

  it("names signals in all usual ways", () => {
    const names = ["SIGTERM", "term", "15", "SIGKILL", "SIGRTMIN", "RTMIN+30", "SIGRTMIN+31", "0", "65", "SIGX", "-1"]
    assert.deepStrictEqual(names.map(signalOf), [
      15,
      15,
      15,
      9,
      34,
      64,
      undefined,
      undefined,
      undefined,
      undefined,
      undefined
    ])
  })
})

it.prop(
  "every text has a setting that expands to it",
  [Arbitrary.array(Arbitrary.schema(Schema.Literals(["$", "{", "}", "~", "/", "A", "_", "1", " ", "é"])), {
    maxLength: 12
  })],
  ([parts]) =>
    expand(unexpanded(parts.join("")), { HOME: "/h", A: "wrong", _: "wrong", FIM_DIST: "wrong" }) === parts.join("")
)

const user = (
  stored: string,
  uid: number,
  gid: number,
  name: string,
  home: string,
  groups: ReadonlyArray<number> = []
) => {
  const names: Readonly<Record<number, string>> = { 8: "mail", 77: "extra" }
  return { stored, uid, gid, name, home, groups: groups.map((gid) => ({ name: names[gid] ?? "", gid })) }
}

describe("the user of a container", () => {
  const passwd =
    "# users\nroot:x:0:0:root:/root:/bin/sh\napp:x:1234:2345:App:/srv/app:/bin/sh\nbroken\nlow:x:7:8::relative:\n"
  const group = "root:x:0:\napp:x:2345:app\nmail:x:8:low,app\nextra:x:77:app\n"
  const of = (stored: string) => Result.getOrElse(resolveUser(stored, passwd, group), (error) => error)
  it("is found in the accounts of its tree", () => {
    assert.deepStrictEqual(of(""), user("", 0, 0, "root", "/root"))
    assert.deepStrictEqual(of("app"), user("app", 1234, 2345, "app", "/srv/app", [8, 77]))
    assert.deepStrictEqual(of("1234"), user("1234", 1234, 2345, "app", "/srv/app", [8, 77]))
    assert.deepStrictEqual(of("app:mail"), user("app:mail", 1234, 8, "app", "/srv/app"))
    assert.deepStrictEqual(of("9:99"), user("9:99", 9, 99, "user9", "/"))
    assert.deepStrictEqual(of("9"), user("9", 9, 0, "user9", "/"))
    assert.deepStrictEqual(of("low"), user("low", 7, 8, "low", "/"))
  })

  it("is refused if it is not there", () => {
    for (const stored of ["none", "app:none", "a:b:c", "-1", "4294967295", "broken"]) {
      assert.isString(of(stored), stored)
    }
  })
})
