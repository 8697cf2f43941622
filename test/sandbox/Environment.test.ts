import { assert, describe, it } from "@effect/vitest"
import { ownVariables } from "../../src/relocate/OwnVariables.ts"
import { environmentOf } from "../../src/sandbox/Environment.ts"
import { ann, directories, facts } from "./SandboxFixture.ts"

const of = (options: Partial<Parameters<typeof environmentOf>[0]>) =>
  environmentOf({ host: {}, identity: ann, facts, permissions: {}, search: {}, image: {}, ...options })

describe("the environment of a guest", () => {
  it("names the image and its directories", () => {
    assert.deepStrictEqual(ownVariables(facts), {
      FIM_VERSION: "v1.2.3",
      FIM_COMMIT: "c0ffee1",
      FIM_TIMESTAMP: "20260102030405",
      FIM_DIST: "DEBIAN",
      FIM_PID: "42",
      FIM_BIN_SELF: "/opt/apps/x",
      FIM_DIR_SELF: "/opt/apps",
      FIM_OFFSET: "4711",
      FIM_DIR_GLOBAL: "/var/fim",
      FIM_DIR_APP: "/var/fim/app/c0ffee1_20260102030405",
      FIM_DIR_APP_BIN: "/var/fim/app/c0ffee1_20260102030405/bin",
      FIM_DIR_APP_SBIN: "/var/fim/app/c0ffee1_20260102030405/sbin",
      FIM_DIR_INSTANCE: "/var/fim/app/c0ffee1_20260102030405/instance/42",
      FIM_DIR_RUNTIME: "/var/fim/run",
      FIM_DIR_RUNTIME_HOST: "/var/fim/run/host",
      FIM_DIR_DATA: "/opt/apps/.x.data",
      FIM_DIR_LAYERS: "/opt/apps/.x.data/layers"
    })
  })

  it("takes of the caller's only what terminal and language need", () => {
    const host = {
      TERM: "vt100",
      COLORTERM: "truecolor",
      NO_COLOR: "1",
      LANG: "C",
      LANGUAGE: "de",
      TZ: "UTC",
      LC_ALL: "C",
      LC_: "x",
      HOME: "/elsewhere",
      PATH: "/elsewhere",
      SECRET: "s",
      LD_PRELOAD: "/x.so",
      XLC_ALL: "x",
      FIM_PID: "1"
    }
    const given = of({ host })
    assert.deepInclude(given, { TERM: "vt100", LC_ALL: "C", TZ: "UTC", FIM_PID: "42", HOME: "/home/ann" })
    for (const name of ["SECRET", "LD_PRELOAD", "XLC_ALL"]) assert.notProperty(given, name)
    assert.notInclude(given["PATH"], "/elsewhere")
    assert.strictEqual(of({})["TERM"], "xterm")
    assert.strictEqual(of({ host: { TERM: undefined } })["TERM"], "xterm")
  })

  it("is that of the identity", () => {
    assert.deepInclude(of({}), {
      USER: "ann",
      LOGNAME: "ann",
      HOME: "/home/ann",
      UID: "1000",
      GID: "100",
      SHELL: ann.shell
    })
    assert.strictEqual(of({})["XDG_RUNTIME_DIR"], "/run/user/1000")
  })

  it("takes the image's variables before the caller's and what permissions set, but not before ours", () => {
    const host = { LANG: "C" }
    const permissions = { DISPLAY: ":1", PULSE_SERVER: "unix:/x" }
    const image = {
      LANG: "de_DE",
      DISPLAY: ":9",
      PATH: "/own",
      FIM_PID: "1",
      FIM_DIR_DATA: "/x",
      HOME: "/h",
      FIM_OWN: "kept"
    }
    const given = of({ host, permissions, image })
    assert.deepInclude(given, { LANG: "de_DE", DISPLAY: ":9", PATH: "/own", PULSE_SERVER: "unix:/x", FIM_OWN: "kept" })
    assert.deepInclude(given, { FIM_PID: "42", FIM_DIR_DATA: "/opt/apps/.x.data", HOME: "/home/ann" })
  })

  it("finds the image's programs before the bundled ones", () => {
    const path = of({})["PATH"]?.split(":") ?? []
    assert.isBelow(path.indexOf("/usr/bin"), path.indexOf(directories.bin))
    assert.deepStrictEqual(path.slice(-2), [directories.bin, directories.sbin])
  })

  it("searches what permissions add behind what is set, whoever sets it", () => {
    const search = {
      PATH: { usual: "", more: ["/host/bin"] },
      LD_LIBRARY_PATH: { usual: "", more: ["/host/a", "/host/b"] },
      XDG_DATA_DIRS: { usual: "/usr/local/share:/usr/share", more: ["/host/share"] }
    }
    const given = of({ search })
    assert.strictEqual(given["PATH"], `${of({})["PATH"]}:/host/bin`)
    assert.strictEqual(given["LD_LIBRARY_PATH"], "/host/a:/host/b")
    assert.strictEqual(given["XDG_DATA_DIRS"], "/usr/local/share:/usr/share:/host/share")
    const image = { PATH: "/own", LD_LIBRARY_PATH: "/own/lib", XDG_DATA_DIRS: "" }
    assert.deepInclude(of({ search, image }), {
      PATH: "/own:/host/bin",
      LD_LIBRARY_PATH: "/own/lib:/host/a:/host/b",
      XDG_DATA_DIRS: "/host/share"
    })
  })
})
