import { assert, describe, it } from "@effect/vitest"
import { ownDependencies } from "../../src/builder/Dependencies.ts"

const sha256 = (digit: string) => digit.repeat(64)

describe("fim-version deps", () => {
  it("has our own programs under the names of what they stand for", () => {
    const programs = [
      { path: "bin/fim", sha256: sha256("1") },
      { path: "bin/mkdwarfs", sha256: sha256("2") }
    ]
    assert.deepStrictEqual(ownDependencies({ version: "1.2.3", commit: "66831bd" }, programs), {
      ciopfs: {
        version: "1.2.3",
        source: "flatimage 66831bd, src/native/casefold",
        sha: sha256("1"),
        licenses: [{ type: "Apache-2.0", url: "https://spdx.org/licenses/Apache-2.0.html" }]
      },
      dwarfs_aio: {
        version: "1.2.3",
        source: "flatimage 66831bd, src/native/mkdwarfs",
        sha: sha256("2"),
        licenses: [{ type: "GPL-3.0-only", url: "https://spdx.org/licenses/GPL-3.0-only.html" }]
      }
    })
  })

  it("does not say of a program what is not in the image", () => {
    const fim = { path: "bin/fim", sha256: sha256("1") }
    assert.deepStrictEqual(Object.keys(ownDependencies({ version: "1.2.3", commit: "66831bd" }, [fim])), ["ciopfs"])
  })
})
