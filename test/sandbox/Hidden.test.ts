import { assert, describe, it } from "@effect/vitest"
import type { Bind } from "../../src/sandbox/Arguments.ts"
import { hide, ownDirectories } from "../../src/sandbox/Hidden.ts"
import { directories } from "./SandboxFixture.ts"

const ours = ["/home/ann/.cache/flatimage", "/home/ann/apps/.x.data", "/tmp/fim"]
const guest = "/tmp/fim"

/** A bind of what has a real path, and where it is put. */
const bind = (real: string | undefined, target: string) => ({
  bind: { type: "rw", source: real ?? "/nothing", target, optional: true } satisfies Bind,
  real
})

const hidden = (...binds: ReadonlyArray<ReturnType<typeof bind>>) => hide(binds, ours, guest).hidden

describe("directories of ours in what a guest sees", () => {
  it("are hidden wherever a bind of a directory above them shows them", () => {
    assert.deepStrictEqual(hidden(bind("/home/ann", "/home/ann")), [
      "/home/ann/.cache/flatimage",
      "/home/ann/apps/.x.data"
    ])
    assert.deepStrictEqual(hidden(bind("/home", "/mnt"), bind("/home/ann/apps", "/srv")), [
      "/mnt/ann/.cache/flatimage",
      "/mnt/ann/apps/.x.data",
      "/srv/.x.data"
    ])
    assert.deepStrictEqual(hidden(bind("/", "/host")), ours.map((path) => `/host${path}`))
    assert.deepStrictEqual(hidden(bind("/home/ann/.cache", "/c")), ["/c/flatimage"])
  })

  it("are not where a later bind covers the place, which is looked at by itself", () => {
    assert.deepStrictEqual(hidden(bind("/home/ann", "/home/ann"), bind("/srv", "/home/ann/.cache")), [
      "/home/ann/apps/.x.data"
    ])
    assert.deepStrictEqual(hidden(bind("/home/ann", "/home/ann"), bind("/home/ann", "/home")), [
      "/home/.cache/flatimage",
      "/home/apps/.x.data"
    ])
    // An earlier one does not.
    assert.deepStrictEqual(hidden(bind("/srv", "/home/ann/.cache"), bind("/home/ann/.cache", "/home/ann/.cache")), [
      "/home/ann/.cache/flatimage"
    ])
  })

  it("are not bound themselves, nor what is in them", () => {
    const inside = ["/tmp/fim", "/tmp/fim/app/x/bin/fim", "/home/ann/apps/.x.data/work"].map((path) => bind(path, "/t"))
    const beside = ["/tmp/fimx", "/home/ann/apps/.x.data2"].map((path) => bind(path, "/t"))
    const shown = hide([...inside, ...beside], ours, guest)
    assert.deepStrictEqual(shown.refused, inside.map(({ bind }) => bind))
    assert.deepStrictEqual(shown.binds, beside.map(({ bind }) => bind))
    assert.deepStrictEqual(shown.hidden, [])
  })

  it("give way to ours where a bind lies above the place of the guest", () => {
    assert.deepStrictEqual(hidden(bind("/tmp", "/tmp")), ["/tmp/fim"])
    assert.deepStrictEqual(hidden(bind("/srv", "/tmp")), ["/tmp/fim"])
    assert.deepStrictEqual(hidden(bind("/srv", "/tmp/fim")), ["/tmp/fim"])
    assert.deepStrictEqual(hidden(bind("/srv", "/tmp/x")), [])
  })

  it("are those of the last path only: what cannot be resolved shows nothing", () => {
    assert.deepStrictEqual(hidden(bind(undefined, "/t")), [])
  })

  it("have their places in the caller's home, beside the image and where the caller says", () => {
    const host = {
      environment: { HOME: "/home/ann", XDG_CACHE_HOME: "/c", XDG_CONFIG_HOME: "relative", FIM_DIR_DATA: "/d" },
      pid: 1,
      uid: 1000,
      gid: 1000,
      architecture: "x64",
      directory: "/",
      args: []
    }
    assert.deepStrictEqual(ownDirectories(host, "/opt/apps/x", directories, "/d"), [
      "/var/fim",
      "/d",
      "/d",
      "/opt/apps/.x.unfinished",
      "/c/flatimage",
      "/home/ann/.cache/flatimage",
      "/home/ann/.config/flatimage",
      "/home/ann/.local/share/flatimage"
    ])
  })
})
