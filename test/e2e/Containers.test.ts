/** Images that are made of containers, as a user makes and runs them. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync, writeFileSync } from "node:fs"
import { gzipSync, zstdCompressSync } from "node:zlib"
import { closureOfProject } from "../support/Closure.ts"
import { layoutArchive, makeContainer, savedArchive, systemOf, writeLayout } from "../support/Containers.ts"
import * as Needs from "../support/Needs.ts"
import { scenario } from "../support/Needs.ts"
import { type Asked, registry } from "../support/Registry.ts"
import { archive, entry } from "../support/Tar.ts"
import { serve } from "../support/WebServer.ts"
import { workshop } from "../support/Workshop.ts"

const busybox = () => readFileSync(`${closureOfProject().directory}/bin/busybox`)

const system = () =>
  systemOf(
    busybox(),
    entry("srv/", "5"),
    entry("srv/old", "0", "", "old\n"),
    entry("unique", "0", "", `${process.pid}`)
  )

const second = archive(
  entry("srv/", "5"),
  entry("srv/.wh.old", "0"),
  entry("srv/new", "0", "", "new\n"),
  entry("srv/app/", "5")
)

describe("an image of a container", () => {
  scenario("is the same from all that a container can be in", Needs.images, () =>
    Effect.gen(function*() {
      const { build, clean, directory, run } = yield* workshop
      const config = { Entrypoint: ["/bin/cat"], Cmd: ["/srv/new"], Env: ["PATH=/bin"] }
      const made = makeContainer([system(), second], { config })
      const zstd = makeContainer([system(), second], {
        config,
        pack: zstdCompressSync,
        layerType: "application/vnd.oci.image.layer.v1.tar+zstd"
      })
      writeLayout(`${directory}/layout`, { one: made, two: zstd })
      writeFileSync(`${directory}/oci.tar.gz`, gzipSync(layoutArchive({ one: made })))
      writeFileSync(`${directory}/saved.tar.zst`, zstdCompressSync(savedArchive(made, "me/app:1")))
      const asked: Array<Asked> = []
      const url = yield* serve(registry({ asked, images: { "me/app:1": zstd } }))
      const references = [
        "oci:layout:one",
        "oci-archive:oci.tar.gz",
        "docker-archive:saved.tar.zst:me/app:1",
        `docker://${new URL(url).host}/me/app:1`
      ]
      let first: Buffer | undefined
      for (const reference of references) {
        const built = yield* build("--from", reference, "--level", "1", "--reproducible", "-o", "app.flatimage")
        assert.strictEqual(built.code, 0, built.stderr)
        const cached = built.stderr.match(/^\[[12]\/2\] Layer [0-9a-f]{12}: cached$/gm) ?? []
        assert.lengthOf(cached, first === undefined ? 0 : 2, built.stderr)
        const image = readFileSync(`${directory}/app.flatimage`)
        first ??= image
        assert.isTrue(first.equals(image), reference)
      }
      // Layers that are there already are not fetched.
      assert.deepStrictEqual(
        asked.filter(({ path }) => path.includes("/blobs/")).map(({ path }) => path.split("/").at(-1)),
        [
          zstd.config.digest
        ]
      )
      assert.strictEqual((yield* run("app.flatimage")).stdout, "new\n")
      assert.strictEqual(
        (yield* run("app.flatimage", "/etc/passwd", "/srv/old")).stderr,
        "cat: can't open '/srv/old': No such file or directory\n"
      )
      assert.lengthOf((yield* run("app.flatimage", "fim-layer", "list")).stdout.trim().split("\n"), 2)

      const squashed = yield* build("--from", "oci:layout:one", "--squash", "--level", "1", "-o", "one.flatimage")
      assert.strictEqual(squashed.code, 0, squashed.stderr)
      assert.lengthOf((yield* run("one.flatimage", "fim-layer", "list")).stdout.trim().split("\n"), 1)
      assert.strictEqual((yield* run("one.flatimage", "fim-exec", "ls", "/srv")).stdout, "app\nnew\n")
      yield* clean
    }), 120_000)

  scenario(
    "runs what the container runs, as its user, where it runs, with its variables",
    Needs.images,
    () =>
      Effect.gen(function*() {
        const { build, clean, directory, run, start } = yield* workshop
        const show = "echo \"$(id -u):$(id -g)\" \"$(pwd)\" \"$HOME\" \"$A\" \"$USER\" \"$#\" \"$@\""
        const cases: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
          both: { Entrypoint: ["sh", "-c", show, "e"], Cmd: ["d"], User: "app", WorkingDir: "/made/here" },
          entry: { Entrypoint: ["sh", "-c", show, "e"], User: "1234:77" },
          cmd: { Cmd: ["sh", "-c", show, "c"], User: "9" },
          none: {}
        }
        const base = system()
        writeLayout(
          `${directory}/layout`,
          Object.fromEntries(
            Object.entries(cases).map(([name, config]) => [
              name,
              makeContainer([base, second], {
                config: { Env: ["PATH=/bin", "A=$PATH ~"], StopSignal: "SIGUSR1", ...config }
              })
            ])
          )
        )
        for (const name of Object.keys(cases)) {
          const built = yield* build("--from", `oci:layout:${name}`, "--level", "1", "-o", `${name}.flatimage`)
          assert.strictEqual(built.code, 0, built.stderr)
          assert.strictEqual(
            built.stderr.includes("Only root can give the groups of the user app: mail, extra"),
            name === "both",
            built.stderr
          )
        }
        const said = Effect.fnUntraced(function*(name: string, ...words: ReadonlyArray<string>) {
          const { stderr, stdout } = yield* run(`${name}.flatimage`, ...words)
          return `${stdout}${stderr}`
        })
        assert.strictEqual(yield* said("both"), "1234:2345 /made/here /srv/app $PATH ~ app 1 d\n")
        assert.strictEqual(yield* said("both", "x", "y"), "1234:2345 /made/here /srv/app $PATH ~ app 2 x y\n")
        assert.strictEqual(yield* said("entry"), "1234:77 / /srv/app $PATH ~ app 0\n")
        assert.strictEqual(yield* said("entry", "x"), "1234:77 / /srv/app $PATH ~ app 1 x\n")
        assert.strictEqual(yield* said("cmd"), "9:0 / / $PATH ~ user9 0\n")
        assert.strictEqual(yield* said("cmd", "echo", "other"), "other\n")
        assert.strictEqual(yield* said("none", "sh", "-c", "id -u; pwd"), "0\n/\n")
        assert.include(yield* said("none", "sh", "-c", "echo $SHELL"), "/bin/bash")
        assert.strictEqual(yield* said("both", "fim-root", "id", "-u"), "0\n")
        if (Needs.isRoot) {
          // Root has the user's groups and owns nothing of its files.
          assert.include(yield* said("both", "fim-exec", "id"), "groups=8(mail),77(extra)")
          assert.include(yield* said("both", "fim-exec", "sh", "-c", "echo x > /srv/app/x"), "Permission denied")
          assert.strictEqual(
            yield* said("both", "fim-exec", "busybox", "grep", "CapEff", "/proc/self/status"),
            "CapEff:\t0000000000000000\n"
          )
        } else {assert.strictEqual(
            yield* said("both", "fim-exec", "sh", "-c", "echo x > /srv/app/x; cat /srv/app/x"),
            "x\n"
          )}

        const shown = JSON.parse((yield* run("both.flatimage", "fim-boot", "show")).stdout)
        assert.deepStrictEqual(shown, { program: "sh", args: ["-c", show, "e"], defaultArgs: ["d"] })
        assert.include(
          (yield* run("both.flatimage", "fim-info")).stdout,
          "User:           app, 1234:2345\n                also in mail, extra, where root starts it\nDirectory:      /made/here\nStop signal:    10\n"
        )
        yield* run("both.flatimage", "fim-boot", "set", "echo", "own")
        assert.strictEqual(yield* said("both", "x"), "own x\n")
        assert.strictEqual(yield* said("both"), "own\n")

        const script = "trap 'echo stopped; exit' USR1; echo ready; while :; do sleep 0.1; done"
        const running = yield* start("cmd.flatimage", ["sh", "-c", script])
        yield* running.says(/ready/)
        yield* run("cmd.flatimage", "fim-instance", "stop", "0")
        assert.strictEqual((yield* running.outcome).stdout, "ready\nstopped\n")
        yield* clean
      }),
    120_000
  )

  scenario("is the base of a definition", Needs.images, () =>
    Effect.gen(function*() {
      const { build, clean, directory, run } = yield* workshop
      const config = {
        Entrypoint: ["echo", "of the container"],
        Cmd: ["d"],
        Env: ["PATH=/bin", "A=1", "B=2"],
        User: "late"
      }
      writeLayout(`${directory}/layout`, { app: makeContainer([system(), second], { config }) })
      const define = (more: Readonly<Record<string, unknown>>) =>
        writeFileSync(
          `${directory}/app.flatimage.json`,
          JSON.stringify({
            format: 1,
            base: { from: "oci:layout" },
            steps: [{ run: `echo late:x:55:66::/late:/bin/sh >> /etc/passwd # ${directory}` }],
            settings: { environment: { B: "3" } },
            ...more
          })
        )
      define({})
      const built = yield* build("app.flatimage.json", "--level", "1", "-o", "app.flatimage")
      assert.strictEqual(built.code, 0, built.stderr)
      assert.strictEqual((yield* run("app.flatimage")).stdout, "of the container d\n")
      const said = yield* run("app.flatimage", "fim-exec", "sh", "-c", "id -u; echo $A $B; ls /srv")
      assert.strictEqual(said.stdout, "55\n1 3\napp\nnew\n", said.stderr)
      define({ boot: ["echo", "of the definition"] })
      const again = yield* build("app.flatimage.json", "--level", "1", "-o", "app.flatimage")
      assert.include(again.stderr, ": cached")
      assert.strictEqual((yield* run("app.flatimage", "x")).stdout, "of the definition x\n")
      yield* clean
    }), 120_000)
})
