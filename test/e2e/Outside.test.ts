/** Hosts that refuse user namespaces: their own set-user-id programs take the place, or the failure says what is missing. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { processesIn } from "../support/Leftovers.ts"
import { images, program, root, scenario } from "../support/Needs.ts"
import { type Place, place } from "../support/Place.ts"
import * as Process from "../support/Process.ts"
import { type HostTool, withoutNamespaces } from "../support/Rungs.ts"
import { ordinary } from "../support/Users.ts"

const needs = [...images, root, program("fusermount3"), program("bwrap")]
const both: ReadonlyArray<HostTool> = ["fusermount3", "bwrap"]

const optionsOf = (app: Place, environment: Readonly<Record<string, string>>): Process.Options => ({
  directory: app.home,
  environment: { ...app.environment, ...environment }
})

const run = (app: Place, words: ReadonlyArray<string>, environment = {}, tools = both) =>
  Process.run(withoutNamespaces(app, tools, words), optionsOf(app, environment))

const start = (app: Place, words: ReadonlyArray<string>) =>
  Process.start(withoutNamespaces(app, both, words), optionsOf(app, {}))

/** In one mount namespace, so that the second start sees what the first one left. */
const killJanitor = `
  "$1" fim-exec sh -c 'echo ready; sleep 1000' > "$HOME/said" 2> /dev/null &
  until grep -q ready "$HOME/said"; do sleep 0.01; done
  for process in /proc/[0-9]*; do
    if grep -q fim-janitor $process/comm 2> /dev/null && grep -q "^PPid:.$!$" $process/status; then
      kill -KILL "\${process#/proc/}"
    fi
  done
  wait
  ! grep -q "$FIM_DIR_GLOBAL.*fuse" /proc/self/mountinfo || echo mounts are left
  "$1" fim-exec true
  grep -q "$FIM_DIR_GLOBAL.*fuse" /proc/self/mountinfo || echo nothing is left`

const types = { bwrap: "FUSE_OVERLAYFS", overlayfs: "FUSE_OVERLAYFS", unionfs: "UNIONFS_FUSE" }

describe("an ordinary user without user namespaces", () => {
  for (const [type, name] of Object.entries(types)) {
    scenario(
      `gets ${name} for '${type}' from the host's own programs, and what is written lasts`,
      needs,
      () =>
        Effect.gen(function*() {
          const app = yield* place(ordinary)
          const script = "id -u; echo new > /new; rm /usr/bin/yes; cat /new; exit 7"
          const first = yield* run(app, ["fim-exec", "sh", "-c", script], { FIM_OVERLAY: type })
          assert.deepStrictEqual([first.code, first.stdout, first.stderr], [7, `${app.user.uid}\nnew\n`, ""])
          yield* app.isClean
          const words = ["fim-exec", "sh", "-c", "cat /new; test -e /usr/bin/yes || echo gone"]
          const second = yield* run(app, words, { FIM_OVERLAY: type, FIM_DEBUG: "1" })
          assert.deepStrictEqual([second.code, second.stdout], [0, "new\ngone\n"])
          assert.include(second.stderr, `Overlay type: ${name}`)
          assert.match(second.stderr, /^W::[\d.]+::The host's fusermount3 and .*\/bwrap are used: .*user namespaces/m)
          assert.strictEqual(readFileSync(`${app.data}/data/new`, "utf8"), "new\n")
          yield* app.isClean
        })
    )
  }

  for (const name of ["the boot program", "fim-holder"]) {
    scenario(`is left nothing by SIGKILL of ${name}`, needs, () =>
      Effect.gen(function*() {
        const app = yield* place(ordinary)
        const running = yield* start(app, ["fim-exec", "sh", "-c", "echo > /file; echo ready; sleep 1000"])
        yield* running.says(/ready/)
        const servant = processesIn([app.global]).find((process) => process.name === name)
        process.kill(servant?.pid ?? running.pid, "SIGKILL")
        assert.strictEqual(yield* running.exited, servant === undefined ? "SIGKILL" : 125)
        yield* app.isClean
      }))
  }

  scenario(
    "is left mounts by SIGKILL of the janitor, which the next start takes down",
    needs,
    () =>
      Effect.gen(function*() {
        const app = yield* place(ordinary)
        const outcome = yield* Process.run(
          withoutNamespaces(app, both, ["-c", killJanitor, "sh", app.image], "/bin/sh"),
          optionsOf(app, {})
        )
        assert.deepStrictEqual([outcome.code, outcome.stdout], [0, "mounts are left\nnothing is left\n"])
        yield* app.isClean
      })
  )

  scenario("is told at once that a second instance cannot share the overlay", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary)
      const running = yield* start(app, ["fim-exec", "sh", "-c", "echo ready; sleep 1000"])
      yield* running.says(/ready/)
      const second = yield* run(app, ["fim-exec", "true"])
      assert.deepStrictEqual([second.code, second.stdout], [125, ""])
      assert.match(second.stderr, /in use by an instance with an overlay that cannot be shared/)
    }))

  scenario("cannot be root in the guest, and is told so", needs, () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary)
      const outcome = yield* run(app, ["fim-root", "true"])
      assert.deepStrictEqual([outcome.code, outcome.stdout], [125, ""])
      assert.match(outcome.stderr, /^E::without user namespaces.*the guest can be nobody but the caller/)
      yield* app.isClean
    }))

  for (const tools of [[], ["bwrap"], ["fusermount3"]] as ReadonlyArray<ReadonlyArray<HostTool>>) {
    scenario(
      `is told what the host lacks where it has ${tools[0] ?? "neither"} only`,
      needs,
      () =>
        Effect.gen(function*() {
          const app = yield* place(ordinary)
          const outcome = yield* run(app, ["fim-exec", "true"], {}, tools)
          assert.deepStrictEqual([outcome.code, outcome.stdout], [125, ""])
          assert.match(
            outcome.stderr,
            /^E::this host allows no user namespaces.*max_user_namespaces.*fusermount3 and bwrap/
          )
          assert.isFalse(existsSync(`${app.data}/work/lock`) && readdirSync(`${app.data}/work`).length > 1)
          yield* app.isClean
        })
    )
  }
})
