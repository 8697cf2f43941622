import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { nameOf, parseReference, type Reference } from "../../../src/builder/oci/Reference.ts"

const digest = `sha256:${"0a".repeat(32)}`

const parsed: ReadonlyArray<readonly [text: string, reference: Reference, name: string]> = [
  ["oci:dir", { _tag: "Layout", path: "dir", tag: undefined }, "dir"],
  ["oci:/a b/dir/:v1", { _tag: "Layout", path: "/a b/dir/", tag: "v1" }, "dir"],
  ["oci-archive:x/app.tar.gz", { _tag: "OciArchive", path: "x/app.tar.gz", tag: undefined }, "app"],
  ["docker-archive:app.tar:me/app:1", { _tag: "DockerArchive", path: "app.tar", tag: "me/app:1" }, "app"],
  ["containers-storage:localhost/app:1", { _tag: "Storage", name: "localhost/app:1" }, "app"],
  ["docker://h.example/a/b:t", { _tag: "Registry", host: "h.example", name: "a/b", version: "t" }, "b"],
  ["docker://localhost/a", { _tag: "Registry", host: "localhost", name: "a", version: "latest" }, "a"],
  ["docker://h:5000/a:1@" + digest, { _tag: "Registry", host: "h:5000", name: "a", version: digest }, "a"],
  ["docker://[::1]:5000/a", { _tag: "Registry", host: "[::1]:5000", name: "a", version: "latest" }, "a"],
  ["docker://alpine:3", { _tag: "Registry", host: "docker.io", name: "library/alpine", version: "3" }, "alpine"],
  ["docker://me/app", { _tag: "Registry", host: "docker.io", name: "me/app", version: "latest" }, "app"]
]

const refused = [
  "",
  "alpine",
  "dir:x",
  "oci:",
  "oci:dir:",
  "oci::tag",
  "docker://",
  "docker://h.example/",
  "docker://h.example/A",
  "docker://h.example/a/../b",
  "docker://h.example/a:b:c",
  "docker://h.example/a:-",
  "docker://h.example/a@sha256:12",
  "docker://h.example/a@md5:00",
  "docker://user:secret@h.example/a",
  "docker://h.exa mple/a",
  "docker://h.example/a?x=y",
  "docker://h.example/a\nb",
  "containers-storage:",
  "containers-storage:--all"
]

describe("a reference", () => {
  it("says where a container is", () => {
    for (const [text, reference, name] of parsed) {
      const result = parseReference(text)
      assert.deepStrictEqual(Result.getOrElse(result, (error) => error), reference, text)
      assert.strictEqual(nameOf(reference), name)
    }
  })

  it("is refused unless it is one", () => {
    for (const text of refused) assert.isTrue(Result.isFailure(parseReference(text)), text)
  })
})
