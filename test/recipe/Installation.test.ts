import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { findDistribution } from "../../src/builder/dist/Distributions.ts"
import { installationOf, maxPackages } from "../../src/recipe/Installation.ts"

const debian = findDistribution("debian")!
const named = (name: string, packages: ReadonlyArray<string>, desktop?: string) => ({
  name,
  description: "",
  packages,
  dependencies: [],
  ...(desktop === undefined ? {} : { desktop: { name: desktop, icon: "x.svg", categories: [] } })
})

const many = (count: number) => [named("a", Array.from({ length: count }, (_, index) => `p${index}`))]

describe("the installation of recipes", () => {
  it("names each package once, in order, behind all options", () => {
    const recipes = [named("b", ["two", "one"]), named("a", ["one", "three"])]
    const { args, desktop } = Result.getOrThrow(installationOf(recipes, debian))
    assert.isUndefined(desktop)
    assert.deepStrictEqual(args, ["sh", "-euc", debian.install!, "sh", "two", "one", "three"])
    for (const name of ["alpine", "arch", "debian", "ubuntu"]) {
      assert.match(findDistribution(name)!.install!, / -- "\$@"$/m, name)
    }
  })

  it("takes the desktop of the last that has one", () => {
    const recipes = [named("c", [], "C"), named("b", [], "B"), named("a", [])]
    const { args, desktop } = Result.getOrThrow(installationOf(recipes, debian))
    assert.deepStrictEqual([desktop?.name, desktop?.document.name], ["b", "B"])
    assert.isUndefined(args)
  })

  it("has as many packages as a command line takes", () => {
    assert.isTrue(Result.isSuccess(installationOf(many(maxPackages), debian)))
    const refused = Result.getOrThrow(Result.flip(installationOf(many(maxPackages + 1), debian)))
    assert.strictEqual(refused.detail, "The recipes name 4001 packages, at most 4000 are possible")
  })
})
