import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { mkdirSync, rmdirSync } from "node:fs"
import { images, program, root, scenario } from "../support/Needs.ts"
import { type Place, place } from "../support/Place.ts"
import { keys, openTerminal } from "../support/Terminal.ts"
import { ordinary, self, users } from "../support/Users.ts"

/** A place with a global directory of its own: the instances of other tests would be counted too. */
const alone = (user: Parameters<typeof place>[0]) =>
  Effect.gen(function*() {
    const app = yield* place(user, { fresh: true, copy: true })
    yield* app.run(["fim-exec", "true"])
    return app
  })

/** An instance that lives until it is told to end. */
const live = (app: Place, words: ReadonlyArray<string> = ["fim-exec"]) =>
  Effect.gen(function*() {
    const running = yield* app.start([...words, "sh", "-c", "echo ready $FIM_PID; read line"], { interactive: true })
    const [, pid = ""] = yield* running.says(/ready (\d+)\n/)
    return { ...running, id: Number(pid) }
  })

const exec = (app: Place, words: ReadonlyArray<string>, options?: Parameters<Place["run"]>[1]) =>
  app.run(["fim-instance", "exec", ...words], options)

describe.each(users)("as $name", (user) => {
  scenario(
    "instances are listed by their pids, and commands run in the one that is named",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* alone(user)
        const none = yield* app.run(["fim-instance", "list"])
        assert.deepStrictEqual([none.code, none.stdout, none.stderr], [0, "", ""])
        assert.match((yield* exec(app, ["0", "true"])).stderr, /^E::No instances are running\n/)
        const first = yield* live(app)
        const second = yield* live(app, ["fim-root"])
        const pids = [first.id, second.id].sort((left, right) => left - right)
        const listed = yield* app.run(["fim-instance", "list"])
        assert.deepStrictEqual([listed.code, listed.stdout], [
          0,
          pids.map((pid, index) => `${index}:${pid}\n`).join("")
        ])
        const shown: ReadonlyArray<{ readonly id: number; readonly pid: number; readonly state: string }> = JSON.parse(
          (yield* app.run(["fim-instance", "list", "--json"])).stdout
        )
        assert.deepStrictEqual(
          shown.map(({ id, pid, state }) => [id, pid, state]),
          pids.map((pid, id) => [id, pid, "running"])
        )
        for (const [index, pid] of pids.entries()) {
          const uid = pid === second.id ? 0 : user.uid
          const script = "echo $FIM_PID $(id -u) $SECRET; pwd; cat; echo err >&2; exit 9"
          const outcome = yield* exec(app, [String(index), "sh", "-c", script], {
            input: "in",
            directory: "/tmp",
            environment: { SECRET: "no" }
          })
          assert.deepStrictEqual([outcome.code, outcome.stdout, outcome.stderr], [
            9,
            `${pid} ${uid}\n/tmp\nin`,
            "err\n"
          ])
        }
        const killed = yield* exec(app, ["0", "sh", "-c", "kill -KILL $$"])
        assert.strictEqual(killed.code, 137)
        // Larger than what the FIFO of all takes in one piece.
        const words = Array.from({ length: 20 }, () => "x".repeat(100_000))
        const long = yield* exec(app, ["0", "sh", "-c", "echo $# ${#20}", "sh", ...words])
        assert.deepStrictEqual([long.stdout, long.stderr], ["20 100000\n", ""])
        const unknown = yield* exec(app, ["0", "no-such-program"])
        assert.deepStrictEqual([unknown.code, unknown.stderr], [127, "no-such-program: command not found\n"])
        assert.strictEqual((yield* exec(app, ["0", "--", "/etc"])).code, 126)
        // A command goes on when the program of its instance has ended, as an instance without a boot program.
        const sleeping = ["fim-instance", "exec", "0", "sh", "-c", "echo up; exec sleep 1000"]
        const running = yield* app.start(sleeping)
        yield* running.says(/up/)
        const [low, high] = first.id < second.id ? [first, second] : [second, first]
        yield* low.write("end\n")
        assert.strictEqual((yield* low.outcome).code, 0)
        assert.strictEqual((yield* exec(app, ["0", "echo", "still"])).stdout, "still\n")
        const left = JSON.parse((yield* app.run(["fim-instance", "list", "--json"])).stdout)
        assert.strictEqual(left[0].state, "left")
        assert.deepStrictEqual([left.length, left[1].pid], [2, high.id])
        process.kill(left[0].pid, "SIGTERM")
        assert.strictEqual((yield* running.outcome).code, 143)
        // The janitor takes it out of the list after the last process.
        yield* app.run(["fim-instance", "list"]).pipe(
          Effect.filterOrFail(({ stdout }) => stdout === `0:${high.id}\n`),
          Effect.retry({ schedule: Schedule.spaced("20 millis"), times: 100 })
        )
        // It ends when the instance is ended.
        const ended = yield* app.start(sleeping)
        yield* ended.says(/up/)
        yield* high.signal("SIGTERM")
        const outcome = yield* ended.outcome
        assert.strictEqual(outcome.code, 125)
        assert.match(outcome.stderr, /daemon has ended before the command/)
        yield* high.outcome
        yield* app.isClean
      })
  )

  scenario("wrong words are told from each other", images, () =>
    Effect.gen(function*() {
      const app = yield* alone(user)
      yield* live(app)
      const cases: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
        [[], /^E::Missing op for 'fim-instance' \(<exec\|list>\)\n/],
        [["run"], /^E::Invalid instance operation\n/],
        [["list", "foo"], /^E::Trailing arguments for fim-instance: \['foo',\]\n/],
        [["exec"], /^E::Missing 'id' argument for 'fim-instance'\n/],
        [
          ["exec", "x", "true"],
          /^E::Id argument must be a digit\nE::or a name, and no running instance has the name 'x'/
        ],
        [["exec", "-1", "true"], /^E::Id argument must be a digit\n/],
        [["exec", "0"], /^E::Missing 'cmd' argument for 'fim-instance'\n/],
        [["exec", "1", "true"], /^E::Instance index out of bounds\n/],
        [["EXEC", "99999999999999999999999", "true"], /^E::Instance index out of bounds\n/]
      ]
      for (const [words, expected] of cases) {
        const outcome = yield* app.run(["fim-instance", ...words])
        assert.deepStrictEqual([outcome.code, outcome.stdout], [125, ""])
        assert.match(outcome.stderr, expected)
        assert.match(outcome.stderr, /\nE::The program exited with an error\n$/)
      }
      assert.match(
        (yield* app.run(["fim-instance", "exec", "--help"])).stdout,
        /fim-instance exec <id\|name> <command>/
      )
    }))

  scenario(
    "commands run whatever the guest has for itself, 500 of them, 50 at a time",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* alone(user)
        yield* app.run(["fim-portal", "allow", "echo"])
        for (const unshare of ["all", "none", "user", "ipc", "pid", "net", "uts", "cgroup"]) {
          yield* app.run(unshare === "none" ? ["fim-unshare", "clear"] : ["fim-unshare", "set", unshare])
          const running = yield* live(app)
          const outcome = yield* exec(app, ["0", "sh", "-c", "id -u; fim_portal echo $0", unshare])
          assert.deepStrictEqual([outcome.stdout, outcome.stderr], [`${user.uid}\n${unshare}\n`, ""])
          if (unshare === "all") {
            const call =
              "echo in$1 | \"$app\" fim-instance exec 0 sh -c \"cat; exit $(($1 % 100))\" > out$1; echo \"$1 $? $(cat out$1)\""
            const many = yield* app.shell(`seq 500 | xargs -P 50 -n 1 sh -c '${call}' sh | sort -n`, {
              patience: 60_000
            })
            assert.strictEqual(
              many.stdout,
              Array.from({ length: 500 }, (_, n) => `${n + 1} ${(n + 1) % 100} in${n + 1}\n`).join("")
            )
          }
          yield* running.write("end\n")
          yield* running.outcome
        }
        yield* app.isClean
      })
  )

  scenario("a guest cannot lead the host's client elsewhere", images, () =>
    Effect.gen(function*() {
      const app = yield* alone(user)
      const running = yield* live(app)
      mkdirSync(`${app.directory}/away`, { mode: 0o777 })
      const portal = "$FIM_DIR_INSTANCE/portal"
      const bend =
        `mv ${portal}/dispatcher/host ${portal}/dispatcher/old; ln -s ${app.directory}/away ${portal}/dispatcher/host`
      assert.strictEqual((yield* exec(app, ["0", "sh", "-c", bend])).code, 0)
      const outcome = yield* exec(app, ["0", "true"])
      assert.strictEqual(outcome.code, 125)
      assert.match(outcome.stderr, /cannot reach the instance/)
      rmdirSync(`${app.directory}/away`)
      yield* running.write("end\n")
      yield* running.outcome
      yield* app.isClean
    }))

  scenario("nothing but a FIFO in its place is written to", images, () =>
    Effect.gen(function*() {
      const app = yield* alone(user)
      const running = yield* live(app)
      const ask = "\"$app\" fim-instance exec 0 true; echo $?"
      const outcome = yield* app.shell(
        `cd "$FIM_DIR_GLOBAL"/app/*/instance/*/portal/daemon && mv guest.fifo kept
        echo text > guest.fifo; ${ask}; cat guest.fifo; rm guest.fifo
        ln -s kept guest.fifo; ${ask}; rm guest.fifo
        mkdir guest.fifo; ${ask}; rmdir guest.fifo
        ${ask}; mv kept guest.fifo; ${ask}; find ../dispatcher -mindepth 2`
      )
      assert.strictEqual(outcome.stdout, "125\ntext\n125\n125\n125\n0\n")
      assert.match(outcome.stderr, /^(E::the instance does not listen[^\n]*\n){4}$/)
      yield* running.write("end\n")
      yield* running.outcome
      yield* app.isClean
    }))

  scenario(
    "signals to the caller are the command's, and a caller that is killed hangs it up",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* alone(user)
        const running = yield* live(app)
        // The shell says that its children were hung up, to a reader that is gone.
        const command = (signal: string, then: string) =>
          app.start([
            "fim-instance",
            "exec",
            "0",
            "sh",
            "-c",
            `exec 2> /dev/null; trap '${then}' ${signal}; echo up; while :; do sleep 0.05; done`
          ])
        const told = yield* command("TERM", "echo told; exit 9")
        yield* told.says(/up/)
        yield* told.signal("SIGTERM")
        const outcome = yield* told.outcome
        assert.deepStrictEqual([outcome.code, outcome.stdout], [9, "up\ntold\n"])
        const killed = yield* command("HUP", "echo hup > /tmp/hup; exit")
        yield* killed.says(/up/)
        yield* killed.signal("SIGKILL")
        yield* killed.exited
        const wait = "for i in $(seq 200); do [ -s /tmp/hup ] && break; sleep 0.02; done; cat /tmp/hup"
        assert.strictEqual((yield* exec(app, ["0", "sh", "-c", wait])).stdout, "hup\n")
        const left = yield* app.shell("find \"$FIM_DIR_GLOBAL\"/app/*/instance/*/portal/dispatcher -mindepth 2")
        assert.strictEqual(left.stdout, "")
        yield* running.write("end\n")
        yield* running.outcome
        yield* app.isClean
      })
  )

  scenario("a command has a terminal of its own", [...images, program("script")], () =>
    Effect.gen(function*() {
      const app = yield* alone(user)
      const running = yield* live(app)
      const script =
        "stty -g; \"$app\" fim-instance exec 0 sh -c 'tty; stty size; trap \"echo got; exit 4\" INT; echo go; while :; do sleep 0.05; done'; echo code $?; stty -g"
      const terminal = yield* openTerminal(app, `trap : INT; stty rows 31 cols 97; ${script}`)
      yield* terminal.shows(/\/dev\/pts\/\d+\s+31 97\s+go/)
      yield* terminal.write(keys.interrupt)
      const outcome = yield* terminal.outcome
      assert.match(outcome.stdout, /got\s+code 4/)
      const [before, after] = outcome.stdout.match(/[0-9a-f]+(?::[0-9a-f]+){10,}/g) ?? []
      assert.strictEqual(after, before ?? "none")
      yield* running.write("end\n")
      yield* running.outcome
    }))
})

scenario("instances of another user are neither seen nor reached", [...images, root], () =>
  Effect.gen(function*() {
    const theirs = yield* alone(self)
    const mine = yield* place(ordinary)
    const running = yield* live(theirs)
    assert.strictEqual((yield* mine.run(["fim-instance", "list"])).stdout.includes(String(running.id)), false)
    const environment = { FIM_DIR_GLOBAL: theirs.global }
    for (const words of [["list"], ["exec", "0", "true"]]) {
      const outcome = yield* mine.run(["fim-instance", ...words], { environment })
      assert.deepStrictEqual([outcome.code, outcome.stdout], [125, ""])
    }
    yield* running.write("end\n")
    yield* running.outcome
  }))
