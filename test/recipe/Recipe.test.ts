import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { distributions, findDistribution } from "../../src/builder/dist/Distributions.ts"
import { isRecipeName, limits, parseRecipe } from "../../src/recipe/Recipe.ts"

const distribution = (name: string) => findDistribution(name)!
const parse = (document: unknown, name = "debian") =>
  parseRecipe(typeof document === "string" ? document : JSON.stringify(document), distribution(name))
const plain = { description: "a set", packages: ["bash"] }
const names = (count: number) => Array.from({ length: count }, (_, index) => `p${index}`)

describe("a recipe", () => {
  it("is read with all its parts, and whatever else it says is passed over", () => {
    const desktop = { name: "App", icon: "http://localhost/app.png", categories: ["Utility"], integrations: ["ENTRY"] }
    const recipe = { ...plain, dependencies: ["b", "c-1.2_x+y"], desktop }
    const read = parse({ ...recipe, name: "a", version: 3, desktop: { ...desktop, more: "x" } })
    assert.deepStrictEqual(read, Result.succeed(recipe) as never)
    assert.deepStrictEqual(parse(plain), Result.succeed({ ...plain, dependencies: [] }) as never)
  })

  it("has packages for a distribution, or for all where it has no list for that one", () => {
    const recipe = {
      description: "GPU",
      dependencies: ["xorg"],
      alpine: ["mesa"],
      arch: ["lib32-mesa"],
      packages: ["p1"]
    }
    const packages = (name: string) => Result.getOrThrow(parse(recipe, name)).packages
    assert.deepStrictEqual(["alpine", "arch", "debian", "ubuntu"].map(packages), [["mesa"], ["lib32-mesa"], ["p1"], [
      "p1"
    ]])
    const { packages: _, ...seed } = recipe
    assert.deepStrictEqual(Result.getOrThrow(parse(seed, "arch")).packages, ["lib32-mesa"])
    assert.strictEqual(
      Result.isFailure(parse(seed, "debian")) && parse(seed, "debian").pipe(Result.flip, Result.getOrThrow).detail,
      "Missing 'packages' field"
    )
  })

  const wrong: ReadonlyArray<readonly [string, unknown, string, RegExp?]> = [
    ["nothing", "", "Empty json file"],
    ["blanks", " \n\t", "Empty json file"],
    ["half a document", "{\"description\":\"x\",\"packages\":[", "Could not parse json file"],
    ["a page of a server", "<html>not here</html>", "Could not parse json file"],
    ["a list", [plain], "Could not parse json file"],
    ["a text", "\"x\"", "Could not parse json file"],
    ["null", "null", "Could not parse json file"],
    ["what is too deep for any reader", `${"[".repeat(100_000)}`, "Could not parse json file"],
    [
      "what is as deep inside",
      `{"description":"x","packages":${"[".repeat(50_000)}${"]".repeat(50_000)}}`,
      "Could not parse json file"
    ],
    ["no description", { packages: [] }, "Missing 'description' field"],
    ["a description that is none", { ...plain, description: 3 }, "Missing 'description' field"],
    [
      "a description for the terminal",
      { ...plain, description: "\u001b]0;x\u0007" },
      "Could not parse json file",
      /\["description"\]/
    ],
    ["a description of lines", { ...plain, description: "a\nPackages:" }, "Could not parse json file"],
    [
      "a description without end",
      { ...plain, description: "x".repeat(limits.description + 1) },
      "Could not parse json file"
    ],
    ["no packages", { description: "x" }, "Missing 'packages' field", /none of 'debian'/],
    ["packages that are one", { ...plain, packages: "bash" }, "Could not parse json file", /\["packages"\]/],
    ["packages that are null", { ...plain, packages: null }, "Could not parse json file"],
    ["a list of its own that is none", { ...plain, debian: {} }, "Could not parse json file"],
    ["too many packages", { ...plain, packages: names(limits.packages + 1) }, "Could not parse json file"],
    [
      "the name of a package without end",
      { ...plain, packages: ["p".repeat(limits.packageName + 1)] },
      "Could not parse json file"
    ],
    ["dependencies that are one", { ...plain, dependencies: "b" }, "Could not parse json file", /\["dependencies"\]/],
    [
      "a dependency elsewhere",
      { ...plain, dependencies: ["../../../etc/x"] },
      "Could not parse json file",
      /the name of a recipe/
    ],
    ["too many dependencies", { ...plain, dependencies: names(limits.dependencies + 1) }, "Could not parse json file"],
    [
      "a desktop that is none",
      { ...plain, desktop: { name: "x" } },
      "Could not parse json file",
      /\["desktop"\]\["icon"\]/
    ],
    ["a desktop with a strange part", {
      ...plain,
      desktop: { name: "x", icon: "y", categories: [], integrations: ["MENU"] }
    }, "Could not parse json file"]
  ]
  it.each(wrong)("is refused for %s", (_, document, text, hint) => {
    const result = parse(document)
    assert.isTrue(Result.isFailure(result))
    if (!Result.isFailure(result)) return
    assert.strictEqual(result.failure.detail, text)
    assert.match(result.failure.hint ?? "", (hint ?? /^/) as RegExp)
    assert.isBelow(result.failure.hint?.length ?? 0, 310)
    assert.notMatch(result.failure.hint ?? "", /\p{Cc}/u)
  })

  it.each([
    ["debian", [
      "-y",
      "--purge",
      "-o",
      "bash-",
      "a b",
      "a;b",
      "$(id)",
      "a/b",
      "a=1",
      "a:i386",
      "a*",
      "A",
      "a\n",
      "",
      "é",
      "a"
    ]],
    ["ubuntu", ["-y", "bash-", "./x.deb"]],
    ["alpine", ["-U", "--root=/", "!bash", "a=1", "a@edge", "/x.apk", "a\n", "so:a"]],
    ["arch", ["-R", "--noconfirm", "core/bash", "a>1", "https://localhost/x", "a\n", ".a"]]
  ])("of %s names nothing that its package manager could take for something else", (name, packages) => {
    for (const word of packages) {
      assert.isTrue(Result.isFailure(parse({ ...plain, packages: ["bash", word] }, name)), JSON.stringify(word))
      assert.isTrue(Result.isFailure(parse({ ...plain, [name]: [word] }, name)), JSON.stringify(word))
    }
    assert.isTrue(Result.isSuccess(parse({ ...plain, packages: ["g++", "libgtk2.0-0", "lib32-mesa"] }, name)))
  })
})

