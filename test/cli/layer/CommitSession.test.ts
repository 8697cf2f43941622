/** The native half of a commit, request by request. */
import { assert, describe, it } from "@effect/vitest"
import { execFileSync, spawnSync } from "node:child_process"
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import { patcher } from "../../image/ReservedSpaceFixture.ts"
import { compiler } from "../../support/Attacker.ts"
import { makeLayer } from "../../support/Layers.ts"
import { compileOldKernel } from "../../support/OldKernel.ts"
import { projectRoot } from "../../support/Project.ts"

const directory = mkdtempSync(join(tmpdir(), "flatimage-commit-"))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

let count = 0
/** A data directory; the upper directory in it. */
const data = () => {
  const path = join(directory, String(count++))
  for (const room of ["data", "work", "tmp"]) mkdirSync(join(path, room), { recursive: true })
  return { path, upper: join(path, "data") }
}

const commit = (path: string, ...requests: ReadonlyArray<object>) => commitBy("", path, ...requests)

/**
 * Answers to requests. `kept` is the directory as it was before the end of the input took it away. `front` is a program, and its words,
 * that starts the other.
 */
const commitBy = (front: string, path: string, ...requests: ReadonlyArray<object>) => {
  const kept = `${path}/kept`
  // A copy is made where a request would be: all that is asked is answered one after the other.
  const script =
    `{ for request do printf '%s\\n' "$request"; done; sleep 0.3; cp -a "$data/tmp/commit" "$data/kept"; } |`
    + ` ${front} "$fim" commit "$data"`
  const { stdout } = spawnSync("sh", ["-c", script, "sh", ...requests.map((request) => JSON.stringify(request))], {
    env: { ...process.env, data: path, fim: patcher() },
    encoding: "utf8"
  })
  assert.deepStrictEqual(readdirSync(`${path}/tmp`), [])
  const answers = stdout.trimEnd().split("\n").map((line) =>
    JSON.parse(line) as {
      readonly ok?: { readonly entries?: number; readonly left_out?: ReadonlyArray<unknown> }
      readonly error?: string
    }
  )
  return { answers, kept }
}

const stage = (layers: ReadonlyArray<string> = [], overlay = "bwrap") => ({
  op: "stage",
  layers: layers.map((path) => ({ path, offset: 0, size: statSync(path).size })),
  below: layers.length,
  overlay,
  without: []
})

const isWhiteout = (path: string): boolean => {
  const info = lstatSync(path)
  return info.isCharacterDevice() && info.rdev === 0
}

describe("staging", () => {
  it("reads what fuse-overlayfs and unionfs-fuse note", () => {
    const { path, upper } = data()
    const layer = makeLayer(join(path, "layer"), { "opaque/old": "", "opaque/sub/old": "", "made/again": "", gone: "" })
    for (const room of ["opaque/sub", "made", ".unionfs-fuse/opaque/sub"]) {
      mkdirSync(join(upper, room), { recursive: true })
    }
    for (const file of [".wh.gone", "opaque/.wh..wh..opq", "opaque/new", ".unionfs-fuse/made_HIDDEN~", "made/new"]) {
      writeFileSync(join(upper, file), "")
    }
    writeFileSync(join(upper, ".unionfs-fuse/opaque/sub/other_HIDDEN~"), "")
    const { answers, kept } = commit(path, stage([layer], "overlayfs"))
    assert.deepStrictEqual(answers, [{ ok: {} }, { ok: { entries: 10, left_out: [] } }])
    const tree = `${kept}/tree`
    assert.deepStrictEqual(readdirSync(tree, { recursive: true, encoding: "utf8" }).sort(), [
      "gone",
      "made",
      "made/again",
      "made/new",
      "opaque",
      "opaque/new",
      "opaque/old",
      "opaque/sub",
      "opaque/sub/old",
      "opaque/sub/other"
    ])
    for (const name of ["gone", "made/again", "opaque/old", "opaque/sub/old", "opaque/sub/other"]) {
      assert.isTrue(isWhiteout(`${tree}/${name}`), name)
    }
  })

  it("takes the names that fuse-overlayfs would read for files where it was not in use", () => {
    const { path, upper } = data()
    writeFileSync(join(upper, ".wh.file"), "")
    assert.isTrue(lstatSync(`${commit(path, stage()).kept}/tree/.wh.file`).isFile())
  })
})

/** Gives words that start a program where there is no newer system call. */
const oldKernel = (use: (front: string) => void) => {
  const { path, remove } = compileOldKernel()
  try {
    use(`${path} enosys`)
  } finally {
    remove()
  }
}

