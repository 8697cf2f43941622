import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { bashrcOf, groupOf, identityOf, passwdOf } from "../../src/sandbox/Identity.ts"
import { ann, root } from "./SandboxFixture.ts"

const of = (options: Partial<Parameters<typeof identityOf>[0]>) =>
  identityOf({ root: false, uid: 1000, gid: 100, host: {}, image: {}, bash: "/bash", ...options })

describe("the identity of a run", () => {
  it("is the caller's", () => {
    assert.deepInclude(of({ host: { USER: "ann", HOME: "/home/ann" } }), {
      uid: 1000,
      gid: 100,
      name: "ann",
      home: "/home/ann"
    })
    assert.deepInclude(of({}), { name: "user1000", home: "/home/user1000", shell: "/bash" })
    assert.deepInclude(of({ uid: 0, gid: 0, host: { USER: "ann", HOME: "/home/ann" } }), {
      name: "root",
      home: "/root"
    })
  })

  it("is root's when that is asked for, whatever the image says", () => {
    const image = { UID: "7", GID: "8", USER: "ann", HOME: "/home/ann" }
    assert.deepInclude(of({ root: true, image }), { uid: 0, gid: 0, name: "root", home: "/root" })
  })

  it("is the image's where it says so", () => {
    const image = { UID: "7", GID: "8", USER: "bob", HOME: "/srv/bob", SHELL: "/bin/zsh", PS1: "$ " }
    const host = { USER: "ann", HOME: "/home/ann", SHELL: "/bin/fish" }
    const expected = { uid: 7, gid: 8, name: "bob", home: "/srv/bob", shell: "/bin/zsh", prompt: "$ " }
    assert.deepStrictEqual(of({ image, host }), expected)
    for (const GID of [undefined, "8"]) {
      const image = { UID: "0", USER: "bob", ...(GID === undefined ? {} : { GID }) }
      assert.deepInclude(of({ image, host }), { uid: 0, gid: 0, name: "root", home: "/root" })
    }
    assert.deepInclude(of({ uid: 0, gid: 0, image: { GID: "8" } }), { uid: 0, gid: 8, name: "root" })
  })

  it.each(["", "x", "-1", "1.5", "0x10", "1e3", " 1", "4294967295", "99999999999"])(
    "passes over the number %j",
    (text) => {
      assert.deepInclude(of({ image: { UID: text, GID: text } }), { uid: 1000, gid: 100 })
    }
  )

  it("takes the largest number there is", () => {
    assert.strictEqual(of({ image: { UID: "4294967294" } }).uid, 4_294_967_294)
  })

  it.each(["a:b", "a\nroot::0:0::/:", ""])("passes over the name %j, which /etc/passwd cannot hold", (USER) => {
    assert.strictEqual(of({ image: { USER }, host: { USER: "ann" } }).name, "ann")
    assert.strictEqual(of({ host: { USER } }).name, "user1000")
  })

  it("has the name that cron sets, or that the host's database has", () => {
    assert.strictEqual(of({ host: { LOGNAME: "ada" } }).name, "ada")
    assert.strictEqual(of({ host: { USER: "", LOGNAME: "root" }, registered: "ada" }).name, "ada")
    assert.strictEqual(of({ host: { USER: "bob", LOGNAME: "ada" }, registered: "ann" }).name, "bob")
    assert.strictEqual(of({ registered: "a:b" }).name, "user1000")
  })

  it("has a home without needless slashes", () => {
    for (const HOME of ["/home/ann/", "//home//ann", "/home/./ann/."]) {
      assert.strictEqual(of({ host: { HOME } }).home, "/home/ann", HOME)
    }
    assert.strictEqual(of({ host: { HOME: "//" } }).home, "/")
  })

  it("does not call anyone else root", () => {
    assert.strictEqual(of({ host: { USER: "root" } }).name, "user1000")
  })

  it.each(["relative", "", "/a:b", "/a\nb"])("passes over the directory %j", (HOME) => {
    assert.strictEqual(of({ image: { HOME }, host: { HOME: "/home/ann" } }).home, "/home/ann")
    assert.strictEqual(of({ host: { HOME, USER: "ann" } }).home, "/home/ann")
  })
})

describe("passwd", () => {
  it("has a line of seven fields for the identity, in front and in place of those with its name or number", () => {
    const guest =
      "root:x:0:0:root:/root:/bin/sh\nann:x:5:5::/old:/bin/sh\nother:x:1000:1::/o:/bin/sh\n\ndaemon:x:1:1::/:/x\n"
    assert.strictEqual(
      passwdOf(ann, guest),
      `ann:x:1000:100:ann:/home/ann:${ann.shell}\nroot:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/:/x\n`
    )
    assert.strictEqual(passwdOf(root, ""), `root:x:0:0:root:/root:${root.shell}\n`)
  })
})

describe("group", () => {
  const nogroup = "nogroup:x:65534:\n"

  it("is the guest's own where it knows every number", () => {
    assert.isUndefined(groupOf(ann, `root:x:0:\nusers:x:100:ann\n${nogroup}`))
  })

  it("has a line for each number without a name, under a name that is free", () => {
    assert.strictEqual(groupOf(ann, ""), `ann:x:100:\n${nogroup}`)
    assert.strictEqual(groupOf(ann, `users:x:100:`), `users:x:100:\n${nogroup}`)
    assert.strictEqual(groupOf(ann, `ann:x:7:\n\n${nogroup}`), `ann:x:7:\n${nogroup}group100:x:100:\n`)
    assert.strictEqual(groupOf({ ...ann, gid: 65_534 }, "nogroup:x:9:"), "nogroup:x:9:\ngroup65534:x:65534:\n")
    assert.strictEqual(groupOf({ ...ann, gid: 0 }, ""), `root:x:0:\n${nogroup}`)
  })

  it("does not take a number for another that begins alike", () => {
    assert.include(groupOf(ann, "big:x:1000:\nlast:x:10:100\n") ?? "", "ann:x:100:\n")
  })
})

describe("bashrc", () => {
  it.each(["> ", "it's \\W", "$(id) `id` \"x\"", "a\nb", "'; exit 3; '"])(
    "sets the prompt %j and runs nothing of it",
    (prompt) => {
      // The first line reads the distribution's own file, which is not there for a test.
      const own = bashrcOf({ ...ann, prompt }).replace(/^.*\n/, "")
      const script = `${own}printf %s "$PS1"`
      assert.strictEqual(execFileSync("sh", ["-c", script], { encoding: "utf8" }), prompt)
    }
  )
})
