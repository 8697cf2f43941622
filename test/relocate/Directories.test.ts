import { assert, describe, it } from "@effect/vitest"
import { basename, below, chosenData, dataPlaces, dirname, inGuest } from "../../src/relocate/Directories.ts"
import { Host } from "../../src/relocate/Host.ts"

const hostWith = (environment: Readonly<Record<string, string>>, directory: string | undefined = "/home/eva") =>
  Host.of({ environment, pid: 1, uid: 1000, gid: 100, architecture: "x64", directory, args: [] })

const image = "/opt/some apps/my.app"

describe("directories", () => {
  const directories = below("/g", "c_t", "42", "/opt")

  it("are those of the documentation", () => {
    assert.deepStrictEqual(directories, {
      self: "/opt",
      global: "/g",
      application: "/g/app/c_t",
      bin: "/g/app/c_t/bin",
      sbin: "/g/app/c_t/sbin",
      lib: "/g/app/c_t/lib",
      instances: "/g/app/c_t/instance",
      instance: "/g/app/c_t/instance/42",
      runtime: "/g/run",
      runtimeHost: "/g/run/host"
    })
  })

  it("are below /tmp/fim in the guest, but for the image's own", () => {
    const guest = inGuest(directories)
    assert.deepStrictEqual(guest, below("/tmp/fim", "c_t", "42", "/opt"))
    assert.strictEqual(guest.instance, "/tmp/fim/app/c_t/instance/42")
  })
})

describe("the data directory", () => {
  it("is where FIM_DIR_DATA says, and nowhere else", () => {
    assert.strictEqual(chosenData(hostWith({ FIM_DIR_DATA: "/d", HOME: "/h" })), "/d")
    assert.strictEqual(chosenData(hostWith({ FIM_DIR_DATA: "d/e//" })), "/home/eva/d/e")
    assert.strictEqual(chosenData(hostWith({ FIM_DIR_DATA: "/" })), "/")
    assert.strictEqual(chosenData(hostWith({ FIM_DIR_DATA: "", HOME: "/h" })), undefined)
  })

  it("is beside the image, or else in the data home", () => {
    const beside = "/opt/some apps"
    assert.deepStrictEqual(dataPlaces(hostWith({ HOME: "/h" }), image), [beside, "/h/.local/share/flatimage"])
    assert.deepStrictEqual(dataPlaces(hostWith({ HOME: "/h", XDG_DATA_HOME: "/x" }), image), [beside, "/x/flatimage"])
    assert.deepStrictEqual(
      dataPlaces(hostWith({ HOME: "/h", XDG_DATA_HOME: "" }), image)[1],
      "/h/.local/share/flatimage"
    )
    assert.deepStrictEqual(dataPlaces(hostWith({}), image), [beside])
  })
})

it.each([
  ["/a", "/", "a"],
  ["/a/b", "/a", "b"],
  ["/a b/\n/ü", "/a b/\n", "ü"]
])("%j is in %j and is called %j", (path, directory, name) => {
  assert.strictEqual(dirname(path), directory)
  assert.strictEqual(basename(path), name)
})
