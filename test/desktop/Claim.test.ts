import { assert, describe, it } from "@effect/vitest"
import { claimOf } from "../../src/desktop/Claim.ts"
import { identityOf } from "../../src/desktop/Names.ts"
import type { StoredRecord } from "../../src/desktop/Records.ts"
import { nativeBytes } from "../support/Platform.ts"

const kept = (name: string, image: string, apart = false): StoredRecord => ({
  key: identityOf(nativeBytes, name, apart ? image : undefined).file,
  record: {
    format: 1,
    image,
    state: "",
    desktop: { name, categories: [], integrations: [] },
    icon: "",
    apart,
    files: [],
    directories: []
  }
})

const claim = (image: string, records: ReadonlyArray<StoredRecord>, there: ReadonlyArray<string>, isTaken = false) => {
  const found = claimOf(nativeBytes, { name: "App", image, records, isThere: (path) => there.includes(path), isTaken })
  return {
    file: found.identity.file === "App"
      ? "plain"
      : found.identity.file === identityOf(nativeBytes, "App", image).file
      ? "apart"
      : "?",
    own: found.own.map(({ record }) => record.image),
    others: found.others.map(({ record }) => record.image)
  }
}

describe("the names of an image are", () => {
  it("plain for the first", () => {
    assert.deepStrictEqual(claim("/a", [], []), { file: "plain", own: [], others: [] })
    assert.deepStrictEqual(claim("/a", [kept("Other", "/b")], ["/b"]), { file: "plain", own: [], others: ["/b"] })
  })

  it("its own again, where it stayed and where it was moved to", () => {
    assert.deepStrictEqual(claim("/a", [kept("App", "/a")], ["/a"]), { file: "plain", own: ["/a"], others: [] })
    assert.deepStrictEqual(claim("/new", [kept("App", "/a")], ["/new"]), { file: "plain", own: ["/a"], others: [] })
  })

  it("apart from those of another image of this name that is there", () => {
    assert.deepStrictEqual(claim("/b", [kept("App", "/a")], ["/a", "/b"]), { file: "apart", own: [], others: ["/a"] })
    const both = [kept("App", "/a"), kept("App", "/b", true)]
    assert.deepStrictEqual(claim("/b", both, ["/a", "/b"]), { file: "apart", own: ["/b"], others: ["/a"] })
    assert.deepStrictEqual(claim("/a", both, ["/a", "/b"]), { file: "plain", own: ["/a"], others: ["/b"] })
    // The second was moved: it is not the first.
    assert.deepStrictEqual(claim("/c", both, ["/a", "/c"]), { file: "apart", own: ["/b"], others: ["/a"] })
    // The first was removed: it is not the second, which is known.
    assert.deepStrictEqual(claim("/b", both, ["/b"]), { file: "apart", own: ["/b"], others: ["/a"] })
    // Both are gone, and a third begins: it takes the plain ones over.
    assert.deepStrictEqual(claim("/c", both, ["/c"]), { file: "plain", own: ["/a"], others: ["/b"] })
  })

  it("apart from files that no image has made, and new for a new name", () => {
    assert.deepStrictEqual(claim("/a", [], ["/a"], true), { file: "apart", own: [], others: [] })
    assert.deepStrictEqual(claim("/a", [kept("App", "/a")], ["/a"], true), { file: "plain", own: ["/a"], others: [] })
    assert.deepStrictEqual(claim("/a", [kept("Old", "/a")], ["/a"]), { file: "plain", own: ["/a"], others: [] })
  })

  it("also those that it had under another name at another path", () => {
    const old = { ...kept("Old", "/gone"), record: { ...kept("Old", "/gone").record, identity: "id" } }
    const copy = { ...kept("Copy", "/copy"), record: { ...kept("Copy", "/copy").record, identity: "id" } }
    const found = claimOf(nativeBytes, {
      name: "App",
      image: "/a",
      records: [old, copy, kept("App", "/a")],
      isThere: (path) => path !== "/gone",
      isTaken: false,
      identities: ["id"]
    })
    assert.deepStrictEqual(found.own.map(({ record }) => record.image), ["/a", "/gone"])
    assert.deepStrictEqual(found.others.map(({ record }) => record.image), ["/copy"])
  })
})
