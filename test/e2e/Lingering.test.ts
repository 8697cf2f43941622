/** Layers that stay mounted for a while after the last instance: who joins them, what is left, and what ends them. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  copyFileSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { makeMark } from "../support/Layers.ts"
import { processesIn } from "../support/Leftovers.ts"
import { descriptorsOf, drivers, forSeconds, lingering, mountsOf, sockets } from "../support/Linger.ts"
import { images, isRoot, program, root, scenario } from "../support/Needs.ts"
import { other } from "../support/OtherUser.ts"
import { type Place, place } from "../support/Place.ts"
import { eventually } from "../support/Portal.ts"
import * as Process from "../support/Process.ts"
import { ordinary, users } from "../support/Users.ts"

const long = forSeconds(600)
const loud = { ...long, FIM_DEBUG: "1" }
const joined = /The layers were still mounted/

/** Runs a program after which layers stay. The answer is their driver. */
const linger = Effect.fnUntraced(function*(app: Place, environment: Readonly<Record<string, string>> = long) {
  const outcome = yield* app.run(["fim-exec", "cat", "/etc/hostname"], { environment })
  assert.notInclude([125, 126, 127], outcome.code, outcome.stderr)
  return yield* lingering(app)
})

/** Whether a start finds layers mounted. */
const joins = Effect.fnUntraced(function*(app: Place, environment: Readonly<Record<string, string>> = loud) {
  const { code, stderr } = yield* app.run(["fim-exec", "true"], { environment })
  assert.strictEqual(code, 0, stderr)
  return joined.test(stderr)
})

const stop = Effect.fnUntraced(function*(app: Place) {
  const { code, stderr } = yield* app.run(["fim-instance", "stop", "0"])
  assert.deepStrictEqual([code, stderr], [0, ""])
  assert.isEmpty(drivers(app), "the driver has ended when the command returns")
})

const listed = (app: Place) =>
  Effect.map(
    app.run(["fim-instance", "list", "--json"]),
    ({ stdout }) => JSON.parse(stdout) as ReadonlyArray<{ id: number; pid: number; lingering?: number }>
  )

