import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { writeFileSync } from "node:fs"
import { bundleWith, certificatesIn } from "../../src/sandbox/Certificates.ts"
import { canBeHome, getsHome, isHomePlace, workingDirectories } from "../../src/sandbox/Home.ts"
import { search } from "../../src/sandbox/HostSearch.ts"
import { archivedLocales, replacedLocales } from "../../src/sandbox/Locale.ts"
import { terminalOf } from "../../src/sandbox/Terminal.ts"
import { madeUpHost } from "../support/MadeUpHost.ts"

/** Reads files of a guest that has these. */
const guest = (files: Readonly<Record<string, string | Uint8Array>>) => (path: string, limit: number) =>
  Effect.sync(() => {
    const content = files[path]
    return content === undefined ? undefined : Uint8Array.from(Buffer.from(content)).subarray(0, limit)
  })

/** An archive of locales with these names, without what they stand for. */
const archive = (names: ReadonlyArray<string>) => {
  const table = Buffer.from(names.map((name) => `${name}\0`).join(""))
  const header = Buffer.alloc(56)
  header.writeUInt32LE(0xde02_0109, 0)
  header.writeUInt32LE(56, 20)
  header.writeUInt32LE(table.length, 24)
  return Buffer.concat([header, table])
}

const replaced = (environment: Record<string, string>, files: Record<string, string | Uint8Array>) =>
  replacedLocales(environment, guest(files))

describe("locales of the caller", () => {
  const universal = { "/usr/lib/locale/C.utf8/LC_CTYPE": "x" }
  it.effect("that the guest does not have are replaced", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* replaced({ LANG: "de_DE.UTF-8", LC_ALL: "C", LC_TIME: "fr_FR" }, universal), {
        LANG: "C.UTF-8",
        LC_TIME: "C.UTF-8"
      })
      assert.deepStrictEqual(yield* replaced({ LANG: "C.UTF-8", LC_ALL: "" }, universal), {})
    }))

  it.effect("that the guest has stay, in directories or in an archive", () =>
    Effect.gen(function*() {
      const own = { ...universal, "/usr/lib/locale/de_DE.utf8/LC_CTYPE": "x" }
      assert.deepStrictEqual(yield* replaced({ LANG: "de_DE.UTF-8" }, own), {})
      const packed = { "/usr/lib/locale/locale-archive": archive(["de_DE.utf8", "de_DE.iso885915@euro"]) }
      const asked = { LANG: "de_DE.UTF-8", LC_TIME: "de_DE.ISO-8859-15@euro", LC_PAPER: "en_US.UTF-8" }
      assert.deepStrictEqual(yield* replaced(asked, packed), { LC_PAPER: "C" })
      assert.deepStrictEqual(yield* replaced({ LANG: "../../x" }, { ...universal, ...packed }), { LANG: "C.UTF-8" })
    }))

  it.effect("all stay with a C library that takes any name", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* replaced({ LANG: "de_DE.UTF-8" }, {}), {})
    }))

  it("are not read out of what is no archive", () => {
    assert.strictEqual(archivedLocales(Buffer.from("x")).size, 0)
    assert.strictEqual(archivedLocales(Buffer.alloc(100)).size, 0)
    const beyond = archive(["a"])
    beyond.writeUInt32LE(0xffff_ffff, 20)
    assert.isFalse(archivedLocales(beyond).has("a"))
  })
})

describe("the terminal of the caller", () => {
  const terminal = Effect.fnUntraced(function*(
    TERM: string,
    inGuest: ReadonlyArray<string>,
    onHost: Readonly<Record<string, string>> = {}
  ) {
    const root = yield* madeUpHost(onHost)
    return yield* terminalOf(
      yield* FileSystem.FileSystem,
      { TERM, HOME: root },
      (path) => Effect.succeed(inGuest.includes(path))
    )
  }, Effect.provide(NodeFileSystem.layer))

  it.live("stays if the guest describes it, comes along if the host does, and is another one otherwise", () =>
    Effect.gen(function*() {
      const entry = undefined
      assert.deepStrictEqual(yield* terminal("xterm", []), { name: "xterm", entry })
      assert.deepStrictEqual(yield* terminal("odd", ["/usr/share/terminfo/o/odd"]), { name: "odd", entry })
      assert.deepStrictEqual(yield* terminal("odd", ["/lib/terminfo/6f/odd"]), { name: "odd", entry })
      const own = yield* terminal("odd-kitty", [], { "/.terminfo/o/odd-kitty": "described" })
      assert.strictEqual(own.name, "odd-kitty")
      assert.strictEqual(own.entry?.file, "o/odd-kitty")
      assert.strictEqual(Buffer.from(own.entry?.content ?? []).toString(), "described")
      assert.strictEqual((yield* terminal("odd", [])).name, "xterm")
      assert.strictEqual((yield* terminal("odd", ["/lib/terminfo/x/xterm-256color"])).name, "xterm-256color")
      for (const name of ["../../etc/passwd", "a b", "-x", "x".repeat(200)]) {
        assert.deepStrictEqual(yield* terminal(name, []), { name: "xterm", entry })
      }
    }))
})

const pem = (body: string) => `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`

