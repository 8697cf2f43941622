import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { newImage, run } from "./Run.ts"

const names = (command: string, noun: string, operations: string, operation: string) => {
  const capital = noun.charAt(0).toUpperCase() + noun.slice(1)
  return [
    [command, [], `Missing op for ${command} (${operations})`],
    [command, ["grant"], operation],
    [command, ["--json"], operation],
    [command, ["add"], "No arguments for 'ADD' command"],
    [command, ["Del"], "No arguments for 'DEL' command"],
    [command, ["SET"], "No arguments for 'SET' command"],
    [command, ["set", "nonsense"], `Invalid ${noun}`],
    [command, ["set", ""], `Invalid ${noun}`],
    [command, ["add", "all, all"], `Invalid ${noun}`],
    [command, ["add", "none"], `Invalid ${noun} 'NONE'`],
    [command, ["set", "all,all"], `${capital} 'all' should not be used with others`],
    [command, ["set", "all", "more"], `Trailing arguments for ${command}: ['more',]`],
    [command, ["list", "a", "b"], `Trailing arguments for ${command}: ['a','b',]`],
    [command, ["list", "--", "--json"], `Trailing arguments for ${command}: ['--json',]`],
    [command, ["clear", "a"], `Trailing arguments for ${command}: ['a',]`]
  ] as const
}