describe("layers that linger", () => {
  scenario("are joined by the next start, without another driver", images, () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary)
      const driver = yield* linger(app)
      const learned = readFileSync(`${app.data}/work/start`, "utf8")
      const seen = new Set<number>()
      const running = yield* app.start(
        ["fim-exec", "sh", "-c", "echo ready; cat /bin/busybox > /dev/null; read line"],
        {
          environment: loud,
          interactive: true
        }
      )
      yield* running.says(/ready/)
      for (const pid of drivers(app)) seen.add(pid)
      assert.match(running.stderr(), joined)
      yield* running.write("\n")
      assert.strictEqual((yield* running.outcome).code, 0)
      assert.strictEqual(yield* lingering(app), driver)
      assert.deepStrictEqual([...seen], [driver])
      // What it would have learned is what was not in the kernel's pages any more.
      assert.strictEqual(readFileSync(`${app.data}/work/start`, "utf8"), learned)
      yield* stop(app)
      yield* app.isClean
    }))

  scenario(
    "serve what a start without them reads, and the upper directory is its own",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(ordinary)
        yield* linger(app)
        const script = "cat /bin/busybox | md5sum; echo new > /etc/made; ls -l /etc/made | wc -l; stat -c %u:%g /bin"
        const run = (environment: Readonly<Record<string, string>>) =>
          app.run(["fim-exec", "sh", "-c", script], { environment })
        const warm = yield* run(long)
        yield* stop(app)
        const cold = yield* run({})
        assert.deepStrictEqual([warm.code, warm.stdout], [cold.code, cold.stdout])
        assert.strictEqual(readFileSync(`${app.data}/data/etc/made`, "utf8"), "new\n")
        yield* app.isClean
      })
  )

  scenario("are joined with another data directory too", images, () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary)
      const driver = yield* linger(app)
      assert.isTrue(yield* joins(app, { ...loud, FIM_DIR_DATA: `${app.home}/other` }))
      assert.strictEqual(yield* lingering(app), driver)
      yield* stop(app)
      yield* app.isClean
    }))

  scenario("are not used, nor left, with FIM_LINGER=0", images, () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary)
      const driver = yield* linger(app)
      assert.isFalse(yield* joins(app, { FIM_LINGER: "0", FIM_DEBUG: "1" }))
      assert.strictEqual(yield* lingering(app), driver)
      yield* stop(app)
      assert.isFalse(yield* joins(app, { FIM_LINGER: "0", FIM_DEBUG: "1" }))
      yield* app.isClean
    }))

  scenario(
    "are nothing but one mount and one process, which holds nothing of the caller's",
    [...images, root, program("perl")],
    () =>
      Effect.gen(function*() {
        const app = yield* place(ordinary)
        const driver = yield* linger(app)
        const mounts = yield* mountsOf(driver)
        assert.strictEqual(mounts.length, 1, mounts.join("\n"))
        assert.match(mounts[0] ?? "", / \/ ro,nosuid,nodev.* - fuse.dwarfs dwarfs /)
        const kinds = descriptorsOf(driver).map(([number, target]) =>
          number <= 2 ? `${number}:${target}` : target.replace(/:\[\d+\]$/, "")
        )
        const device = descriptorsOf(driver).find(([number]) =>
          number > 2 && statSync(`/proc/${driver}/fd/${number}`).isCharacterDevice()
        )
        assert.strictEqual(statSync(`/proc/${driver}/fd/${device?.[0]}`).rdev, statSync("/dev/fuse").rdev)
        assert.deepStrictEqual(
          kinds.filter((kind) => kind !== device?.[1]).sort(),
          ["0:/dev/null", "1:/dev/null", "2:/dev/null", app.image, "mnt", "socket"].sort()
        )
        assert.strictEqual(readlinkSync(`/proc/${driver}/cwd`), "/")
        const stat = readFileSync(`/proc/${driver}/stat`, "utf8").replace(/^.*\) /, "").split(" ")
        const [, , group, session, terminal] = stat
        assert.deepStrictEqual([group, session, terminal], [String(driver), String(driver), "0"])
        // The cache is emptied five seconds after the last read.
        yield* Effect.sleep("7 seconds")
        const memory = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${driver}/smaps_rollup`, "utf8"))?.[1]
        assert.isBelow(Number(memory), 8192)
        yield* stop(app)
        yield* app.isClean
      })
  )

  scenario("do not keep a command substitution waiting", images, () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary)
      const { stdout } = yield* app.shell("x=$(\"$app\" fim-exec echo said); echo \"<$x>\"", { environment: long })
      assert.strictEqual(stdout, "<said>\n")
      yield* lingering(app)
      yield* stop(app)
      yield* app.isClean
    }))

  scenario("end when their time is over", images, () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary)
      yield* linger(app, forSeconds(2))
      const begin = performance.now()
      yield* eventually("an end", () => drivers(app).length === 0)
      assert.isBelow(performance.now() - begin, 4000)
      assert.isEmpty(sockets(app))
      yield* app.isClean
    }))

  scenario(
    "stay as long as an instance uses them, and for their time after that",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(ordinary)
        const driver = yield* linger(app, forSeconds(1))
        const running = yield* app.start(["fim-exec", "sh", "-c", "echo ready; read line; cat /bin/busybox | wc -c"], {
          environment: { ...forSeconds(1), FIM_DEBUG: "1" },
          interactive: true
        })
        yield* running.says(/ready/)
        assert.match(running.stderr(), joined)
        yield* Effect.sleep("2500 millis")
        assert.deepStrictEqual(drivers(app), [driver])
        yield* running.write("\n")
        assert.strictEqual((yield* running.outcome).code, 0)
        yield* eventually("an end", () => drivers(app).length === 0)
        yield* app.isClean
      })
  )

  scenario(
    "stay after the last instance, also if it is not the one that has mounted them",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(ordinary)
        const start = () =>
          app.start(["fim-exec", "sh", "-c", "echo ready; read line"], { environment: loud, interactive: true })
        const first = yield* start()
        yield* first.says(/ready/)
        const second = yield* start()
        yield* second.says(/ready/)
        yield* first.write("\n")
        assert.strictEqual((yield* first.outcome).code, 0)
        yield* second.write("\n")
        assert.strictEqual((yield* second.outcome).code, 0)
        const driver = yield* lingering(app)
        assert.isTrue(yield* joins(app))
        assert.strictEqual(yield* lingering(app), driver)
        yield* stop(app)
        yield* app.isClean
      })
  )

  scenario("stay below each type of overlay", images, () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary)
      for (const variables of [{ FIM_OVERLAY: "overlayfs" }, { FIM_OVERLAY: "unionfs" }, { FIM_CASEFOLD: "1" }]) {
        const environment = { ...loud, ...variables }
        const outcome = yield* app.run(["fim-exec", "sh", "-c", "echo kept > /kept"], { environment })
        assert.strictEqual(outcome.code, 0, outcome.stderr)
        assert.strictEqual(readFileSync(`${app.data}/data/kept`, "utf8"), "kept\n")
        yield* lingering(app)
        assert.isTrue(yield* joins(app, environment), JSON.stringify(variables))
        yield* lingering(app)
        yield* stop(app)
      }
      yield* app.isClean
    }))

  scenario("are listed with the seconds that are left, and cannot be entered", images, () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary)
      const driver = yield* linger(app)
      const [entry] = yield* listed(app)
      assert.deepStrictEqual([entry?.id, entry?.pid], [0, driver])
      assert.isTrue((entry?.lingering ?? 0) > 590 && (entry?.lingering ?? 0) <= 600)
      const { stdout } = yield* app.run(["fim-instance", "list"])
      assert.match(stdout, new RegExp(`^0:${driver} layers stay mounted for \\d+ s\\n$`))
      assert.match((yield* app.run(["fim-instance", "exec", "0", "true"])).stderr, /No instances are running/)
      // Behind an instance that uses them they are not listed.
      const running = yield* app.start(["fim-exec", "sh", "-c", "echo ready; read line"], {
        environment: long,
        interactive: true
      })
      yield* running.says(/ready/)
      assert.deepStrictEqual((yield* listed(app)).map(({ lingering }) => lingering), [undefined])
      yield* running.write("\n")
      yield* running.outcome
      yield* lingering(app)
      yield* stop(app)
      assert.isEmpty(yield* listed(app))
      yield* app.isClean
    }))
})

describe("layers end, and the next start mounts anew,", () => {
  const changes: ReadonlyArray<readonly [string, (app: Place, layer: string) => void]> = [
    ["when the image is touched", ({ image }) => chmodSync(image, 0o700)],
    ["when the image is replaced", ({ image }) => {
      copyFileSync(image, `${image}.new`)
      renameSync(`${image}.new`, image)
    }],
    ["when the image is deleted", ({ image }) => {
      linkSync(image, `${image}.kept`)
      rmSync(image)
    }],
    ["when the image is written to", ({ image }) => writeFileSync(image, "", { flag: "a" })],
    ["when a layer outside of the image is changed", (_, layer) => writeFileSync(layer, "x", { flag: "a" })],
    ["when a layer outside of the image is deleted", (_, layer) => rmSync(layer)],
    ["when their socket is removed", (app) => sockets(app).forEach((path) => rmSync(path))],
    ["when XDG_RUNTIME_DIR goes", ({ home }) => rmdirSync(`${home}/runtime`)],
    ["when XDG_RUNTIME_DIR is another one", ({ home }) => {
      renameSync(`${home}/runtime`, `${home}/before`)
      mkdirSync(`${home}/runtime`)
    }]
  ]
  for (const [what, change] of changes) {
    scenario(what, images, () =>
      Effect.gen(function*() {
        const app = yield* place(ordinary, { copy: true })
        const layer = makeMark(`${app.directory}/layer`, 1)
        mkdirSync(`${app.home}/runtime`, { mode: 0o700 })
        if (isRoot) chownSync(`${app.home}/runtime`, app.user.uid, app.user.gid)
        yield* linger(app, { ...long, FIM_LAYERS: layer, XDG_RUNTIME_DIR: `${app.home}/runtime` })
        // An appended nothing changes nothing: the time of change has to differ.
        if (what.includes("written")) execFileSync("touch", [app.image])
        else change(app, layer)
        yield* eventually("an end", () => drivers(app).length === 0)
        assert.isEmpty(sockets(app))
        yield* app.isClean
      }))
  }

  scenario("when the image was changed just before", images, () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary, { copy: true })
      const driver = yield* linger(app)
      chmodSync(app.image, 0o700)
      assert.isFalse(yield* joins(app))
      assert.notStrictEqual(yield* lingering(app), driver)
      yield* stop(app)
      yield* app.isClean
    }))

  scenario("when memory is scarce", [...images, root], () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary)
      const memory = `${app.directory}/meminfo`
      const say = (available: number) => writeFileSync(memory, `MemTotal: 1000 kB\nMemAvailable: ${available} kB\n`)
      say(100)
      // In a mount namespace of its own, so that nobody else sees what is mounted there later.
      const alone = ["unshare", "--mount", "--propagation", "private", ...app.command(["fim-exec", "true"])]
      assert.strictEqual((yield* Process.run(alone, { environment: { ...app.environment, ...long } })).code, 0)
      const driver = yield* lingering(app)
      execFileSync("nsenter", [`--mount=/proc/${driver}/ns/mnt`, "mount", "--bind", memory, "/proc/meminfo"])
      yield* Effect.sleep("2500 millis")
      assert.deepStrictEqual(drivers(app), [driver])
      say(99)
      yield* eventually("an end", () => drivers(app).length === 0)
      yield* app.isClean
    }))

  scenario("at once when a command changes the image", images, () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary, { copy: true })
      for (const words of [["fim-perms", "add", "home"], ["fim-layer", "commit", "binary"]]) {
        yield* app.run(["fim-exec", "sh", "-c", "echo new > /new"])
        yield* linger(app)
        const outcome = yield* app.run(words)
        assert.strictEqual(outcome.code, 0, outcome.stderr)
        assert.isEmpty(drivers(app), words.join(" "))
        yield* app.isClean
      }
      assert.strictEqual((yield* app.run(["fim-exec", "cat", "/new"])).stdout, "new\n")
      yield* app.isClean
    }))
})

/** A control group of any hierarchy, in which processes can be put. */
const hierarchy = ["/sys/fs/cgroup", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/freezer", "/sys/fs/cgroup/unified"].find(
  (path) => {
    try {
      accessSync(`${path}/cgroup.procs`, constants.W_OK)
      return true
    } catch {
      return false
    }
  }
)
const groups = { missing: hierarchy === undefined ? "needs control groups" : undefined }

describe("layers are not joined", () => {
  scenario("from another control group", [...images, root, groups], () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary)
      const group = `${hierarchy}/fim-test-${process.pid}`
      mkdirSync(group)
      yield* Effect.addFinalizer(() => Effect.promise(async () => rmdirSync(group)))
      const driver = yield* linger(app)
      const inGroup = (
        words: ReadonlyArray<string>
      ) => ["sh", "-c", "echo $$ > \"$0/cgroup.procs\"; exec \"$@\"", group, ...words]
      const outcome = yield* Process.run(inGroup(app.command(["fim-exec", "true"])), {
        environment: { ...app.environment, ...loud }
      })
      assert.strictEqual(outcome.code, 0, outcome.stderr)
      assert.notMatch(outcome.stderr, joined)
      // Each group has its own.
      yield* eventually("two that linger", () => processesIn([app.global]).length === 2 && sockets(app).length === 2)
      assert.include((yield* listed(app)).map(({ pid }) => pid), driver)
      assert.isTrue(yield* joins(app))
      while ((yield* listed(app)).length > 0) yield* app.run(["fim-instance", "stop", "0"])
      yield* app.isClean
    }))

  scenario(
    "while their driver does not answer, and a start waits for it only briefly",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(ordinary)
        const driver = yield* linger(app)
        process.kill(driver, "SIGSTOP")
        const begin = performance.now()
        assert.isFalse(yield* joins(app))
        assert.isBelow(performance.now() - begin, 5000)
        process.kill(driver, "SIGCONT")
        yield* lingering(app)
        yield* stop(app)
        yield* app.isClean
      })
  )
})

describe("layers do not linger", () => {
  for (const user of users.filter(({ uid }) => uid === 0)) {
    scenario("of root", images, () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        assert.isFalse(yield* joins(app))
        assert.isFalse(yield* joins(app))
        yield* app.isClean
      }))
  }

  const surroundings: ReadonlyArray<readonly [string, Readonly<Record<string, string>>]> = [
    ["in a job of Slurm", { ...long, SLURM_JOB_ID: "7" }],
    ["in continuous integration", { FIM_LINGER: "", CI: "true" }],
    ["in a container", { FIM_LINGER: "", container: "oci" }]
  ]
  for (const [what, environment] of surroundings) {
    scenario(what, images, () =>
      Effect.gen(function*() {
        const app = yield* place(ordinary)
        const outcome = yield* app.run(["fim-exec", "true"], { environment: { ...environment, FIM_DEBUG: "1" } })
        assert.match(outcome.stderr, /The layers do not stay mounted: this is /)
        yield* app.isClean
      }))
  }

  scenario("when the program has left others running", images, () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary)
      yield* app.run(["fim-exec", "sh", "-c", "sleep 1 > /dev/null 2>&1 &"], { environment: long })
      yield* eventually("an end", () => processesIn([app.global]).length === 0)
      yield* app.isClean
    }))

  scenario("for a time that is none, which is said before anything is mounted", images, () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary)
      for (const seconds of ["-1", "1.5", "a minute", "86401", "9999999", "1s"]) {
        const environment = { FIM_LINGER: seconds }
        const { code, stderr, stdout } = yield* app.run(["fim-exec", "echo", "ran"], { environment })
        assert.deepStrictEqual([code, stdout], [125, ""])
        assert.include(stderr, `FIM_LINGER is '${seconds}', but must be a number of seconds from 0 to 86400`)
      }
      yield* app.isClean
    }))

  scenario(
    "by a variable of the image, and the guest does not get that of the caller",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(ordinary, { copy: true })
        yield* app.run(["fim-env", "add", "FIM_LINGER=nonsense"])
        const outcome = yield* app.run(["fim-exec", "sh", "-c", "echo \"<$FIM_LINGER>\""], { environment: long })
        assert.deepStrictEqual([outcome.code, outcome.stdout], [0, "<nonsense>\n"])
        yield* lingering(app)
        yield* stop(app)
        yield* app.run(["fim-env", "del", "FIM_LINGER"])
        const { stdout } = yield* app.run(["fim-exec", "env"], { environment: long })
        assert.notMatch(stdout, /FIM_LINGER|XDG_RUNTIME_DIR=.*runtime/)
        yield* lingering(app)
        yield* stop(app)
        yield* app.isClean
      })
  )
})

describe("after SIGKILL", () => {
  scenario("of the driver nothing is left, and the next start is as any", images, () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary)
      const driver = yield* linger(app)
      process.kill(driver, "SIGKILL")
      yield* app.isClean
      assert.isFalse(yield* joins(app))
      assert.notStrictEqual(yield* lingering(app), driver)
      assert.strictEqual(sockets(app).length, 1)
      yield* stop(app)
      yield* app.isClean
    }))

  scenario("or SIGTERM, which a driver heeds when nobody uses it", images, () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary)
      process.kill(yield* linger(app), "SIGTERM")
      yield* app.isClean
      const driver = yield* linger(app)
      const running = yield* app.start(["fim-exec", "sh", "-c", "echo ready; read line; cat /bin/busybox | wc -c"], {
        environment: long,
        interactive: true
      })
      yield* running.says(/ready/)
      process.kill(driver, "SIGTERM")
      process.kill(driver, "SIGHUP")
      yield* running.write("\n")
      assert.strictEqual((yield* running.outcome).code, 0)
      yield* app.isClean
      assert.isFalse(yield* joins(app))
      yield* lingering(app)
      yield* stop(app)
      yield* app.isClean
    }))

  scenario("of the driver a guest that has joined ends", images, () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary)
      const driver = yield* linger(app)
      const running = yield* app.start(["fim-exec", "sh", "-c", "echo ready; sleep 1000"], { environment: long })
      yield* running.says(/ready/)
      process.kill(driver, "SIGKILL")
      assert.notStrictEqual(yield* running.exited, 0)
      yield* app.isClean
    }))

  for (const name of ["fim-janitor", "fim-holder"]) {
    scenario(
      `of ${name} of an instance that has joined, the layers linger and nothing else is left`,
      images,
      () =>
        Effect.gen(function*() {
          const app = yield* place(ordinary)
          const driver = yield* linger(app)
          const running = yield* app.start(["fim-exec", "sh", "-c", "echo ready; sleep 1000"], { environment: long })
          yield* running.says(/ready/)
          const victim = processesIn([app.global]).find((process) => process.name === name)
          process.kill(victim?.pid ?? 0, "SIGKILL")
          assert.notStrictEqual(yield* running.exited, 0)
          assert.strictEqual(yield* lingering(app), driver)
          assert.isTrue(yield* joins(app))
          yield* lingering(app)
          yield* stop(app)
          yield* app.isClean
        })
    )
  }

  scenario("of the boot program of a first start nothing lingers", images, () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary)
      for (const phase of ["janitor", "layers", "mount", "sandbox"]) {
        const running = yield* app.start(["fim-exec", "sleep", "1000"], { environment: loud })
        yield* running.complains(new RegExp(`Phase: ${phase}$`, "m"))
        yield* running.signal("SIGKILL")
        yield* running.exited
        yield* app.isClean
      }
      const running = yield* app.start(["fim-exec", "sh", "-c", "echo ready; sleep 1000"], { environment: loud })
      yield* running.says(/ready/)
      yield* Effect.sleep("200 millis")
      yield* running.signal("SIGKILL")
      yield* running.exited
      yield* app.isClean
      assert.isEmpty(sockets(app))
    }))

  scenario("of the boot program of a start that joins, only the layers are left", images, () =>
    Effect.gen(function*() {
      const app = yield* place(ordinary)
      const driver = yield* linger(app)
      for (const phase of ["janitor", "layers", "mount", "sandbox", "end"]) {
        const running = yield* app.start(["fim-exec", "sleep", phase === "end" ? "0" : "1000"], { environment: loud })
        yield* running.complains(new RegExp(`Phase: ${phase}$`, "m"))
        yield* running.signal("SIGKILL")
        yield* running.exited
        assert.strictEqual(yield* lingering(app), driver, phase)
      }
      assert.isTrue(yield* joins(app))
      yield* lingering(app)
      yield* stop(app)
      yield* app.isClean
    }))

  scenario(
    "of anything at any moment of a first start or a join, nothing is left but layers",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(ordinary)
        for (let round = 0; round < 24; round++) {
          // Every other one is a join.
          if (round % 2 === 1) yield* linger(app)
          const running = yield* app.start(["fim-exec", "true"], { environment: long })
          yield* Effect.sleep(5 + round * 5)
          const victims = processesIn([app.global])
          const victim = victims[round % Math.max(victims.length, 1)]
          if (victim !== undefined) {
            try {
              process.kill(victim.pid, "SIGKILL")
            } catch {
              // It has ended meanwhile.
            }
          }
          yield* running.exited
          yield* eventually(
            "an end of all but drivers",
            () => processesIn([app.global]).every(({ name }) => name === "fim-dwarfs")
          )
          assert.isAtMost(drivers(app).length, 1)
          while ((yield* listed(app)).length > 0) yield* stop(app)
          // A killed janitor leaves its directories to the next start.
          assert.strictEqual((yield* app.run(["fim-exec", "true"])).code, 0)
          yield* app.isClean
        }
      }),
    240_000
  )
})

describe("another user", () => {
  scenario(
    "cannot put a driver of his in the place of the caller's",
    [...images, root, program("perl")],
    () =>
      Effect.gen(function*() {
        const app = yield* place(ordinary, { fresh: true })
        mkdirSync(app.global)
        chownSync(app.global, ordinary.uid, ordinary.gid)
        yield* linger(app)
        const [socket = ""] = sockets(app)
        yield* stop(app)
        const directory = socket.replace(/\/[^/]*$/, "")
        assert.strictEqual(statSync(directory).mode & 0o7777, 0o700)
        // The caller has let everybody in.
        chmodSync(`${app.global}/app`, 0o755)
        chmodSync(directory, 0o777)
        const script =
          "use Socket; $| = 1; socket S, AF_UNIX, SOCK_SEQPACKET, 0 or die; chdir $ARGV[0] and bind S, pack_sockaddr_un($ARGV[1]) or die;"
          + " chmod 0666, $ARGV[1]; listen S, 5; print \"listens\\n\"; accept C, S; recv C, $q, 65536, 0; print \"asked $q\\n\"; sleep 60"
        const his = yield* Process.start(
          other.command(["perl", "-e", script, directory, socket.replace(/^.*\//, "")], "/"),
          {
            environment: { PATH: "/usr/bin:/bin" }
          }
        )
        yield* his.says(/listens/)
        assert.strictEqual(statSync(socket).uid, other.uid)
        for (const trust of [{}, { FIM_TRUST_GROUP: String(other.gid) }]) {
          if ("FIM_TRUST_GROUP" in trust) {
            // So his directory entries are accepted, and he himself is not.
            chownSync(directory, ordinary.uid, other.gid)
            chmodSync(directory, 0o770)
          }
          assert.isFalse(yield* joins(app, { ...loud, ...trust }))
          // The second time he is called, and left without a word.
          assert.strictEqual(his.stdout(), `listens\n${"FIM_TRUST_GROUP" in trust ? "asked \n" : ""}`)
        }
        yield* his.signal("SIGKILL")
      })
  )
})
