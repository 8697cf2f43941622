/** Images that `flatimage build` makes of definitions and of mirrors, built as a user builds them, and run. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { zstdCompressSync } from "node:zlib"
import { newSigner, writeApkMirror } from "../support/ApkMirror.ts"
import { closureOfProject } from "../support/Closure.ts"
import { elfHeader } from "../support/Elf.ts"
import * as Needs from "../support/Needs.ts"
import { scenario } from "../support/Needs.ts"
import { endPgpSigner, newPgpSigner, signFile } from "../support/PacmanMirror.ts"
import { archive, entry } from "../support/Tar.ts"
import { filesOf, serve } from "../support/WebServer.ts"
import { workshop } from "../support/Workshop.ts"

const busybox = () => readFileSync(`${closureOfProject().directory}/bin/busybox`)

const digest = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex")

describe("an image of a definition", () => {
  scenario(
    "has what its steps made, is the same bytes each time, and is made again from a change on",
    Needs.images,
    () =>
      Effect.gen(function*() {
        const { build, clean, directory, run } = yield* workshop
        mkdirSync(`${directory}/files`)
        writeFileSync(`${directory}/files/tool`, "#!/bin/sh\necho \"tool $*\"\n", { mode: 0o644 })
        const define = (last: string) =>
          writeFileSync(
            `${directory}/app.flatimage.json`,
            JSON.stringify({
              format: 1,
              base: { dist: "blueprint" },
              steps: [
                // /bin is a link, which stays one.
                { copy: "files/tool", to: "/bin/tool", mode: "755" },
                {
                  run: "id -u > /srv/id; rm /etc/shells; ls /sys/class/net > /srv/net || true; echo $NAME > /srv/name",
                  environment: { NAME: "x y" }
                },
                // Nobody has made it before.
                { run: `${last} # ${directory}` }
              ],
              settings: { permissions: ["network"], environment: { COLOR: "blue" } },
              boot: ["tool", "first"]
            })
          )
        define("echo last > /srv/last")
        const built = yield* build("app.flatimage.json", "--reproducible", "-o", "app.flatimage")
        assert.strictEqual(built.code, 0, built.stderr)
        const again = yield* build("app.flatimage.json", "--reproducible", "--refresh", "-o", "again.flatimage")
        assert.strictEqual(again.code, 0, again.stderr)
        assert.notInclude(again.stderr, "cached")
        assert.strictEqual(digest(`${directory}/again.flatimage`), digest(`${directory}/app.flatimage`))

        assert.strictEqual((yield* run("app.flatimage", "second")).stdout, "tool first second\n")
        const found = yield* run(
          "app.flatimage",
          "fim-exec",
          "sh",
          "-c",
          "cat /srv/id /srv/name /srv/last; echo $COLOR; test -L /bin && echo link; test -e /etc/shells || echo gone; stat -c %Y /srv/last"
        )
        assert.strictEqual(found.stdout, "0\nx y\nlast\nblue\nlink\ngone\n1700000000\n", found.stderr)
        assert.strictEqual((yield* run("app.flatimage", "fim-perms", "list")).stdout, "network\n")
        assert.lengthOf((yield* run("app.flatimage", "fim-layer", "list")).stdout.trim().split("\n"), 4)

        define("echo changed > /srv/last")
        const changed = yield* build("app.flatimage.json", "--reproducible", "-o", "changed.flatimage")
        assert.strictEqual(changed.code, 0, changed.stderr)
        assert.lengthOf(changed.stderr.match(/^\[[12]\/3\] .*: cached$/gm) ?? [], 2, changed.stderr)
        assert.match(changed.stderr, /^\[3\/3\] Run echo changed .*: \d/m)
        assert.strictEqual((yield* run("changed.flatimage", "fim-exec", "cat", "/srv/last")).stdout, "changed\n")

        define("echo to be seen; exit 3")
        const failed = yield* build("app.flatimage.json", "-o", "failed.flatimage")
        assert.strictEqual(failed.code, 125)
        assert.match(failed.stderr, /^flatimage: sh -euc echo to be seen; exit 3 .*failed with 3: to be seen$/m)
        assert.isFalse(existsSync(`${directory}/failed.flatimage`))
        yield* clean
      }),
    200_000
  )
})

describe("an image of a root tree", () => {
  scenario("has names and link targets that are not UTF-8", Needs.images, () =>
    Effect.gen(function*() {
      const { build, clean, directory, run } = yield* workshop
      mkdirSync(`${directory}/tree/bin`, { recursive: true })
      writeFileSync(`${directory}/tree/bin/sh`, busybox(), { mode: 0o755 })
      const script =
        "mkdir tree/below; cd tree/below; echo whole > \"$(printf 'a\\377')\"; ln -s \"$(printf 'a\\377')\" link; "
        + "tar -cf ../../tree.tar -C .. ."
      assert.strictEqual(spawnSync("sh", ["-euc", script], { cwd: directory }).status, 0)
      for (const root of ["tree", "tree.tar"]) {
        const built = yield* build("--rootfs", root, "-o", `${root}.flatimage`)
        assert.strictEqual(built.code, 0, built.stderr)
        const seen = yield* run(
          `${root}.flatimage`,
          "fim-exec",
          "sh",
          "-c",
          "cd /below; cat \"$(printf 'a\\377')\" link; printf '%s\\n' *"
        )
        assert.deepStrictEqual([seen.stderr, seen.bytes.toString("latin1")], ["", "whole\nwhole\na\xff\nlink\n"], root)
      }
      yield* clean
    }), 60_000)

  scenario("is not made of programs for another processor", [], () =>
    Effect.gen(function*() {
      const { build, directory } = yield* workshop
      const [name, machine] = process.arch === "x64" ? ["arm64", 183] : ["amd64", 62]
      mkdirSync(`${directory}/tree/bin`, { recursive: true })
      writeFileSync(`${directory}/tree/bin/sh`, elfHeader(Number(machine)))
      const { code, stderr } = yield* build("--rootfs", "tree", "-o", "other.flatimage")
      assert.strictEqual(code, 125)
      assert.include(
        stderr,
        `flatimage: ${directory}/tree is a tree for ${name}, as its bin/sh is, and the image is for`
      )
      assert.include(stderr, `: add --arch ${name}, or name a tree for `)
      assert.isFalse(existsSync(`${directory}/other.flatimage`))
    }), 60_000)
})

describe("an image of a distribution", () => {
  scenario("is Alpine from a mirror", Needs.images, () =>
    Effect.gen(function*() {
      const { build, directory, run } = yield* workshop
      writeApkMirror({
        mirror: `${directory}/mirror`,
        keys: `${directory}/keys`,
        suite: "latest-stable",
        signer: newSigner(),
        packages: [
          {
            name: "alpine-base",
            fields: { D: "busybox" },
            files: [entry("etc/alpine-release", "0", "", "3.99\n", 0o644)]
          },
          {
            name: "busybox",
            files: [entry("bin/busybox", "0", "", busybox()), entry("bin/sh", "2", "busybox")],
            scripts: { ".post-install": "#!/bin/busybox sh\nexec /bin/busybox --install -s /bin\n" }
          }
        ]
      })
      const mirror = yield* serve(filesOf(`${directory}/mirror`))
      const silent = yield* build("--dist", "alpine", "--keyring", "keys", "-o", "alpine.flatimage")
      assert.strictEqual(silent.code, 125)
      assert.match(silent.stderr, /no mirror of ALPINE is known: name one by --mirror URL, by FLATIMAGE_MIRROR_ALPINE/)
      const built = yield* build("--dist", "alpine", "--mirror", mirror, "--keyring", "keys", "-o", "alpine.flatimage")
      assert.strictEqual(built.code, 0, built.stderr)
      assert.strictEqual((yield* run("alpine.flatimage", "fim-exec", "cat", "/etc/alpine-release")).stdout, "3.99\n")
      assert.match((yield* run("alpine.flatimage", "fim-version", "full")).stdout, /"DISTRIBUTION": "ALPINE"/)
    }), 150_000)

  scenario(
    "is Arch from its signed bootstrap archive",
    [...Needs.images, Needs.program("gpg")],
    () =>
      Effect.gen(function*() {
        const { build, directory, run } = yield* workshop
        const signer = yield* Effect.acquireRelease(
          Effect.sync(() => newPgpSigner(directory, "k")),
          (signer) => Effect.sync(() => endPgpSigner(signer))
        )
        const root = "root.x86_64"
        const bytes = archive(
          entry("pkglist.x86_64.txt", "0", "", "base\n", 0o644),
          entry(`${root}/`, "5"),
          entry(`${root}/usr/bin/busybox`, "0", "", busybox()),
          entry(`${root}/usr/bin/cat`, "1", `${root}/usr/bin/busybox`),
          entry(`${root}/etc/arch-release`, "0", "", "arch\n", 0o644)
        )
        const file = `${directory}/bootstrap.tar.zst`
        writeFileSync(file, zstdCompressSync(bytes))
        signFile(file, signer)
        const words = ["--dist", "arch", "--signature", `${file}.sig`, "--keyring", "k.gpg", "-o", "arch.flatimage"]
        const built = yield* build("--rootfs", file, ...words)
        assert.strictEqual(built.code, 0, built.stderr)
        assert.strictEqual((yield* run("arch.flatimage", "fim-exec", "cat", "/etc/arch-release")).stdout, "arch\n")
        assert.match((yield* run("arch.flatimage", "fim-version", "full")).stdout, /"DISTRIBUTION": "ARCH"/)
        writeFileSync(file, zstdCompressSync(Buffer.concat([bytes, Buffer.alloc(512)])))
        const refused = yield* build("--rootfs", file, ...words)
        assert.strictEqual(refused.code, 125)
        assert.match(refused.stderr, /bootstrap\.tar\.zst is not trusted/)
      }),
    150_000
  )
})