const errors: ReadonlyArray<readonly [command: string, args: ReadonlyArray<string>, text: string]> = [
  ...names("fim-perms", "permission", "add,del,list,set,clear", "Invalid perms operation"),
  ...names("fim-unshare", "unshare option", "add,clear,del,list,set", "Invalid unshare operation"),
  ["fim-env", [], "Missing op for 'fim-env' (add,del,list,set,clear)"],
  ["fim-env", ["show"], "Invalid env operation"],
  ["fim-env", ["add"], "Missing arguments for 'ADD'"],
  ["fim-env", ["set", "--"], "Missing arguments for 'SET'"],
  ["fim-env", ["DEL"], "Missing arguments for 'DEL'"],
  ["fim-env", ["add", "A=1", "B"], "Variable assignment 'B' is invalid"],
  ["fim-env", ["set", "=1"], "Variable assignment '=1' is invalid"],
  ["fim-env", ["set", "A=\ud800"], "Variable assignment 'A=\ud800' is invalid"],
  ["fim-env", ["list", "foo"], "Trailing arguments for fim-env: ['foo',]"],
  ["fim-env", ["clear", "foo"], "Trailing arguments for fim-env: ['foo',]"],
  ["fim-boot", [], "Missing op for 'fim-boot' (<set|show|clear>)"],
  ["fim-boot", ["start"], "Invalid boot operation"],
  ["fim-boot", ["set"], "Missing program for 'set' operation"],
  ["fim-boot", ["set", ""], "Missing program for 'set' operation"],
  ["fim-boot", ["show", "a"], "Trailing arguments for fim-boot: ['a',]"],
  ["fim-boot", ["get", "a"], "Trailing arguments for fim-boot: ['a',]"],
  ["fim-boot", ["clear", "a"], "Trailing arguments for fim-boot: ['a',]"],
  ["fim-bind", [], "Missing op for 'fim-bind' command (add,del,list)"],
  ["fim-bind", ["set"], "Invalid bind operation"],
  ["fim-bind", ["add", "none", "/a", "/b"], "Invalid bind type"],
  ["fim-bind", ["add", "none"], "Invalid bind type"],
  ["fim-bind", ["add"], "Incorrect number of arguments for 'add' (<ro,rw,dev> <src> <dst>)"],
  ["fim-bind", ["add", "ro", "/a"], "Incorrect number of arguments for 'add' (<ro,rw,dev> <src> <dst>)"],
  ["fim-bind", ["add", "ro", "/a", "/b", "/c"], "Incorrect number of arguments for 'add' (<ro,rw,dev> <src> <dst>)"],
  ["fim-bind", ["del", "x"], "Index argument for 'del' is not a number"],
  ["fim-bind", ["del", "x", "1"], "Index argument for 'del' is not a number"],
  ["fim-bind", ["del", "-1"], "Index argument for 'del' is not a number"],
  ["fim-bind", ["del"], "Incorrect number of arguments for 'del' (<index>)"],
  ["fim-bind", ["del", "1", "2"], "Incorrect number of arguments for 'del' (<index>)"],
  ["fim-bind", ["list", "a"], "'list' command takes no arguments"],
  ["fim-overlay", [], "Missing op for 'fim-overlay' (<set|show>)"],
  ["fim-overlay", ["set"], "Missing argument for 'set'"],
  ["fim-overlay", ["set", "aufs"], "Invalid overlay type"],
  ["fim-overlay", ["use"], "Invalid overlay operation"],
  ["fim-overlay", ["set", "bwrap", "a"], "Trailing arguments for fim-overlay: ['a',]"],
  ["fim-overlay", ["show", "a"], "Trailing arguments for fim-overlay: ['a',]"],
  ["fim-casefold", [], "Incorrect number of arguments for 'fim-casefold' (<on|off>)"],
  ["fim-casefold", ["maybe"], "Invalid casefold switch"],
  ["fim-casefold", ["on", "a"], "Trailing arguments for fim-casefold: ['a',]"],
  ["fim-casefold", ["get", "a"], "Trailing arguments for fim-casefold: ['a',]"],
  ["fim-notify", [], "Incorrect number of arguments for 'fim-notify' (<on|off>)"],
  ["fim-notify", ["maybe"], "Invalid notify switch"],
  ["fim-notify", ["off", "a"], "Incorrect number of arguments for 'fim-notify' (<on|off>)"],
  ["fim-portal", [], "Missing op for 'fim-portal' (<allow|deny|list|clear>)"],
  ["fim-portal", ["add", "a"], "Invalid portal operation"],
  ["fim-portal", ["allow"], "Missing arguments for 'ALLOW'"],
  ["fim-portal", ["deny", "--"], "Missing arguments for 'DENY'"],
  ["fim-portal", ["allow", ""], "Invalid program ''"],
  ["fim-portal", ["allow", "a", "./b"], "Invalid program './b'"],
  ["fim-portal", ["allow", "a/b"], "Invalid program 'a/b'"],
  ["fim-portal", ["allow", "/"], "Invalid program '/'"],
  ["fim-portal", ["allow", "/a/../b"], "Invalid program '/a/../b'"],
  ["fim-portal", ["allow", "/a//b"], "Invalid program '/a//b'"],
  ["fim-portal", ["allow", "/a/"], "Invalid program '/a/'"],
  ["fim-portal", ["allow", ".."], "Invalid program '..'"],
  ["fim-portal", ["list", "a"], "Trailing arguments for fim-portal: ['a',]"],
  ["fim-portal", ["clear", "a"], "Trailing arguments for fim-portal: ['a',]"],
  ["fim-remote", [], "Missing op for 'fim-remote' (<set|show|clear>)"],
  ["fim-remote", ["use"], "Invalid remote operation"],
  ["fim-remote", ["set"], "Missing URL for 'set' operation"],
  ["fim-remote", ["show"], "No remote URL configured"],
  ["fim-remote", ["GET"], "No remote URL configured"],
  ["fim-remote", ["set", "a", "b"], "Trailing arguments for fim-remote: ['b',]"],
  ["fim-remote", ["show", "b"], "Trailing arguments for fim-remote: ['b',]"],
  ["fim-remote", ["clear", "b"], "Trailing arguments for fim-remote: ['b',]"],
  ["fim-version", ["long"], "Invalid version operation"],
  ["fim-version", ["short", "a"], "Trailing arguments for fim-version: ['a',]"],
  ["fim-version", ["full", "a"], "Trailing arguments for fim-version: ['a',]"],
  ["fim-version", ["deps", "--json", "a"], "Trailing arguments for fim-version: ['a',]"],
  ["fim-help", ["nonsense"], "Invalid argument for help command: nonsense"],
  ["fim-help", ["env", "a"], "Trailing arguments for fim-help: ['a',]"],
  ["fim-help", ["completion"], "Invalid shell for completion (<bash|zsh|fish>)"],
  ["fim-help", ["completion", "bash", "$(id)"], "Invalid program name '$(id)' for completion"],
  ["fim-help", ["completion", "bash", "a", "b"], "Trailing arguments for fim-help: ['b',]"]
]

describe("a wrong command", () => {
  it.effect.each([...errors])("%j", ([command, args, text]) =>
    Effect.gen(function*() {
      const image = newImage({ permissions: ["gpu"], unshare: ["pid"], environment: { KEPT: "1" } })
      const before = image.settings
      const outcome = yield* run(image, [command, ...args])
      assert.strictEqual(outcome.stderr[0], text)
      assert.match(outcome.stderr.at(-1) ?? "", /^Could not /)
      assert.strictEqual(outcome.code, 125)
      assert.strictEqual(outcome.stdout, "")
      assert.deepStrictEqual(image, { settings: before, writes: 0 })
    }))
})
