import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs"
import { processesIn } from "../support/Leftovers.ts"
import { images, program, scenario } from "../support/Needs.ts"
import { type Place, place } from "../support/Place.ts"
import { users } from "../support/Users.ts"

/** A place with instances and logs of its own. */
const alone = (user: Parameters<typeof place>[0]) =>
  Effect.gen(function*() {
    const app = yield* place(user, { fresh: true, copy: true })
    yield* app.run(["fim-exec", "true"])
    return app
  })

interface Listed {
  readonly id: number
  readonly pid: number
  readonly name?: string
  readonly state: string
  readonly user: string
  readonly image: string
  readonly command: ReadonlyArray<string>
  readonly started: string
}

const list = (app: Place) =>
  Effect.map(
    app.run(["fim-instance", "list", "--json"]),
    ({ stdout }) => JSON.parse(stdout) as ReadonlyArray<Listed>
  )

const start = (app: Place, name: string, script: string) =>
  app.run(["fim-instance", "start", "--name", name, "--", "sh", "-c", script])

/** Waits until the log of an instance has a line. */
const says = (app: Place, name: string, line: string): Effect.Effect<void, unknown> =>
  Effect.flatMap(
    app.run(["fim-instance", "logs", name]),
    ({ stdout }) =>
      `\n${stdout}`.includes(`\n${line}\n`)
        ? Effect.void
        : Effect.andThen(Effect.sleep(50), Effect.suspend(() => says(app, name, line)))
  ).pipe(Effect.timeout("20 seconds"))

/** The number of the session of a process. */
const session = (pid: number | string) => readFileSync(`/proc/${pid}/stat`, "latin1").split(") ").at(-1)?.split(" ")[3]

const forever = "while :; do sleep 0.05; done"

/** What a process holds; `undefined` for one that ends meanwhile, as the commands of a loop do. */
const heldBy = (pid: number) => {
  try {
    return {
      // By its inode: the guest has a directory of the same name.
      directory: statSync(`/proc/${pid}/cwd`).ino,
      session: session(pid),
      opened: readdirSync(`/proc/${pid}/fd`).map((name) => readlinkSync(`/proc/${pid}/fd/${name}`))
    }
  } catch (error) {
    if (existsSync(`/proc/${pid}`)) throw error
    return undefined
  }
}