const sign = Arbitrary.schema(Schema.Literals([..."ab0.-_+/\\ \n\0:=~*!@$;'\"é😀\ud800", "..", "--", "null"]))
const word = Arbitrary.map(Arbitrary.array(sign, { maxLength: 8 }), (signs) => signs.join(""))
const either = <A, B>(left: Arbitrary.Arbitrary<A>, right: Arbitrary.Arbitrary<B>) =>
  Arbitrary.map(
    Arbitrary.all([Arbitrary.schema(Schema.Boolean), left, right]),
    ([first, one, other]) => first ? one : other
  )
const anything = Arbitrary.schema(Schema.Json)
const list = either(Arbitrary.array(word, { maxLength: 3 }), anything)
const runs = { arbitrary: { runs: 1000 }, timeout: 60_000 }

describe("whatever a server sends", () => {
  it.prop(
    "is a recipe that is safe to use, or refused with one line",
    {
      description: either(word, anything),
      packages: list,
      dependencies: list,
      own: list,
      desktop: anything,
      which: Arbitrary.schema(Schema.Literals(["alpine", "arch", "debian"])),
      keep: Arbitrary.schema(Schema.Int)
    },
    ({ dependencies, description, desktop, keep, own, packages, which }) => {
      const all = Object.entries({ description, packages, dependencies, desktop, [which]: own })
      const document = Object.fromEntries(all.filter((_, index) => (keep >> index & 1) === 0))
      const result = parse(document, which)
      if (Result.isFailure(result)) {
        assert.notMatch(`${result.failure.detail}${result.failure.hint ?? ""}`, /\n/)
        return
      }
      const recipe = result.success
      assert.isTrue(recipe.dependencies.every(isRecipeName))
      for (const name of recipe.packages) assert.match(name, /^[A-Za-z0-9@_+][A-Za-z0-9@._+-]*$/)
      if (which === "debian") { for (const name of recipe.packages) assert.notMatch(name, /-$/) }
    },
    runs
  )

  it.prop(
    "is refused or read as text, for any text",
    { text: either(word, Arbitrary.schema(Schema.String)) },
    ({ text }) => {
      for (const distribution of distributions) parseRecipe(text, distribution)
    },
    runs
  )
})

describe("the name of a recipe", () => {
  it.prop("is one part of a path and of a URL, and no option", { name: word }, ({ name }) => {
    if (!isRecipeName(name)) return
    const directory = "/data/recipes/debian/latest"
    assert.strictEqual(new URL(`file://${directory}/${name}.json`).pathname, `${directory}/${name}.json`)
    assert.notMatch(name, /^[-.]|\.\.|[/\\\s]/)
  }, runs)

  it.each(["a", "gpu", "lib32-mesa", "A1", "a.b", "g++", "x".repeat(64)])("may be %s", (name) => {
    assert.isTrue(isRecipeName(name))
  })

  it.each([
    "",
    ".",
    "..",
    ".a",
    "-a",
    "a/b",
    "a..b",
    "a b",
    "a\n",
    "a\0",
    "%2e",
    "é",
    "x".repeat(65),
    "a\\b",
    "a?b",
    "a#b"
  ])(
    "may not be %j",
    (name) => assert.isFalse(isRecipeName(name))
  )
})
