import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Sink from "effect/Sink"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import type { Case, Operation } from "./Outcome.ts"

type Spawner = ChildProcessSpawner.ChildProcessSpawner["Service"]

const one = (label: string, act: (spawner: Spawner, place: string) => ReturnType<Operation>): Case => [
  label,
  (place) => Effect.flatMap(ChildProcessSpawner.ChildProcessSpawner, (spawner) => act(spawner, place))
]

const shell = (script: string, options: ChildProcess.CommandOptions = {}) =>
  ChildProcess.make("sh", ["-c", script], { detached: false, ...options })

const textOf = (stream: Stream.Stream<Uint8Array, never> | ChildProcessSpawner.ChildProcessHandle["stdout"]) =>
  Stream.mkString(Stream.decodeText(stream))

const mebibyte = new Uint8Array(1 << 20).fill(0x61)

export const childCases: ReadonlyArray<Case> = [
  one("the output of a program", (spawner) => spawner.string(shell("printf 'a\\nb'; echo c >&2"))),
  one(
    "the output and the errors of a program",
    (spawner) => spawner.string(shell("echo a; sleep 0.1; echo b >&2"), { includeStderr: true })
  ),
  one("the lines of a program", (spawner) => spawner.lines(shell("printf 'a\\nb\\n\\nc'"))),
  one("an exit code", (spawner) => spawner.exitCode(shell("exit 7"))),
  one(
    "an end by a signal",
    (spawner) =>
      Effect.flatMap(spawner.spawn(shell("kill -9 $$")), (handle) => Effect.exit(handle.exitCode)).pipe(
        Effect.map(({ _tag }) => _tag)
      )
  ),
  one("a program that is not there", (spawner) => Effect.asVoid(spawner.spawn(ChildProcess.make("not-there")))),
  one(
    "a program that may not be run",
    (spawner, place) => Effect.asVoid(spawner.spawn(ChildProcess.make(`${place}/file`, ["a b"])))
  ),
  one(
    "a program in a directory that is not there",
    (spawner, place) => Effect.asVoid(spawner.spawn(shell("true", { cwd: `${place}/nothing` })))
  ),
  one("a word with a zero byte", (spawner) => Effect.asVoid(spawner.spawn(ChildProcess.make("true", ["a\0b"])))),
  one("a program in a directory", (spawner, place) => spawner.string(shell("pwd", { cwd: `${place}/directory` }))),
  one(
    "words of all kinds",
    (spawner) =>
      spawner.string(ChildProcess.make("printf", ["<%s>", "", " ", "ä€😀", "'\"\\", "-n", "a\nb"], { detached: false }))
  ),
  one(
    "variables in place of ours",
    (spawner) =>
      Effect.map(spawner.lines(ChildProcess.make("/usr/bin/env", { env: { B: "ä=1", A: "" } })), (all) => all.sort())
  ),
  one("variables beside ours", (spawner) =>
    Effect.map(
      spawner.lines(shell("env", { extendEnv: true, env: { FIRST: "1", PATH: "/usr/bin:/bin", HOME: undefined } })),
      (all) => all.filter((line) => /^(FIRST|PATH|HOME)=/.test(line)).sort()
    )),
  one("a script for a shell", (spawner) => spawner.string(ChildProcess.make("echo $((1 + 2))", { shell: true }))),
  one(
    "a script for a shell, and words",
    (spawner) => Effect.asVoid(spawner.spawn(ChildProcess.make("true", ["word"], { shell: true })))
  ),
  one(
    "input by a stream",
    (spawner) => spawner.string(shell("wc -c", { stdin: Stream.make(mebibyte, mebibyte, mebibyte) }))
  ),
  one("input by the handle", (spawner) =>
    Effect.gen(function*() {
      const handle = yield* spawner.spawn(shell("cat"))
      const output = yield* Effect.forkChild(textOf(handle.stdout))
      yield* Stream.run(Stream.make(Uint8Array.of(65), Uint8Array.of(66)), handle.stdin)
      return [yield* Fiber.join(output), yield* handle.exitCode]
    })),
  one("more output than a pipe holds, and a child that waits for its reader", (spawner) =>
    Effect.gen(function*() {
      const handle = yield* spawner.spawn(shell("head -c 5000000 /dev/zero"))
      const size = yield* Stream.runFold(handle.stdout, () => 0, (sum, { length }) => sum + length)
      return [size, yield* handle.exitCode]
    })),
  one("as much in as out at the same time", (spawner) =>
    Effect.gen(function*() {
      const handle = yield* spawner.spawn(shell("cat", { stdin: Stream.make(mebibyte, mebibyte, mebibyte) }))
      return yield* Stream.runFold(handle.stdout, () => 0, (sum, { length }) => sum + length)
    })),
  one(
    "a child that closes its input",
    (spawner) =>
      spawner.string(shell("exec 0<&-; sleep 0.2; echo done", { stdin: Stream.forever(Stream.make(mebibyte)) }))
  ),
  one(
    "a child that ends without reading",
    (spawner) => spawner.exitCode(shell("exit 3", { stdin: Stream.make(mebibyte, mebibyte) }))
  ),
  one("input that fails", (spawner) =>
    Effect.flatMap(
      spawner.spawn(shell("cat > /dev/null; exit 0", {
        stdin: Stream.unwrap(Effect.map(FileSystem.FileSystem, (fs) => fs.stream("/nothing/there")))
          .pipe(Stream.provideService(FileSystem.FileSystem, FileSystem.makeNoop({})))
      })),
      (handle) => Effect.asVoid(handle.exitCode)
    )),
  one("output to a sink", (spawner) =>
    Effect.gen(function*() {
      const seen: Array<number> = []
      const sink = Sink.forEach((bytes: Uint8Array) => Effect.sync(() => void seen.push(...bytes)))
      const handle = yield* spawner.spawn(shell("printf abc", { stdout: sink as never }))
      yield* Stream.runDrain(handle.stdout)
      return seen
    })),
  one(
    "nothing for a child",
    (spawner) => spawner.string(shell("cat; echo gone >&2; echo out", { stdin: "ignore", stderr: "ignore" }))
  ),
  one("more descriptors", (spawner) =>
    Effect.gen(function*() {
      const handle = yield* spawner.spawn(
        shell("cat <&3 >&4; echo out >&6; ls /proc/self/fd | grep -x . | tr '\\n' ' '", {
          additionalFds: {
            fd3: { type: "input", stream: Stream.make(mebibyte) },
            fd4: { type: "output" },
            fd6: { type: "output" }
          }
        })
      )
      const [count, six, out] = yield* Effect.all([
        Stream.runFold(handle.getOutputFd(4), () => 0, (sum, { length }) => sum + length),
        textOf(handle.getOutputFd(6)),
        textOf(handle.stdout)
      ], { concurrency: "unbounded" })
      return [count, six, out, yield* handle.exitCode]
    })),
  one(
    "a program that is not there, with more descriptors",
    (spawner) =>
      Effect.asVoid(spawner.spawn(ChildProcess.make("not-there", {
        additionalFds: { fd3: { type: "output" }, fd9: { type: "output" } }
      })))
  ),
  one("a pipeline", (spawner) =>
    spawner.string(
      ChildProcess.pipeTo(
        ChildProcess.pipeTo(shell("printf 'b\\na\\nc\\n'"), shell("sort")),
        shell("tr -d '\\n'")
      )
    )),
  one(
    "a pipeline of errors",
    (spawner) => spawner.string(ChildProcess.pipeTo(shell("echo no; echo yes >&2"), shell("cat"), { from: "stderr" }))
  ),
  one("isRunning, and kill", (spawner) =>
    Effect.gen(function*() {
      const handle = yield* spawner.spawn(shell("exec sleep 100"))
      const before = yield* handle.isRunning
      yield* handle.kill()
      return [before, yield* handle.isRunning]
    })),
  one("kill, of one that does not listen", (spawner) =>
    Effect.gen(function*() {
      const handle = yield* spawner.spawn(shell("trap '' TERM; echo ready; while :; do sleep 0.05; done"))
      yield* Stream.runHead(handle.stdout)
      yield* handle.kill({ forceKillAfter: "100 millis" })
      return yield* handle.isRunning
    })),
  one("the end of a scope ends the child", (spawner, place) =>
    Effect.andThen(
      Effect.scoped(Effect.andThen(
        Effect.flatMap(
          spawner.spawn(
            shell(`trap 'echo ended > ${place}/told; exit' TERM; echo ready; while :; do sleep 0.02; done`)
          ),
          (handle) => Stream.runHead(handle.stdout)
        ),
        Effect.void
      )),
      Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(`${place}/told`))
    )),
  one("a child in a session of its own ends with those it has started", (spawner, place) =>
    Effect.andThen(
      Effect.scoped(Effect.flatMap(
        spawner.spawn(
          shell(`(trap 'echo ended > ${place}/told; exit' TERM; echo ready; while :; do sleep 0.02; done) & wait`, {
            detached: true
          })
        ),
        (handle) => Stream.runHead(handle.stdout)
      )),
      Effect.andThen(
        Effect.sleep("300 millis"),
        Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(`${place}/told`))
      )
    )),
  one("many children at once", (spawner) =>
    Effect.map(
      Effect.forEach(
        Array.from({ length: 40 }, (_, index) => index),
        (index) => spawner.string(shell(`echo ${index}`)),
        {
          concurrency: "unbounded"
        }
      ),
      (all) => all.join("")
    )),
  ["paths", () => Effect.map(Path.Path, (path) => [path.resolve("/a", "../b"), path.basename("/x/y.z", ".z")])],
  ["standard streams", () => Effect.flatMap(Stdio.Stdio, ({ stdinIsTerminal }) => stdinIsTerminal)]
]
