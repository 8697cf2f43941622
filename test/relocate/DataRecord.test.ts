import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import {
  claimOf,
  dataNames,
  type DataRecord,
  type ImageFile,
  isCurrent,
  isDataName,
  parseRecord,
  pickSibling,
  recordOf,
  recordText,
  type Sibling
} from "../../src/relocate/DataRecord.ts"

const [one, two, three] = ["1", "2", "3"].map((digit) => digit.repeat(32)) as [string, string, string]

const image: ImageFile = { path: "/d/app", identity: one, device: "5", inode: "77" }
const record = (changes: Partial<DataRecord> = {}): DataRecord => ({ ...recordOf(image)!, ...changes })

describe("the record of a data directory", () => {
  it("is read as it was written", () => {
    assert.deepStrictEqual(Result.getOrThrow(parseRecord(recordText(record()))), record())
  })

  it("lets later versions say more", () => {
    assert.deepStrictEqual(Result.getOrThrow(parseRecord(JSON.stringify({ ...record(), since: 1 }))), record())
  })

  it.each([
    "",
    "null",
    "{",
    "[]",
    JSON.stringify({ ...record(), identity: one.slice(1) }),
    JSON.stringify({ ...record(), identity: "A".repeat(32) }),
    JSON.stringify({ ...record(), path: "d/app" }),
    JSON.stringify({ ...record(), path: "/d\0" }),
    JSON.stringify({ ...record(), path: `/${"d".repeat(5000)}` }),
    JSON.stringify({ ...record(), device: 5 }),
    JSON.stringify({ ...record(), inode: "-1" }),
    JSON.stringify({ ...record(), inode: "9".repeat(21) })
  ])("is none in %j", (text) => {
    assert.isTrue(Result.isFailure(parseRecord(text)))
  })
})

describe("a data directory", () => {
  it("belongs to the image with its identity, wherever the file is", () => {
    assert.strictEqual(claimOf(record({ path: "/e/b", device: "1", inode: "2" }), image), "Ours")
  })

  it("without a record belongs to the image with its name", () => {
    assert.strictEqual(claimOf(undefined, image), "Unclaimed")
  })

  it("belongs to no image with another identity, even at the same path and in the same file", () => {
    assert.strictEqual(claimOf(record({ identity: two }), image), "Foreign")
  })

  it("belongs to the file that had its identity before, and to no copy of that", () => {
    const changed = { ...image, identity: two, formerly: [three, one] }
    assert.strictEqual(claimOf(record(), changed), "Ours")
    assert.strictEqual(claimOf(record({ inode: "78" }), changed), "Foreign")
    assert.strictEqual(claimOf(record({ identity: "4".repeat(32) }), changed), "Foreign")
  })

  it("belongs to an image without an identity by file or path", () => {
    const { identity: _identity, ...old } = image
    assert.strictEqual(claimOf(record({ path: "/e" }), old), "Ours")
    assert.strictEqual(claimOf(record({ inode: "1" }), old), "Ours")
    assert.strictEqual(claimOf(record({ inode: "1", path: "/e" }), old), "Foreign")
    assert.isTrue(isCurrent(undefined, old))
  })

  it("has its record written anew only when that changes", () => {
    assert.isTrue(isCurrent(record(), image))
    assert.isFalse(isCurrent(undefined, image))
    for (const other of [{ path: "/e" }, { device: "6" }, { inode: "1" }, { identity: two }]) {
      assert.isFalse(isCurrent(record(other), image))
    }
  })

  it("has a second name for where the usual one is another image's", () => {
    assert.deepStrictEqual(dataNames(image), [".app.data", ".app-11111111.data"])
    assert.deepStrictEqual(["", ".data", "..data", ".a.data", "a.data", ".a.date"].map(isDataName), [
      false,
      false,
      false,
      true,
      false,
      false
    ])
  })
})

const sibling = (name: string, file: Sibling["file"]): Sibling => ({ directory: `/d/${name}`, record: record(), file })

describe("of the directories beside", () => {
  it("a copy's is not used", () => {
    assert.strictEqual(pickSibling([sibling("a", "Copy")])._tag, "None")
  })

  it("the only one whose image is gone is renamed", () => {
    const gone = sibling("b", "Gone")
    assert.deepStrictEqual(pickSibling([sibling("a", "Copy"), gone]), { _tag: "Rename", sibling: gone })
  })

  it("none is chosen of several whose images are gone", () => {
    const pick = pickSibling([sibling("a", "Gone"), sibling("b", "Gone")])
    assert.deepStrictEqual(pick, { _tag: "Several", directories: ["/d/a", "/d/b"] })
  })

  it("that of this very file is used before all others", () => {
    const mine = sibling("c", "This")
    assert.deepStrictEqual(pickSibling([sibling("a", "Gone"), mine]), { _tag: "Use", sibling: mine })
  })
})
