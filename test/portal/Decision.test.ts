import { assert, describe, it } from "@effect/vitest"
import { decide, type Policy, usedVariables } from "../../src/portal/Decision.ts"
import type { Request } from "../../src/portal/Message.ts"

const policy: Policy = {
  allowed: ["xdg-open", "/opt/tool"],
  environment: {
    PATH: "/usr/bin",
    HOME: "/home/ann",
    LANG: "de_DE.UTF-8",
    FIM_JANITOR: "3,4",
    NAME: "Jürgen",
    GONE: undefined
  },
  directory: "/home/ann"
}

const request = (words: ReadonlyArray<string>, environment: ReadonlyArray<string> = []): Request => ({
  kind: "request",
  call: "1-a",
  words,
  environment,
  directory: "/work",
  streams: ["pipe", "pipe", "pipe"],
  terminal: null,
  detached: false
})

const variables = (environment: ReadonlyArray<string>) => {
  const decision = decide(request(["xdg-open"], environment), policy)
  assert.isTrue(decision.kind === "start")
  return decision.kind === "start" ? decision.environment : []
}

const isLookedAt = (name: string) =>
  usedVariables.some((text) => text.endsWith("*") ? name.startsWith(text.slice(0, -1)) : name === text)

describe("what is allowed", () => {
  it("is allowed by exactly its name", () => {
    for (const name of ["xdg-open", "/opt/tool"]) assert.strictEqual(decide(request([name]), policy).kind, "start")
    for (
      const name of ["xdg-ope", "xdg-open ", "/usr/bin/xdg-open", "./xdg-open", "tool", "/opt//tool", "XDG-OPEN", "*"]
    ) {
      assert.strictEqual(decide(request([name]), policy).kind, "refuse")
    }
  })

  it("is nothing unless told, and everything with '*'", () => {
    assert.strictEqual(decide(request(["true"]), { ...policy, allowed: [] }).kind, "refuse")
    assert.strictEqual(decide(request(["/any"]), { ...policy, allowed: ["*"] }).kind, "start")
  })

  it("compares text, which crosses as bytes", () => {
    const word = Buffer.from("größe").toString("latin1")
    assert.strictEqual(decide(request([word]), { ...policy, allowed: ["größe"] }).kind, "start")
  })

  it("a refusal names the command that would allow it", () => {
    assert.deepStrictEqual(decide(request(["thunar", "x"]), policy), {
      kind: "refuse",
      call: "1-a",
      code: 126,
      lines: [
        "E::'thunar' may not be run on the host",
        "E::To allow it, from the image's next start on: IMAGE fim-portal allow thunar"
      ]
    })
  })
})

describe("what a command gets", () => {
  it("the host's environment as bytes, without what the launcher has set", () => {
    const name = Buffer.from("Jürgen").toString("latin1")
    assert.deepStrictEqual(variables([]), ["PATH=/usr/bin", "HOME=/home/ann", "LANG=de_DE.UTF-8", `NAME=${name}`])
  })

  it("of the guest's only what is about the user's language and terminal", () => {
    const passed = ["TERM=screen", "LANG=C", "LC_ALL=C.UTF-8", "TZ=Europe/Berlin", "XDG_ACTIVATION_TOKEN=a_TIME1"]
    const held = ["PATH=/evil", "LD_PRELOAD=/evil.so", "HOME=/evil", "BASH_ENV=/e", "LC_=x", "LC_all=x", "DISPLAY=:9"]
    const all = variables([...passed, ...held])
    for (const variable of passed) assert.include(all, variable)
    for (const variable of held) assert.notInclude(all, variable)
    assert.notInclude(all, "LANG=de_DE.UTF-8")
  })

  it("and no variable that is left out because nobody looks at it would have crossed", () => {
    const names = ["TERM", "LANG", "LANGUAGE", "LC_ALL", "LC_X", "TZ", "NO_COLOR", "COLORTERM", "DESKTOP_STARTUP_ID"]
    for (const name of names) assert.include(variables([`${name}=x`]), `${name}=x`)
    for (const name of names) assert.isTrue(isLookedAt(name), name)
    for (const name of ["PATH", "LC", "XLANG", "LD_PRELOAD"]) assert.isFalse(isLookedAt(name), name)
  })

  it("the same for every request with that program, directory and environment, and says so", () => {
    const environment = ["LANG=C", "TERM=x"]
    const one = decide(request(["xdg-open", "a"], environment), policy)
    const other: Request = { ...request(["xdg-open", "b", "c"], environment), streams: ["null", "null", "null"] }
    assert.deepStrictEqual(decide({ ...other, detached: true }, policy), one)
    assert.isTrue(one.kind === "start" && one.lasting)
  })

  it("and only where the value leads nowhere", () => {
    const bad = [
      "TZ=/etc/shadow",
      "TZ=:x",
      "TZ=../x",
      "TERM=../x",
      "TERM=/x",
      "LANG=a/b",
      "LANG=\u001b[31m",
      `TERM=${"x".repeat(257)}`
    ]
    for (const variable of bad) assert.notInclude(variables([variable]), variable)
  })

  it("the caller's directory if it is there, then that of the image's caller", () => {
    const decision = decide(request(["xdg-open"]), policy)
    assert.deepStrictEqual(decision.kind === "start" ? decision.directories : [], ["/work", "/home/ann", "/"])
  })
})