describe.skipIf(compiler.missing !== undefined)("where no device can be made", () => {
  it("deletions are names of one file", () =>
    oldKernel((front) => {
      const { path, upper } = data()
      const layer = makeLayer(join(path, "layer"), { "room/old": "", gone: "" })
      mkdirSync(join(upper, "room"))
      for (const file of [".wh.gone", "room/.wh.old", "room/new"]) writeFileSync(join(upper, file), "")
      const { answers, kept } = commitBy(front, path, stage([layer]))
      assert.deepStrictEqual(answers, [{ ok: {} }, { ok: { entries: 4, left_out: [] } }])
      const marker = statSync(`${kept}/whiteout`)
      assert.deepStrictEqual([marker.size, marker.mode & 0o7777], [0, 0])
      for (const name of ["gone", "room/old"]) {
        assert.strictEqual(lstatSync(`${kept}/tree/${name}`).ino, marker.ino, name)
      }
      assert.notStrictEqual(lstatSync(`${kept}/tree/room/new`).ino, marker.ino)
    }))

  it("names that fuse-overlayfs would read are files with unionfs-fuse all the same", () =>
    oldKernel((front) => {
      const { path, upper } = data()
      writeFileSync(join(upper, ".wh.file"), "")
      assert.isTrue(lstatSync(`${commitBy(front, path, stage([], "unionfs")).kept}/tree/.wh.file`).isFile())
    }))
})

const fill = (upper: string) => {
  mkdirSync(join(upper, "room"))
  writeFileSync(join(upper, "room/file"), "content")
  linkSync(join(upper, "room/file"), join(upper, "room/link"))
  writeFileSync(join(upper, "other"), "more")
  symlinkSync("file", join(upper, "symbolic"))
  for (const name of ["room/file", "other", "room"]) utimesSync(join(upper, name), 1_000_000, 1_000_000)
}
const pack = (upper: string, layer: string) =>
  execFileSync(`${projectRoot}/build/native/mkdwarfs`, ["-i", upper, "-o", layer, "--progress", "never"])

const keepTime = (path: string) => utimesSync(path, 1_000_000, 1_000_000)

/** The answer about a layer whose source has changed since. */
const verified = (change: (upper: string) => void) => {
  const { path, upper } = data()
  fill(upper)
  const layer = join(path, "layer")
  pack(upper, layer)
  change(upper)
  return commit(path, stage(), { op: "verify", layer, owned_by_root: false }).answers.at(-1)
}

describe("verifying", () => {
  it("accepts what is the same", () => assert.deepStrictEqual(verified(() => {}), { ok: {} }))

  it.each<readonly [string, (upper: string) => void, RegExp]>([
    ["another content", (upper) => {
      writeFileSync(join(upper, "room/file"), "CONTENT")
      keepTime(join(upper, "room/file"))
    }, /its content differs at '.*\/room\/file'/],
    ["a file that is longer", (upper) => {
      writeFileSync(join(upper, "other"), "more of it")
      keepTime(join(upper, "other"))
    }, /its size differs at '.*\/other'/],
    ["a file that is shorter", (upper) => {
      writeFileSync(join(upper, "other"), "mo")
      keepTime(join(upper, "other"))
    }, /its (content|size) differs at '.*\/other'/],
    ["other permissions", (upper) => chmodSync(join(upper, "other"), 0o4711), /its permissions differs at/],
    ["another time", (upper) => utimesSync(join(upper, "other"), 5, 5), /its time differs at/],
    ["another target", (upper) => {
      rmSync(join(upper, "symbolic"))
      symlinkSync("elif", join(upper, "symbolic"))
      execFileSync("touch", ["-h", "-r", `${upper}/../layer`, join(upper, "symbolic")])
    }, /its (target|time) differs at/],
    ["one name more", (upper) => writeFileSync(join(upper, "new"), ""), /the names in it|its time/],
    ["a link that is a file of its own", (upper) => {
      rmSync(join(upper, "room/link"))
      writeFileSync(join(upper, "room/link"), "content")
      for (const name of ["room/link", "room"]) keepTime(join(upper, name))
    }, /which file it is a link to differs at '.*\/room\/link'/]
  ])("finds %s", (_, change, error) => {
    const answer = verified(change)
    assert.match(answer?.error ?? "", /^the new layer is not what it was made of: /)
    assert.match(answer?.error ?? "", error)
  })

  it("does not take a damaged layer", () => {
    const { path, upper } = data()
    fill(upper)
    const layer = join(path, "layer")
    writeFileSync(layer, "DWARFS")
    const { answers } = commit(path, stage(), { op: "verify", layer, owned_by_root: false })
    assert.match(answers.at(-1)?.error ?? "", /^cannot open a layer: /)
    assert.isTrue(existsSync(join(upper, "other")))
  })
})
