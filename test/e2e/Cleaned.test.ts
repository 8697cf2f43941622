/** Hosts that clean `/tmp` by age, also while an image runs. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { spawnSync } from "node:child_process"
import { existsSync, writeFileSync } from "node:fs"
import { succeeds } from "../support/Commands.ts"
import { images, program, root, scenario } from "../support/Needs.ts"
import { place } from "../support/Place.ts"
import * as Process from "../support/Process.ts"
import { ordinary, self, users } from "../support/Users.ts"

describe.each(users)("as $name, a running instance", (user) => {
  for (
    const [what, words] of [
      ["all files", ["-mindepth", "1", "-depth", "-delete"]],
      ["regular files", ["-type", "f", "-delete"]],
      ["FIFOs", ["-type", "p", "-delete"]]
    ] as const
  ) {
    scenario(
      `whose ${what} were removed goes on, is listed, and shares its data`,
      images,
      () =>
        Effect.gen(function*() {
          const app = yield* place(user, { fresh: true })
          const first = yield* app.start([
            "fim-exec",
            "sh",
            "-c",
            "echo one > /opt/f; echo ready; read line; cat /opt/f"
          ], {
            interactive: true
          })
          yield* first.says(/ready/)
          spawnSync("find", [app.global, ...words])
          assert.strictEqual(yield* succeeds(app, ["fim-exec", "cat", "/opt/f"]), "one\n")
          // The directory is made again when nothing was removed for a while.
          yield* succeeds(app, ["fim-instance", "list"]).pipe(
            Effect.filterOrFail((stdout) => /^0:\d+\n$/.test(stdout)),
            Effect.retry({ schedule: Schedule.spaced("50 millis"), times: 40 })
          )
          assert.strictEqual(yield* succeeds(app, ["fim-exec", "sh", "-c", "echo two > /opt/f; cat /opt/f"]), "two\n")
          yield* first.write("\n")
          const { code, stderr, stdout } = yield* first.outcome
          assert.deepStrictEqual([code, stderr, stdout], [0, "", "ready\ntwo\n"])
          assert.strictEqual(yield* succeeds(app, ["fim-instance", "list"]), "")
          yield* app.isClean
        }),
      60_000
    )
  }
})

describe("systemd-tmpfiles", () => {
  scenario(
    "leaves the directories of a running instance alone",
    [...images, root, program("systemd-tmpfiles")],
    () =>
      Effect.gen(function*() {
        const app = yield* place(self, { fresh: true })
        const first = yield* app.start(["fim-exec", "sh", "-c", "echo ready; read line"], { interactive: true })
        yield* first.says(/ready/)
        const settings = `${app.directory}/tmp.conf`
        const kept = [app.image, app.data, app.home, settings].map((path) => `x ${path}\n`)
        writeFileSync(settings, `d ${app.directory} 0755 - - 0\n${kept.join("")}`)
        const clean = () => spawnSync("systemd-tmpfiles", ["--clean", settings])
        clean()
        const list = yield* succeeds(app, ["fim-instance", "list"])
        const [, pid] = /^0:(\d+)$/m.exec(list) ?? []
        assert.isTrue(existsSync(app.global))
        assert.strictEqual(yield* succeeds(app, ["fim-instance", "exec", "0", "echo", "there"]), "there\n")
        assert.isDefined(pid)
        yield* first.write("\n")
        assert.strictEqual((yield* first.outcome).code, 0)
      })
  )
})

describe("root in a chroot", () => {
  scenario(
    "starts images where the root is no mount point",
    [...images, root, program("unshare")],
    () =>
      Effect.gen(function*() {
        const app = yield* place(self)
        const script = "d=$1; mkdir -p $d/proc $d/dev $d/tmp $d/root; cp $app $d/app; mount -t proc proc $d/proc; "
          + "mount --rbind /dev $d/dev; unset FIM_DIR_GLOBAL; exec chroot $d /app fim-exec echo runs"
        const { code, stderr, stdout } = yield* app.run(["-m", "sh", "-euc", script, "sh", `${app.directory}/root`], {
          program: "unshare",
          environment: { app: app.image }
        })
        assert.deepStrictEqual([code, stderr, stdout], [0, "", "runs\n"])
      })
  )
})

describe("a host with parts of /proc covered", () => {
  scenario("is told what covers them", [...images, root, program("unshare")], () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary)
      const script =
        "mount --make-rprivate /; mount -t tmpfs none /proc/fs; mount --bind /proc/sys /proc/sys; exec \"$@\""
      const words = ["unshare", "-m", "sh", "-euc", script, "sh", ...app.command(["fim-exec", "true"])]
      const outcome = yield* Process.run(words, { environment: app.environment, directory: app.home })
      assert.match(
        outcome.stderr,
        /because this host has mounts on '\/proc\/fs', '\/proc\/sys'; as root unmount them \(umount/
      )
      assert.strictEqual(outcome.code, 125)
    }))
})
