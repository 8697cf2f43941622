import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { closest } from "../../../src/cli/grammar/Suggest.ts"
import { newImage, run } from "../config/Run.ts"

describe("the closest word", () => {
  const known = ["add", "del", "set", "list", "clear", "network"]
  it.each([
    ["ad", "add"],
    ["lsit", "list"],
    ["cleer", "clear"],
    ["netwrok", "network"],
    ["NETWORKS", "network"],
    ["netwo", "network"],
    ["list", undefined],
    ["x", undefined],
    ["dog", undefined],
    ["", undefined],
    ["n".repeat(100_000), undefined]
  ])("to %s is %s", (word, expected) => assert.strictEqual(closest(word, known), expected))
})

describe("a typo", () => {
  it.effect.each<[ReadonlyArray<string>, string, string]>([
    [["fim-exce", "ls"], "Unknown command: fim-exce", "did you mean fim-exec?"],
    [["fim-perm", "list"], "Unknown command: fim-perm", "did you mean fim-perms?"],
    [["fim-perms", "lst"], "Invalid perms operation", "did you mean fim-perms list?"],
    [["fim-perms", "add", "home,netwrok"], "Invalid permission", "did you mean network?"],
    [["fim-unshare", "set", "pids"], "Invalid unshare option", "did you mean pid?"],
    [["fim-overlay", "set", "overlay"], "Invalid overlay type", "did you mean overlayfs?"],
    [["fim-bind", "add", "rwx", "/a", "/b"], "Invalid bind type", "did you mean rw?"],
    [["fim-casefold", "onn"], "Invalid casefold switch", "did you mean fim-casefold on?"],
    [["fim-layer", "comit"], "Invalid layer operation", "did you mean fim-layer commit?"],
    [["fim-layer", "commit", "binry"], "Invalid commit operation", "did you mean fim-layer commit binary?"],
    [["fim-desktop", "enable", "entri"], "Invalid integration item", "did you mean entry?"],
    [["fim-help", "prems"], "Invalid argument for help command: prems", "did you mean fim-help fim-perms?"],
    [["fim-help", "completion", "bsh"], "Invalid shell for completion (<bash|zsh|fish>)", "did you mean bash?"]
  ])("%j is answered with what was meant", ([words, text, suggestion]) =>
    Effect.gen(function*() {
      const { code, stderr, stdout } = yield* run(newImage(), words)
      assert.deepStrictEqual([code, stdout, stderr[0], stderr.at(-2)], [125, "", text, suggestion])
      assert.match(stderr.at(-1) ?? "", /^Could not parse arguments$|^Invalid fim command$/)
    }))

  it.effect("is not seen in words that are nothing like a command", () =>
    Effect.gen(function*() {
      const { stderr } = yield* run(newImage(), ["fim-nonsense"])
      assert.deepStrictEqual(stderr, ["Unknown command: fim-nonsense", "Invalid fim command"])
    }))

  it.effect("of spaces in a list is answered with commas", () =>
    Effect.gen(function*() {
      const { stderr } = yield* run(newImage(), ["fim-perms", "add", "home", "network"])
      assert.deepStrictEqual(stderr.slice(0, 2), [
        "Trailing arguments for fim-perms: ['network',]",
        "a list has commas and no spaces: home,network"
      ])
    }))
})
