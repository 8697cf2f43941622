import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { fileURLToPath, pathToFileURL } from "node:url"
import { pathOfUrl } from "../src/FileUrl.ts"

const nodes = (url: string): string | undefined => {
  try {
    return fileURLToPath(url)
  } catch {
    return undefined
  }
}

describe("the path of a URL", () => {
  it.each([
    "file:///a/b",
    "FILE:///a/b",
    "file:/a/b",
    "file:a",
    "file:",
    "file:///",
    "file://localhost/a",
    "file://host/a",
    "file:///a%20b%C3%A4",
    "file:///a%2Fb",
    "file:///a%2fb",
    "file:///a%ff",
    "file:///a%",
    "file:///a?b#c",
    "file:///a/../b/./c",
    "file:///C:/a",
    "file:\\\\\\a\\b",
    "https://host/a",
    "/a/b",
    "a",
    ""
  ])("is that of Node: %s", (url) => {
    assert.strictEqual(pathOfUrl(url), nodes(url))
  })

  it.prop("leads back to the file", { name: Schema.String }, ({ name }) => {
    const url = pathToFileURL(`/${name}`).href
    assert.strictEqual(pathOfUrl(url), nodes(url))
  })
})