describe("authorities that the host adds", () => {
  it("are appended to the guest's bundle, each once", () => {
    const one = "A".repeat(100)
    const bundle = `# comment\n${pem(`${one.slice(0, 64)}\n${one.slice(64)}`)}`
    assert.isUndefined(bundleWith(bundle, [one]))
    assert.isUndefined(bundleWith(bundle, []))
    assert.strictEqual(bundleWith(bundle, [one, "BBBB"]), `${bundle}${pem("BBBB")}`)
    assert.strictEqual(bundleWith("", ["C".repeat(70)]), pem(`${"C".repeat(64)}\n${"C".repeat(6)}`))
  })

  it("are read in PEM and DER", () => {
    assert.deepStrictEqual(certificatesIn(Buffer.from(`x${pem("AA\nBB")}y${pem("CC==")}`)), ["AABB", "CC=="])
    const der = Buffer.from([0x30, 0x82, 0, 2, 1, 2])
    assert.deepStrictEqual(certificatesIn(der), [der.toString("base64")])
    for (const bytes of [Buffer.from("no"), Buffer.from([0x30, 0x82, 9, 9, 1]), Buffer.alloc(0)]) {
      assert.deepStrictEqual(certificatesIn(bytes), [])
    }
  })

  it.live("are found where administrators put them, not those of the distribution", () =>
    Effect.gen(function*() {
      const root = yield* madeUpHost({
        "/usr/local/share/ca-certificates/company/root.crt": pem("AAAA"),
        "/usr/local/share/ca-certificates/readme.txt": pem("XXXX"),
        "/etc/pki/ca-trust/source/anchors/x.pem": pem("BBBB"),
        "/usr/share/ca-certificates/mozilla/m.crt": pem("MMMM"),
        "/usr/share/ca-certificates/ours/o.crt": pem("CCCC")
      })
      writeFileSync(`${root}/extra.pem`, pem("DDDD"))
      const { authorities } = yield* search(yield* FileSystem.FileSystem, {
        permissions: new Set(["network"]),
        environment: { NODE_EXTRA_CA_CERTS: "/extra.pem" },
        instance: "/instance",
        runtimeHost: "/host",
        root
      })
      assert.deepStrictEqual(authorities, ["AAAA", "BBBB", "CCCC", "DDDD"])
    }).pipe(Effect.provide(NodeFileSystem.layer)))
})

describe("fonts and icons of the host", () => {
  it.live("are found for a display, with settings that name them", () =>
    Effect.gen(function*() {
      const root = yield* madeUpHost({
        "/usr/share/fonts/a.ttf": "a",
        "/usr/share/icons/Theme/index.theme": "t",
        "/home/ann/.local/share/fonts/b.ttf": "b",
        "/home/ann/.fonts": { link: "../ann" }
      })
      const found = yield* search(yield* FileSystem.FileSystem, {
        permissions: new Set(["wayland"]),
        environment: { HOME: "/home/ann" },
        instance: "/instance",
        runtimeHost: "/host",
        root
      })
      assert.deepStrictEqual(found.looks.binds, [
        ["ro", "/home/ann/.local/share/fonts", "/host/home/ann/.local/share/fonts"],
        ["ro", "/usr/share/fonts", "/host/usr/share/fonts"],
        ["ro", "/usr/share/icons", "/host/usr/share/icons"]
      ])
      assert.include(found.looks.fontSettings, "<dir>/host/usr/share/fonts</dir>")
      assert.deepStrictEqual(found.looks.search, {
        XDG_DATA_DIRS: { usual: "/usr/local/share:/usr/share", more: ["/host/usr/share"] },
        XCURSOR_PATH: {
          usual: "~/.local/share/icons:~/.icons:/usr/share/icons:/usr/share/pixmaps",
          more: ["/host/usr/share/icons"]
        }
      })
    }).pipe(Effect.provide(NodeFileSystem.layer)))
})

describe("a home", () => {
  it("is no place of the kernel", () => {
    for (const path of ["/dev/null", "/proc/self/exe", "/dev", "/sys", "/"]) assert.isFalse(canBeHome(path), path)
    for (const path of ["/home/ann", "/nonexistent", "/run", "/tmp", "/devel"]) assert.isTrue(canBeHome(path), path)
    for (const path of ["/usr", "/run", "/etc"]) assert.isFalse(isHomePlace(path), path)
    assert.isTrue(isHomePlace("/var/lib/service"))
  })

  it.live("is not made where the caller's is a file", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      assert.isFalse(yield* getsHome(fs, "/etc/passwd", { HOME: "/etc/passwd" }))
      assert.isTrue(yield* getsHome(fs, "/etc/passwd", { HOME: "/other" }))
      assert.isTrue(yield* getsHome(fs, "/nonexistent", { HOME: "/nonexistent" }))
    }).pipe(Effect.provide(NodeFileSystem.layer)))

  it.live("behind a link gives the working directory its name there", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const root = yield* madeUpHost({ "/var/home/proj/f": "", "/home": { link: "var/home" } })
      const bind = {
        type: "rw",
        source: `${root}/home`,
        target: `${root}/home`,
        optional: true,
        isDirectory: true
      } as const
      const directory = `${root}/var/home/proj`
      assert.deepStrictEqual(yield* workingDirectories(fs, directory, {}, [bind]), [directory, `${root}/home/proj`])
      assert.deepStrictEqual(yield* workingDirectories(fs, directory, { PWD: `${root}/home/proj` }, []), [
        directory,
        `${root}/home/proj`
      ])
      assert.deepStrictEqual(yield* workingDirectories(fs, directory, { PWD: "/etc" }, [bind]), [
        directory,
        `${root}/home/proj`
      ])
      const moved = { ...bind, target: "/elsewhere" }
      assert.deepStrictEqual(yield* workingDirectories(fs, directory, {}, [moved]), [directory])
    }).pipe(Effect.provide(NodeFileSystem.layer)))
})
