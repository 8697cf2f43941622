/**
 * Images where the system calls that are newer than Linux 4.18 are missing: all of them, for the image and whatever it starts.
 * `test/stress/run -p oldkernel` runs all other tests in this way.
 */
import { afterAll, assert, beforeAll, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { constants } from "node:os"
import { compiler } from "../support/Attacker.ts"
import { processesIn } from "../support/Leftovers.ts"
import { images, isRoot, root, scenario } from "../support/Needs.ts"
import { answers, compileOldKernel, onOldKernel } from "../support/OldKernel.ts"
import { shared } from "../support/OtherUser.ts"
import { type Place, place } from "../support/Place.ts"
import { inGuest, open } from "../support/Portal.ts"
import * as Process from "../support/Process.ts"
import { users } from "../support/Users.ts"

const needs = [...images, compiler]

let oldKernel: ReturnType<typeof compileOldKernel> | undefined
const program = () => oldKernel?.path ?? "old-kernel is not compiled"
beforeAll(() => {
  if (compiler.missing === undefined) oldKernel = compileOldKernel()
})
afterAll(() => oldKernel?.remove())

const errors = { enosys: constants.errno.ENOSYS, eperm: constants.errno.EPERM }

/** The types of overlay as the log calls them, and what chooses them. */
const types = {
  BWRAP: { FIM_OVERLAY: "bwrap" },
  FUSE_OVERLAYFS: { FIM_OVERLAY: "overlayfs" },
  UNIONFS_FUSE: { FIM_OVERLAY: "unionfs" },
  casefold: { FIM_OVERLAY: "unionfs", FIM_CASEFOLD: "1" }
}

const phases = ["relocate", "settings", "mount", "portal", "sandbox"]

const said = ({ code, stderr, stdout }: Process.Outcome) => [code, stdout, stderr]

/** What each call gives, by its name, in what `old-kernel ask` prints. */
const answersOf = (text: string) =>
  new Map(
    text.trimEnd().split("\n").map((line): [string, number] => {
      const [name = "", error] = line.split(" ")
      return [name, Number(error)]
    })
  )

/** Puts a file into the guest's root, over what the layers have there. */
const give = (app: Place, path: string, put: (path: string) => void) => {
  const target = `${app.data}/data/${path}`
  mkdirSync(target.slice(0, target.lastIndexOf("/")), { recursive: true })
  put(target)
}

describe.each(users)("as $name", (ordinary) => {
  describe.each(answers)("where newer calls give %s", (answer) => {
    const user = onOldKernel(ordinary, program, answer)

    scenario(
      "they do give that, and a guest finds none that only a filter refuses",
      needs,
      () =>
        Effect.gen(function*() {
          const app = yield* place(user)
          const outside = answersOf((yield* app.run(["ask"], { program: program() })).stdout)
          assert.isAtLeast(outside.size, 20)
          for (const [name, error] of outside) assert.strictEqual(error, errors[answer], name)
          assert.strictEqual((yield* app.run(["fim-exec", "true"])).code, 0)
          give(app, "ask", (path) => copyFileSync(program(), path))
          const inside = answersOf((yield* app.run(["fim-exec", "/ask", "ask"])).stdout)
          // What makes threads, and what a C library has something else for.
          for (
            const name of ["clone3", "openat2", "faccessat2", "close_range", "statx", "pidfd_open", "epoll_pwait2"]
          ) {
            assert.strictEqual(inside.get(name), errors.enosys, name)
          }
        })
    )

    for (const [name, environment] of Object.entries(types)) {
      scenario(
        `a program runs on ${name}, with its streams, its exit code and signals`,
        needs,
        () =>
          Effect.gen(function*() {
            const app = yield* place(user)
            const script = "cat; echo err >&2; echo kept > /kept; exit 7"
            const first = yield* app.run(["fim-exec", "sh", "-c", script], { environment, input: "in" })
            assert.deepStrictEqual(said(first), [7, "in", "err\n"])
            const kept = environment === types.casefold ? "/KEPT" : "/kept"
            const second = yield* app.run(["fim-root", "cat", kept], {
              environment: { ...environment, FIM_DEBUG: "1" }
            })
            assert.deepStrictEqual([second.code, second.stdout], [0, "kept\n"])
            assert.include(second.stderr, `Overlay type: ${name === "casefold" ? "UNIONFS_FUSE" : name}`)
            const running = yield* app.start([
              "fim-exec",
              "sh",
              "-c",
              "trap 'exit 9' TERM; echo ready; sleep 60 & wait"
            ], {
              environment
            })
            yield* running.says(/ready/)
            yield* running.signal("SIGTERM")
            assert.deepStrictEqual(said(yield* running.outcome), [9, "ready\n", ""])
            yield* app.isClean
          })
      )

      scenario(`a commit of ${name} keeps changes and deletions`, needs, () =>
        Effect.gen(function*() {
          const app = yield* place(user, { copy: true })
          const change = "echo new > /new; mkdir /Dir; echo a > /Dir/a; rm /usr/bin/yes"
          assert.deepStrictEqual(said(yield* app.run(["fim-root", "sh", "-c", change], { environment })), [0, "", ""])
          const committed = yield* app.run(["fim-layer", "commit", "binary"], { environment })
          assert.deepStrictEqual([committed.code, committed.stderr], [0, ""])
          assert.deepStrictEqual(readdirSync(`${app.data}/data`), [])
          const look = "cat /new /Dir/a; test -e /usr/bin/yes || echo removed"
          assert.deepStrictEqual(said(yield* app.run(["fim-exec", "sh", "-c", look])), [0, "new\na\nremoved\n", ""])
          yield* app.isClean
        }))
    }

    scenario("a first start unpacks, and two runs share an overlay", needs, () =>
      Effect.gen(function*() {
        const app = yield* place(user, { fresh: true })
        const first = yield* app.start(["fim-exec", "sh", "-c", "echo a > /shared; echo ready; read line"], {
          interactive: true
        })
        yield* first.says(/ready/)
        assert.deepStrictEqual(said(yield* app.run(["fim-exec", "cat", "/shared"])), [0, "a\n", ""])
        const listed = yield* app.run(["fim-instance", "list"])
        assert.match(listed.stdout, /^0:\d+\n$/)
        const inside = yield* app.run(["fim-instance", "exec", "0", "sh", "-c", "cat /shared; cat; exit 3"], {
          input: "b"
        })
        assert.deepStrictEqual(said(inside), [3, "a\nb", ""])
        yield* first.write("end\n")
        assert.deepStrictEqual(said(yield* first.outcome), [0, "ready\n", ""])
        yield* app.isClean
      }))

    scenario("commands of the host are called, with their streams and exit code", needs, () =>
      Effect.gen(function*() {
        const app = yield* open(user, "sh")
        const outcome = yield* inGuest(app, "echo in | fim_portal sh -c 'cat; id -u; echo err >&2; exit 5'; echo $?")
        assert.deepStrictEqual(said(outcome), [0, `in\n${user.uid}\n5\n`, "err\n"])
        yield* app.isClean
      }))

    scenario("a guest gets no descriptor of the caller's but its streams", needs, () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const outcome = yield* app.shell("exec 8< /etc/hostname 9< /; \"$app\" fim-exec ls /proc/self/fd")
        // The last is the directory itself.
        assert.deepStrictEqual([outcome.code, outcome.stdout], [0, "0\n1\n2\n3\n"])
      }))

    scenario("a run that is killed at any phase leaves nothing", needs, () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const debug = yield* app.run(["fim-exec", "true"], { environment: { FIM_DEBUG: "1" } })
        const all = [...debug.stderr.matchAll(/Phase: (\w+)$/gm)].map(([, name]) => name ?? "")
        assert.isAtLeast(all.length, phases.length)
        for (const [index, phase] of all.entries()) {
          const environment = { FIM_DEBUG: "1", FIM_OVERLAY: ["bwrap", "overlayfs", "unionfs"][index % 3] }
          const words = ["fim-exec", "sleep", phase === "end" ? "0" : "1000"]
          const running = yield* app.start(words, { environment })
          yield* running.complains(new RegExp(`Phase: ${phase}$`, "m"))
          yield* running.signal("SIGKILL")
          yield* running.exited
          yield* app.isClean
        }
        // The janitor hears of its holder's end, and the holder of that of what serves files.
        for (const name of ["fim-holder", "fim-dwarfs"]) {
          const loop = "echo ready; while cat /bin/busybox > /dev/null; do :; done; exit 3"
          const running = yield* app.start(["fim-exec", "sh", "-c", loop])
          yield* running.says(/ready/)
          const servant = processesIn([app.global]).find((process) => process.name === name)
          assert(servant !== undefined, `there is no process named ${name}`)
          process.kill(servant.pid, "SIGKILL")
          assert.include([3, 125], yield* running.exited)
          yield* app.isClean
        }
      }))

    scenario("links of the guest lead nowhere but into its root", needs, () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        yield* app.run(["fim-exec", "true"])
        const secret = `${app.directory}/secret`
        writeFileSync(secret, "secret:x:4242:4242:of the host:/:/bin/sh\n")
        const up = "../".repeat(20)
        const script = "mkdir -p \"$1/etc\" \"$1/srv\"; echo inside:x:4243:4243::/:/bin/sh > \"$1/srv/accounts\""
        const prepared = yield* app.run(["-c", script, "sh", `${app.data}/data`], { program: "/bin/sh" })
        assert.deepStrictEqual(said(prepared), [0, "", ""])
        const lead = Effect.fnUntraced(function*(target: string) {
          const link = ["-sfn", target, `${app.data}/data/etc/passwd`]
          assert.strictEqual((yield* app.run(link, { program: "/bin/ln" })).code, 0)
          const outcome = yield* app.run(["fim-exec", "sh", "-c", "cat /etc/passwd; id -u"])
          assert.strictEqual(outcome.code, 0)
          return outcome.stdout
        })
        for (const target of [secret, `${up}${secret}`, `/proc/self/root${secret}`, `/proc/1/root/${up}${secret}`]) {
          assert.notInclude(yield* lead(target), "of the host", target)
        }
        for (const target of ["/srv/accounts", `${up}srv/accounts`, "../srv/./accounts"]) {
          assert.include(yield* lead(target), "inside:x:4243", target)
        }
        yield* app.isClean
      }))

    scenario("a directory that others can change is refused", needs, () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const make = (name: string, mode: number, owner = user.uid) => {
          mkdirSync(`${app.directory}/${name}`)
          chmodSync(`${app.directory}/${name}`, mode)
          if (isRoot) chownSync(`${app.directory}/${name}`, owner, owner)
          return `${app.directory}/${name}`
        }
        const refused: Record<string, RegExp> = {
          [`${make("open", 0o777)}/data`]: /other users can write to/,
          [make("own-open", 0o777)]: /other users can write to/
        }
        if (isRoot) refused[make("foreign", 0o755, 4242)] = /belongs to the user 4242/
        symlinkSync(`${app.directory}/open`, `${app.directory}/link`)
        refused[`${app.directory}/link/data`] = /other users can write to/
        for (const [path, reason] of Object.entries(refused)) {
          const outcome = yield* app.run(["fim-exec", "true"], { environment: { FIM_DIR_DATA: path } })
          assert.deepStrictEqual([path, outcome.code, outcome.stdout], [path, 125, ""])
          assert.match(outcome.stderr, reason)
        }
        assert.deepStrictEqual(readdirSync(`${app.directory}/open`), [])
        assert.strictEqual((yield* app.run(["fim-exec", "true"])).code, 0)
      }))

    scenario(
      "our programs do without these calls by themselves, whoever starts them",
      needs,
      () =>
        Effect.gen(function*() {
          const app = yield* place(user)
          yield* app.run(["fim-exec", "true"])
          const [application = ""] = readdirSync(`${app.global}/app`)
          const fim = `${app.global}/app/${application}/bin/fim`
          // The first makes the directory, the second asks whether it can be written to.
          for (let round = 0; round < 2; round++) {
            const judged = yield* app.run(["trust", "make", `${app.home}/data`], { program: fim })
            assert.deepStrictEqual([judged.code, judged.stderr], [0, ""])
            assert.deepInclude(JSON.parse(judged.stdout).ok, { usable: true, reason: null })
          }
        })
    )

    scenario("another user's data directory is passed over", [...needs, root], () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const { directory, image } = shared(app)
        const data = `${directory}/.app.flatimage.data`
        mkdirSync(`${data}/data`, { recursive: true })
        writeFileSync(`${data}/data/evil`, "evil")
        for (const path of [data, `${data}/data`]) {
          chmodSync(path, 0o777)
          chownSync(path, 4242, 4242)
        }
        const outcome = yield* app.run(["fim-exec", "sh", "-c", "cat /evil; echo kept > /kept"], { program: image })
        assert.notInclude(outcome.stdout, "evil")
        assert.match(outcome.stderr, /^W::Data directory '.*' cannot be used.*belongs to the user 4242/m)
        assert.deepStrictEqual(readdirSync(`${data}/data`), ["evil"])
        assert.strictEqual(
          readFileSync(`${app.home}/.local/share/flatimage/.app.flatimage.data/data/kept`, "utf8"),
          "kept\n"
        )
        assert.isFalse(existsSync(`${data}/work/lock`))
      }))
  })
})