describe.each(users)("as $name, an instance in the background", (user) => {
  scenario("returns at once, and holds nothing of the caller", images, () =>
    Effect.gen(function*() {
      const app = yield* alone(user)
      const began = Date.now()
      const outcome = yield* app.shell(
        `cd "$HOME"; x=$("$app" fim-instance start --name web -- sh -c 'echo up; ${forever}' 9> lock); echo "$x $?"; flock -n lock echo free`
      )
      assert.deepStrictEqual([outcome.stdout, outcome.stderr], ["web 0\nfree\n", ""])
      assert.isBelow(Date.now() - began, 15_000)
      const [web, ...others] = yield* list(app)
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual([web?.id, web?.name, web?.state, web?.image], [0, "web", "running", app.image])
      assert.deepStrictEqual(web?.command, ["sh", "-c", `echo up; ${forever}`])
      assert.strictEqual(web?.user, user.uid === 0 ? "root" : `user${user.uid}`)
      assert.isBelow(Math.abs(Date.now() - Date.parse(web?.started ?? "")), 60_000)
      // No process of it has a file, the directory or the session of the caller.
      for (const { pid } of processesIn([app.directory, app.global])) {
        const found = heldBy(pid)
        if (found === undefined) continue
        assert.notStrictEqual(found.directory, statSync(app.home).ino)
        assert.notStrictEqual(found.session, session("self"))
        assert.deepStrictEqual(found.opened.filter((path) => path.startsWith(`${app.home}/`)), [])
      }
      const exec = yield* app.run(["fim-instance", "exec", "web", "echo", "inside"])
      assert.deepStrictEqual([exec.code, exec.stdout], [0, "inside\n"])
      assert.match(
        (yield* app.run(["fim-instance", "list", "--long"])).stdout,
        /^ID  NAME  PID +USER +AGE +STATE +IMAGE +COMMAND\n0 +web +\d+ +\S+ +\d+ s +running +\S+ +sh -c 'echo up; .*'\n$/
      )
      assert.strictEqual((yield* app.run(["fim-instance", "list"])).stdout, `0:${web?.pid}\n`)
      const stopped = yield* app.run(["fim-instance", "stop", "web"])
      assert.deepStrictEqual([stopped.code, stopped.stdout, stopped.stderr], [0, "", ""])
      assert.deepStrictEqual(yield* list(app), [])
      // Its log stays.
      assert.strictEqual((yield* app.run(["fim-instance", "logs", "web"])).stdout, "up\n")
      yield* app.isClean
    }))

  scenario("has a name that no other one has, also where none is chosen", images, () =>
    Effect.gen(function*() {
      const app = yield* alone(user)
      assert.strictEqual((yield* start(app, "one", forever)).stdout, "one\n")
      const taken = yield* start(app, "one", forever)
      assert.deepStrictEqual([taken.code, taken.stdout], [125, ""])
      assert.match(
        taken.stderr,
        /^E::An instance with the name 'one' runs already; to stop it: fim-instance stop one\n/
      )
      const unnamed = Effect.map(app.run(["fim-instance", "start", "--", "sh", "-c", forever]), ({ stdout }) => stdout)
      assert.deepStrictEqual([yield* unnamed, yield* unnamed], ["sh\n", "sh-2\n"])
      assert.deepStrictEqual((yield* list(app)).map(({ name }) => name).toSorted(), ["one", "sh", "sh-2"])
      for (const name of ["", "1", "../x", "-x", "a b", "x".repeat(65)]) {
        const refused = yield* start(app, name, "true")
        assert.deepStrictEqual([name, refused.code, refused.stdout], [name, 125, ""])
        assert.match(refused.stderr, /cannot be the name of an instance/)
      }
      for (const name of ["one", "sh", "sh-2"]) {
        assert.strictEqual((yield* app.run(["fim-instance", "stop", name])).code, 0)
      }
      // A name is free again after the end.
      assert.strictEqual((yield* start(app, "one", "exit 0")).stdout, "one\n")
      yield* app.isClean
    }))

  scenario("that does not start says why, with its exit code", images, () =>
    Effect.gen(function*() {
      const app = yield* alone(user)
      for (
        const [command, code, text] of [["no-such-program", 127, /not found/], [
          "/etc",
          126,
          /ermission denied/
        ]] as const
      ) {
        const outcome = yield* app.run(["fim-instance", "start", "--", command])
        assert.deepStrictEqual([outcome.code, outcome.stdout], [code, ""])
        assert.match(outcome.stderr, text)
      }
      const wrong = yield* app.run(["fim-instance", "start", "--", "true"], { environment: { FIM_LINGER: "x" } })
      assert.deepStrictEqual([wrong.code, wrong.stdout], [125, ""])
      assert.match(wrong.stderr, /E::FIM_LINGER is 'x'/)
      // Without a command the boot command runs.
      yield* app.run(["fim-boot", "set", "sh", "-c", "echo booted"])
      assert.strictEqual((yield* app.run(["fim-instance", "start"])).stdout, "app\n")
      yield* says(app, "app", "booted")
      yield* app.isClean
    }))

  scenario("has a log of limited size, which can be followed to its end", images, () =>
    Effect.gen(function*() {
      const app = yield* alone(user)
      const script = "seq 500000; echo err >&2; until [ -e /tmp/end ]; do sleep 0.05; done; echo last"
      assert.strictEqual((yield* start(app, "loud", script)).code, 0)
      yield* says(app, "loud", "err")
      const directory = readdirSync(`${app.global}/app`).map((name) => `${app.global}/app/${name}/background/loud`)
        .find((path) => existsSync(path)) ?? ""
      for (const name of ["log", "log.1"]) assert.isAtMost(statSync(`${directory}/${name}`).size, 1024 * 1024)
      const following = yield* app.start(["fim-instance", "logs", "loud", "-f"])
      yield* following.says(/\n500000\nerr\n/)
      yield* app.run(["fim-instance", "exec", "loud", "touch", "/tmp/end"])
      const outcome = yield* following.outcome
      assert.deepStrictEqual([outcome.code, outcome.stderr], [0, ""])
      assert.match(outcome.stdout, /^\d*\n[^]*\n500000\nerr\nlast\n$/)
      const unknown = yield* app.run(["fim-instance", "logs", "other"])
      assert.deepStrictEqual([unknown.code, unknown.stdout], [125, ""])
      assert.match(
        unknown.stderr,
        /^E::Id argument must be a digit\nE::or a name, and no running instance has the name 'other'/
      )
      yield* app.isClean
    }))

  scenario("gets signals, and is killed only on request", images, () =>
    Effect.gen(function*() {
      const app = yield* alone(user)
      const traps = ["HUP", "USR1", "34"].map((name) => `trap 'echo got-${name}' ${name}`).join("; ")
      assert.strictEqual((yield* start(app, "deaf", `${traps}; trap 'echo told' TERM; echo up; ${forever}`)).code, 0)
      yield* says(app, "deaf", "up")
      for (const [signal, line] of [["HUP", "got-HUP"], ["sigusr1", "got-USR1"], ["RTMIN", "got-34"]] as const) {
        const sent = yield* app.run(["fim-instance", "kill", "-s", signal, "deaf"])
        assert.deepStrictEqual([sent.code, sent.stdout, sent.stderr], [0, "", ""])
        yield* says(app, "deaf", line)
      }
      assert.strictEqual((yield* app.run(["fim-instance", "kill", "deaf"])).code, 0)
      yield* says(app, "deaf", "told")
      for (
        const [args, text] of [
          [["-s", "NO", "deaf"], /There is no signal 'NO'/],
          [["-s", "STOP", "deaf"], /fim-instance kill -s TSTP/],
          [["-s", "HUP", "none"], /no running instance has the name 'none'/]
        ] as const
      ) {
        const refused = yield* app.run(["fim-instance", "kill", ...args])
        assert.deepStrictEqual([refused.code, refused.stdout], [125, ""])
        assert.match(refused.stderr, text)
      }
      assert.strictEqual((yield* list(app)).length, 1)
      const began = Date.now()
      assert.strictEqual((yield* app.run(["fim-instance", "stop", "-t", "1", "deaf"])).code, 0)
      assert.isAbove(Date.now() - began, 900)
      assert.deepStrictEqual(yield* list(app), [])
      assert.strictEqual((yield* start(app, "deaf", `trap '' TERM; ${forever}`)).code, 0)
      assert.strictEqual((yield* app.run(["fim-instance", "kill", "-s", "KILL", "0"])).code, 0)
      yield* app.isClean
    }))

  scenario("is read with care: a record that no start has written is none", images, () =>
    Effect.gen(function*() {
      const app = yield* alone(user)
      assert.strictEqual((yield* start(app, "web", forever)).code, 0)
      const [{ pid } = { pid: 0 }] = yield* list(app)
      const [record = ""] = readdirSync(`${app.global}/app`).map((name) =>
        `${app.global}/app/${name}/instance/${pid}/about`
      )
      const about = JSON.parse(readFileSync(record, "utf8"))
      for (
        const text of [
          "",
          "{",
          "x".repeat(1 << 20),
          JSON.stringify({ ...about, name: "../../x" }),
          JSON.stringify({ ...about, command: Array.from({ length: 1000 }, () => "x") })
        ]
      ) {
        writeFileSync(record, text)
        const shown = yield* app.run(["fim-instance", "list", "--long"])
        assert.deepStrictEqual([shown.code, shown.stderr], [0, ""])
        assert.match(shown.stdout, new RegExp(`\\n0 +- +${pid} +- +- +starting +- +-\\n$`))
      }
      writeFileSync(record, JSON.stringify({ ...about, command: ["\u001b[2J\n"] }))
      assert.notInclude((yield* app.run(["fim-instance", "list", "--long"])).stdout, "\u001b")
      assert.strictEqual((yield* app.run(["fim-instance", "stop", "0"])).code, 0)
      yield* app.isClean
    }))

  scenario("can be a unit of systemd", [...images, program("systemd-analyze")], () =>
    Effect.gen(function*() {
      const app = yield* place(user, { name: "an app %n \"$x\".flatimage" })
      const argument = "a\\b 'c' \"d\" %n $HOME ${x}\n\te\u0001"
      const printed = yield* app.run([
        "fim-instance",
        "unit",
        "--name",
        "web",
        "--",
        "sh",
        "-c",
        "echo \"$1\"",
        "sh",
        argument,
        ""
      ])
      assert.deepStrictEqual([printed.code, printed.stderr], [0, ""])
      assert.match(
        printed.stdout,
        /\nType=exec\nExecStart=:"[^\n]*" "fim-exec" "--" "sh" "-c"[^\n]*\nExecReload=\/bin\/kill -HUP \$MAINPID\nKillMode=mixed\n/
      )
      const path = `${app.home}/web.service`
      writeFileSync(path, printed.stdout)
      const verified = yield* app.run(["verify", "--user", "--man=no", path], { program: "systemd-analyze" })
      assert.deepStrictEqual([
        verified.stdout,
        verified.stderr.split("\n").filter((line) => line.includes("web.service"))
      ], ["", []])
    }))
})
