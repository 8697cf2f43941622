import { assert, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import { readdirSync } from "node:fs"
import { jsonSchema, parseDefinition } from "../../../src/builder/definition/Definition.ts"
import { digestOfTree, pathBelow } from "../../../src/builder/definition/Inputs.ts"
import { loadDefinition } from "../../../src/builder/definition/Load.ts"
import { findDistribution } from "../../../src/builder/dist/Distributions.ts"
import { nativeBytes } from "../../support/Platform.ts"
import { projectRoot } from "../../support/Project.ts"
import { TestBase } from "../TestServices.ts"

const wrong: ReadonlyArray<readonly [string, string, RegExp]> = [
  ["no JSON", "{", /valid JSON/],
  ["no base", "{\"format\":1}", /Missing key at \["base"\]/],
  ["another format", "{\"format\":2,\"base\":{\"dist\":\"debian\"}}", /\["format"\]/],
  ["an unknown distribution", "{\"format\":1,\"base\":{\"dist\":\"x\"}}", /\["base"\]\["dist"\]/],
  [
    "a word that is not known",
    "{\"format\":1,\"base\":{\"dist\":\"debian\"},\"step\":[]}",
    /excess property at \["step"\]/
  ],
  ["two kinds of step in one", step("\"run\":\"x\",\"packages\":[\"y\"]"), /\["steps"\]\[0\]/],
  ["a copy to nowhere", step("\"copy\":\"x\""), /\["steps"\]\[0\]\["to"\]/],
  ["a copy to a relative path", step("\"copy\":\"x\",\"to\":\"bin/x\""), /\["to"\]/],
  ["strange permissions", step("\"copy\":\"x\",\"to\":\"/x\",\"mode\":\"999\""), /\["mode"\]/],
  ["an empty command", step("\"run\":[]"), /\["run"\]/],
  ["a variable that is an option", step("\"run\":\"x\",\"environment\":{\"-i\":\"\"}"), /-i/],
  [
    "an unknown permission",
    "{\"format\":1,\"base\":{\"dist\":\"debian\"},\"settings\":{\"permissions\":[\"all\"]}}",
    /permissions/
  ],
  ["a name that is a path", "{\"format\":1,\"base\":{\"dist\":\"debian\"},\"name\":\"../x\"}", /\["name"\]/]
]

function step(text: string): string {
  return `{"format":1,"base":{"dist":"debian"},"steps":[{${text}}]}`
}

describe("a definition", () => {
  it.each(wrong)("is refused for %s", (_, text, expected) => {
    const result = parseDefinition(text)
    assert.isTrue(Result.isFailure(result))
    if (Result.isFailure(result)) {
      assert.match(result.failure, expected)
      assert.notInclude(result.failure, "\n")
    }
  })

  it("has the form that docs/definition.schema.json says", async () => {
    await expect(`${JSON.stringify(jsonSchema(), null, 2)}\n`).toMatchFileSnapshot(
      `${projectRoot}/docs/definition.schema.json`
    )
  })
})

it.layer(TestBase)("a definition file", (it) => {
  const directory = Effect.gen(function*() {
    return yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
  })
  const load = Effect.fnUntraced(function*(path: string, origin = {}) {
    return yield* loadDefinition(yield* FileSystem.FileSystem, path, { origin, refresh: false })
  })

  it.effect.each(readdirSync(`${projectRoot}/docs/examples`).filter((name) => name.endsWith(".flatimage.json")))(
    "of the examples can be read: %s",
    (name) =>
      Effect.gen(function*() {
        const { request } = yield* load(`${projectRoot}/docs/examples/${name}`)
        for (const step of request.steps?.steps ?? []) {
          if ("copy" in step) yield* pathBelow(yield* FileSystem.FileSystem, `${projectRoot}/docs/examples`, step.copy)
          const strange = "packages" in step &&
            step.packages.find((name) => !request.steps?.distribution?.packageName.test(name))
          assert.isNotString(strange)
        }
      })
  )

  it.effect("is a request to the builder", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const here = yield* directory
      const path = `${here}/my-app.flatimage.json`
      const steps = [{ run: "true" }]
      yield* fs.writeFile(`${here}/icon.PNG`, Buffer.from("png"))
      yield* fs.writeFileString(
        path,
        JSON.stringify({
          format: 1,
          base: { dist: "arch", archive: "root.tar", signature: "https://x/y.sig", keyring: "keys.gpg" },
          steps,
          settings: { permissions: ["network"], portal: ["ls"] },
          boot: ["nano", "-w"],
          icon: "icon.PNG"
        })
      )
      assert.deepStrictEqual(yield* load(path), {
        name: "my-app",
        request: {
          distribution: "ARCH",
          refresh: false,
          root: {
            _tag: "Given",
            archive: {
              path: `${here}/root.tar`,
              signature: "https://x/y.sig",
              keyring: `${here}/keys.gpg`,
              strip: 1
            }
          },
          settings: {
            permissions: ["network"],
            extension: { distribution: "CUSTOM", portal: ["ls"] },
            boot: { program: "nano", args: ["-w"] },
            icon: { extension: "png", data: Buffer.from("png") }
          },
          steps: { directory: here, distribution: findDistribution("arch"), steps }
        }
      })
      yield* fs.writeFileString(
        path,
        "{\"format\":1,\"name\":\"n\",\"base\":{\"dist\":\"alpine\",\"mirror\":\"http://a\",\"packages\":[\"nano\"]}}"
      )
      const { name, request } = yield* load(path, { mirror: "http://b" })
      assert.strictEqual(name, "n")
      assert.deepStrictEqual(request.root, {
        _tag: "Packages",
        distribution: findDistribution("alpine"),
        options: { mirror: "http://b", include: ["nano"], refresh: false, suite: "latest-stable" }
      } as never)
    }))

  it.effect("that cannot be done is refused by its name", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = `${yield* directory}/x.json`
      const refusal = Effect.fnUntraced(function*(definition: object) {
        yield* fs.writeFileString(path, JSON.stringify({ format: 1, ...definition }))
        const { message } = yield* Effect.flip(load(path))
        assert.isTrue(message.startsWith(`${path}: `), message)
        return message
      })
      assert.match(yield* refusal({ base: { dist: "debian", suite: "jessie" } }), /jessie is not one of/)
      assert.match(yield* refusal({ base: { dist: "debian", packages: ["-o"] } }), /is not the name of a package/)
      assert.match(yield* refusal({ base: { archive: "x", keyring: "y" } }), /of use only with a signature/)
      assert.match(yield* refusal({ base: { dist: "debian" }, icon: "none.png" }), /no such file/)
      assert.match(yield* refusal({ base: { dist: "debian" }, icon: "../x.png" }), /not below the directory/)
      assert.match(yield* refusal({}), /Missing key/)
    }))

  it.effect("reads nothing that is not below its directory", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const here = yield* directory
      yield* fs.makeDirectory(`${here}/in/sub`, { recursive: true })
      yield* fs.writeFileString(`${here}/secret`, "")
      yield* fs.writeFileString(`${here}/in/file`, "")
      yield* fs.symlink("/etc", `${here}/in/link`)
      yield* fs.symlink("sub/..", `${here}/in/same`)
      const below = (name: string) => pathBelow(fs, `${here}/in`, name)
      assert.strictEqual(yield* below("./sub//"), `${here}/in/sub`)
      assert.strictEqual(yield* below("same/file"), `${here}/in/file`)
      // The link itself may be copied, what is behind it not.
      assert.strictEqual(yield* below("link"), `${here}/in/link`)
      for (const name of ["../secret", "sub/../../secret", "/etc/passwd", "link/passwd", ".", ""]) {
        assert.match((yield* Effect.flip(below(name))).message, /not below the directory/, name)
      }
    }))

  it.effect("is made of what is in its inputs, not of when they were written", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const here = `${yield* directory}/tree`
      const digest = digestOfTree(fs, nativeBytes, here)
      yield* fs.makeDirectory(`${here}/a`, { recursive: true })
      yield* fs.writeFileString(`${here}/a/f`, "1")
      yield* fs.symlink("f", `${here}/a/l`)
      const digests = [yield* digest]
      yield* fs.utimes(`${here}/a/f`, 1, 1)
      assert.strictEqual(yield* digest, digests[0])
      const changes = [
        fs.writeFileString(`${here}/a/f`, "2"),
        fs.chmod(`${here}/a/f`, 0o755),
        fs.rename(`${here}/a/f`, `${here}/a/g`),
        Effect.andThen(fs.remove(`${here}/a/l`), fs.symlink("g", `${here}/a/l`)),
        fs.makeDirectory(`${here}/a/d`)
      ]
      for (const change of changes) {
        yield* change
        digests.push(yield* digest)
      }
      assert.strictEqual(new Set(digests).size, digests.length)
    }))
})
