import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { type AddressInfo, createServer } from "node:net"
import { attacker, attacks, prepared } from "../../support/Attack.ts"
import { Failure } from "../../support/Failure.ts"
import { processesIn } from "../../support/Leftovers.ts"
import { scenario } from "../../support/Needs.ts"
import * as Process from "../../support/Process.ts"
import { users } from "../../support/Users.ts"

/** Listens on a port of the host's loopback or on an abstract socket, and tells whoever comes. */
const listener = (
  text: string,
  address: { readonly host: "127.0.0.1"; readonly port: 0 } | { readonly path: string }
) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const server = createServer((socket) => void socket.on("error", () => {}).end(text))
      server.listen(address)
      await once(server, "listening")
      return server
    }),
    (server) => Effect.promise(async () => void server.close())
  )

/** Looks for a process by a word of its command line, and ends it. */
const hunt = (word: string): ReadonlyArray<string> => [
  "sh",
  "-c",
  "for p in /proc/[0-9]*; do if [ \"$(tr '\\0' ' ' < $p/cmdline)\" = \"sleep $1 \" ]; then echo found; kill -KILL ${p#/proc/} && echo killed; fi; done 2> /dev/null; echo looked",
  "sh",
  word
]

describe.each(users)("as $name, the guest cannot", (user) => {
  const needs = attacks(user)
  const attack = prepared(user)

  scenario("see or end processes of the host", needs, () =>
    Effect.gen(function*() {
      const { app, sound, weak } = yield* attack
      const mark = `9${process.pid}${user.uid}`
      // In the weak sandbox the victim is beside it, in the holder's namespaces: those are another wall around it.
      const beside = { before: `sleep ${mark} &` }
      const open = { without: ["--unshare-pid", "--as-pid-1", "--unshare-user", "--uid", "--gid"], unfiltered: true }
      assert.match(yield* weak({ ...beside, ...open }, hunt(mark)), /found\nkilled\nlooked/)
      assert.strictEqual(yield* weak(beside, hunt(mark)), "looked\n")
      const victim = yield* Process.start(user.command(["sleep", mark], app.directory))
      for (const root of [false, true]) assert.strictEqual(yield* sound(hunt(mark), { root }), "looked\n")
      // All signals to all processes within reach: its own.
      yield* sound(["sh", "-c", "kill -KILL -1; kill -KILL 1; kill -KILL 0"])
      assert.isNull(victim.child.exitCode)
      assert.isNull(victim.child.signalCode)
    }))

  scenario("reach abstract sockets of the host", needs, () =>
    Effect.gen(function*() {
      const { secret, sound, weak } = yield* attack
      const name = `fim-attack-${process.pid}-${user.uid}`
      yield* listener(secret, { path: `\0${name}` })
      const words = [attacker, "abstract", name]
      assert.include(yield* weak({ without: ["--unshare-net"] }, words), secret)
      for (const root of [false, true]) assert.strictEqual(yield* sound(words, { root }), "abstract 111\n")
    }))

  scenario("reach the network of the host", needs, () =>
    Effect.gen(function*() {
      const { secret, sound, weak } = yield* attack
      const server = yield* listener(secret, { host: "127.0.0.1", port: 0 })
      const { port } = server.address() as AddressInfo
      const words = [
        "sh",
        "-c",
        "nc 127.0.0.1 \"$1\" < /dev/null; ls /sys/class/net 2>&1; cat /proc/net/dev",
        "sh",
        `${port}`
      ]
      assert.include(yield* weak({ without: ["--unshare-net"] }, words), secret)
      for (const root of [false, true]) {
        const said = yield* sound(words, { root })
        assert.notInclude(said, secret)
        assert.deepStrictEqual([...said.matchAll(/^ *(\w+):/gm)].map(([, device]) => device), ["ls", "lo", "nc"])
      }
    }))

  scenario("read the environment of the caller", needs, () =>
    Effect.gen(function*() {
      const { app, secret, weak } = yield* attack
      const words = ["sh", "-c", "env; cat /proc/*/environ | tr '\\0' '\\n'"]
      const leaking = { instead: `export CANARY=${secret}; exec chroot "$@"` }
      assert.include(yield* weak(leaking, words), secret)
      for (const command of ["fim-exec", "fim-root"]) {
        const { stderr, stdout } = yield* app.run([command, ...words], {
          environment: { CANARY: secret, LD_CANARY: secret }
        })
        assert.notInclude(stdout + stderr, secret)
        assert.include(stdout, "FIM_DIR_INSTANCE=")
      }
    }))

  scenario("outlive us with many processes, or fill our memory through pipes", needs, () =>
    Effect.gen(function*() {
      const { app, sound } = yield* attack
      const count = 200
      yield* sound(["true"])
      const script = "exec \"$0\" flood \"$1\" \"$FIM_DIR_INSTANCE\"/portal/daemon/*.fifo"
      const guest = yield* app.start(["fim-exec", "sh", "-c", script, attacker, `${count}`], {
        environment: { FIM_LAYERS: `${app.directory}/attack.layer` }
      })
      yield* guest.says(/flooded/)
      const memory = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${guest.pid}/status`, "utf8"))?.[1]
      assert.isBelow(Number(memory), 256 * 1024)
      yield* guest.signal("SIGKILL")
      yield* guest.exited
      const gone = Effect.suspend(() => {
        const left = processesIn([app.global]).filter(({ name }) => name === "attacker")
        return left.length === 0 ? Effect.void : Effect.fail(new Failure({ detail: `${left.length} are left` }))
      })
      yield* Effect.retry(gone, { times: 500, schedule: Schedule.spaced("20 millis") })
      // The same without a sandbox: nothing but its end ends it.
      const free = yield* Process.start(
        user.command([`${app.directory}/tree/attack/attacker`, "flood", "3"], app.directory)
      )
      yield* free.says(/flooded/)
      yield* free.signal("SIGKILL")
      yield* free.exited
      const left = processesIn([app.directory]).filter(({ name }) => name === "attacker")
      assert.strictEqual(left.length, 3)
      for (const { pid } of left) process.kill(pid, "SIGKILL")
    }))
})
