import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { Apt } from "../../../src/builder/Apt.ts"
import { type Collection, CrossPackages } from "../../../src/builder/cross/CrossPackages.ts"
import { Programs } from "../../../src/builder/Programs.ts"
import { Workspace } from "../../../src/builder/Workspace.ts"
import { TestBase } from "../TestServices.ts"

const collection: Collection = {
  name: "things",
  label: "Things",
  suite: "trixie",
  packages: ["thing"],
  wanted: (name) => name !== "unwanted"
}

const paragraph = (name: string) => ({
  Package: name,
  Version: "1",
  Architecture: "amd64",
  Filename: `pool/main/t/${name}/${name}_1_amd64.deb`,
  Size: "5",
  SHA256: "0".repeat(64)
})

/** What apt was asked for. Its packages are files with their names. */
const asked: Array<string> = []

const FakeApt = Layer.effect(
  Apt,
  Effect.map(Workspace, ({ build }) =>
    Apt.of({
      transport: Effect.succeed([]),
      environment: () => Effect.succeed({}),
      update: (suite) => Effect.sync(() => void asked.push(`lists of ${suite}`)),
      closure: () => Effect.succeed(["thing", "unwanted"].map(paragraph)),
      source: () => Effect.die("no source is asked for"),
      fetch: ({ name }) =>
        Effect.sync(() => {
          asked.push(name)
          mkdirSync(build, { recursive: true })
          writeFileSync(`${build}/${name}.deb`, name)
          return `${build}/${name}.deb`
        })
    }))
)

/** Unpacks a package to a file of its name. */
const FakeDpkg = Layer.succeed(Programs, {
  run: (_program, [, deb = "", into = ""]) =>
    Effect.sync(() => {
      writeFileSync(`${into}/${deb.slice(deb.lastIndexOf("/") + 1)}`, "")
      return ""
    })
})

/** As a build of its own would. */
const tree = Effect.flatMap(CrossPackages, (packages) => packages.tree(collection)).pipe(
  Effect.provide(Layer.fresh(CrossPackages.layer))
)

it.layer(Layer.merge(FakeApt, FakeDpkg).pipe(Layer.provideMerge(TestBase)))("packages of a toolchain", (it) => {
  it.effect("are fetched once, and found by later builds without any network", () =>
    Effect.gen(function*() {
      const path = yield* tree
      assert.deepStrictEqual(readdirSync(path), ["thing.deb"])
      assert.deepStrictEqual(asked, ["lists of trixie", "thing"])
      assert.strictEqual(yield* tree, path)
      assert.lengthOf(asked, 2)
    }))

  it.effect("are the same ones where the tree is gone", () =>
    Effect.gen(function*() {
      const path = yield* tree
      rmSync(path, { recursive: true })
      asked.length = 0
      assert.strictEqual(yield* tree, path)
      assert.deepStrictEqual(asked, ["thing"])
    }))
})
