import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { flood, makeFifos, message, openFifo, portalOf, push, take, takeOver } from "../support/FalseDaemon.ts"
import { peakOf } from "../support/Memory.ts"
import { images, scenario } from "../support/Needs.ts"
import { place } from "../support/Place.ts"
import { eventually } from "../support/Portal.ts"
import { self } from "../support/Users.ts"

const mebibyte = 1024 * 1024

/** What each process may take above what it had: much less than what is sent. */
const room = 64 * mebibyte
const request = (call: string, more: object = {}) => ({
  kind: "request",
  call,
  words: ["no"],
  environment: [],
  directory: "/",
  streams: ["null", "null", "null"],
  terminal: null,
  detached: false,
  ...more
})

/** What the process has in memory now, in bytes. From now on its peak is counted anew. */
const settle = (pid: number): number => {
  writeFileSync(`/proc/${pid}/clear_refs`, "5")
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024
}

/** An instance whose guest may run `sh` and runs what it is told, and the processes on its host. */
const instance = Effect.gen(function*() {
  const app = yield* place(self, { fresh: true, copy: true })
  yield* app.run(["fim-portal", "allow", "sh"])
  const running = yield* app.start(["fim-exec", "sh", "-c", "echo ready; exec sh"], {
    interactive: true,
    patience: 60_000
  })
  yield* running.says(/ready/)
  const daemon = Number(
    readdirSync("/proc").find((pid) => {
      if (!/^\d+$/.test(pid)) return false
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(`portal-host\0${app.global}`)
      } catch {
        return false
      }
    })
  )
  const boot = Number(/^PPid:\t(\d+)/m.exec(readFileSync(`/proc/${daemon}/status`, "utf8"))?.[1])
  const end = Effect.andThen(running.write("exit\n"), running.outcome)
  let calls = 0
  /** Another call, which is served whatever else goes on. */
  const served = Effect.suspend(() => {
    calls++
    return Effect.andThen(
      running.write(`echo fine${calls} | fim_portal sh -c cat\n`),
      running.says(new RegExp(`fine${calls}\n`))
    )
  })
  return { app, running, portal: portalOf(app), daemon, boot, served, end }
})

/** Directories of calls as a guest can make them, with the ends of a caller. */
const makeCalls = (portal: string, names: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const paths = names.map((name) => `${portal}/dispatcher/guest/${name}`)
    for (const path of paths) mkdirSync(path)
    makeFifos(paths.flatMap((path) => [`${path}/control`, `${path}/reply`]))
    return yield* Effect.forEach(paths, (path) =>
      Effect.all({ control: openFifo(`${path}/control`, "both"), reply: openFifo(`${path}/reply`, "both") }))
  })

/** One request of each kind that is larger than what a daemon has to know of it, and what it is answered. */
const large: ReadonlyArray<readonly [string, object, RegExp]> = [
  ["words", { words: ["no", ...Array.from({ length: 600_000 }, () => "a")] }, /may not be run/],
  ["directory", { directory: `/${"d".repeat(mebibyte)}` }, /larger than 64 KiB/],
  ["variable", { environment: [`LANG=${"v".repeat(mebibyte)}`] }, /larger than 64 KiB/],
  ["variables", { environment: Array.from({ length: 300_000 }, () => "LC_A=b") }, /larger than 64 KiB/]
]

scenario(
  "whatever a guest asks for, the host takes no memory for it and serves others",
  images,
  () =>
    Effect.gen(function*() {
      const { app, boot, daemon, end, portal, served } = yield* instance
      const fifo = yield* openFifo(`${portal}/daemon/host.fifo`, "write")
      yield* served
      const idle = { boot: settle(boot), daemon: settle(daemon) }
      for (const bytes of [randomBytes(65_536), message(request("nobody"))]) {
        yield* Effect.raceFirst(Effect.andThen(served, served), flood(fifo, bytes))
      }
      // Cut at every byte; the next one ends it.
      const whole = message(request("nobody"))
      for (let cut = 1; cut < whole.length; cut++) yield* push(fifo, whole.subarray(0, cut))
      yield* served
      // Questions that nobody has asked before.
      for (let batch = 0; batch < 6; batch++) {
        yield* Effect.scoped(Effect.gen(function*() {
          const names = Array.from({ length: 200 }, (_, index) => `${batch}-${index}`)
          const calls = yield* makeCalls(portal, names)
          for (const name of names) {
            yield* push(
              fifo,
              message(request(name, { directory: `/${name}`, environment: [`LANG=${"x".repeat(3000)}`] }))
            )
          }
          if (batch % 2 === 0) yield* served
          for (const { reply } of calls) {
            assert.match(yield* eventually("an answer", () => take(reply)), /may not be run/)
          }
        }))
      }
      yield* Effect.scoped(Effect.gen(function*() {
        const rounds = [1, 2].flatMap((round) =>
          large.map(([name, more, said]) => [`${name}${round}`, more, said] as const)
        )
        const calls = yield* makeCalls(portal, rounds.map(([name]) => name))
        for (const [name] of rounds) yield* push(fifo, message({ kind: "reference", call: name }))
        yield* Effect.forEach(rounds, ([name, more, said], index) =>
          Effect.gen(function*() {
            const { control, reply } = calls[index] ?? { control: -1, reply: -1 }
            yield* push(control, message(request(name, more)))
            assert.match(yield* eventually("an answer", () => take(reply)), said, name)
          }), { concurrency: "unbounded" })
      }))
      yield* served
      assert.isBelow(peakOf(boot) - idle.boot, room)
      assert.isBelow(peakOf(daemon) - idle.daemon, room)
      assert.deepStrictEqual(readdirSync(`${portal}/dispatcher/guest`), [])
      yield* end
      yield* app.isClean
    })
)

/** The only call that is left in a room, as if it had been there for a minute. */
const left = (room: string): void => {
  const [name = "none", ...others] = readdirSync(room)
  assert.deepStrictEqual(others, [])
  utimesSync(`${room}/${name}`, Date.now() / 1000 - 60, Date.now() / 1000 - 60)
}

const gone = (room: string) => eventually("an empty room", () => readdirSync(room).length === 0)

scenario(
  "what a caller leaves that is killed before it is served goes with the next call",
  images,
  () =>
    Effect.gen(function*() {
      const { app, end, portal, running, served } = yield* instance
      for (const name of ["host", "guest"]) {
        assert.strictEqual(statSync(`${portal}/daemon/${name}.fifo`).mode & 0o7777, 0o600)
      }
      const guest = yield* Effect.scoped(Effect.gen(function*() {
        const { knock, room } = yield* takeOver(portal, "host")
        yield* running.write("fim_portal sh -c 'echo never' & pid=$!\n")
        yield* knock
        yield* running.write("kill -9 $pid; wait $pid; echo killed $?\n")
        yield* running.says(/killed 137/)
        return room
      }))
      left(guest)
      yield* served
      yield* gone(guest)
      const host = yield* Effect.scoped(Effect.gen(function*() {
        const { knock, room } = yield* takeOver(portal, "guest")
        const client = yield* app.start(["fim-instance", "exec", "0", "true"])
        yield* knock
        yield* client.signal("SIGKILL")
        yield* client.exited
        return room
      }))
      left(host)
      assert.strictEqual((yield* app.run(["fim-instance", "exec", "0", "true"])).code, 0)
      yield* gone(host)
      yield* end
      yield* app.isClean
    })
)
