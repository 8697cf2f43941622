/** Starts programs. */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PlatformError from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as CommandLine from "effect/process/CommandLine"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as host from "fim:host"
import { whenReadable } from "./Loop.ts"
import { plumb, type Plumbing } from "./Plumbing.ts"
import { signalNumber } from "./SignalNumbers.ts"
import { attempt, type Failing } from "./SystemError.ts"

type Handle = ChildProcessSpawner.ChildProcessHandle
type Output = Stream.Stream<Uint8Array, PlatformError.PlatformError>

interface End {
  readonly code: number
  /** Number of the signal that ended it, or 0. */
  readonly signal: number
}

const text = (value: string | Redacted.Redacted<string>): string =>
  Redacted.isRedacted(value) ? Redacted.value(value) : value

const lineOf = (command: ChildProcess.StandardCommand): string =>
  CommandLine.display([command.command, ...command.args], { format: "posix" })

const variablesOf = ({ env, extendEnv }: ChildProcess.CommandOptions): ReadonlyArray<string> => {
  const inherited = env === undefined || extendEnv === true ? host.environment() : {}
  const given = Object.entries(env ?? {})
  const names = new Set(given.map(([name]) => name))
  return [
    ...Object.entries(inherited).flatMap(([name, value]) => names.has(name) ? [] : [`${name}=${value}`]),
    ...given.flatMap(([name, value]) => value === undefined ? [] : [`${name}=${text(value)}`])
  ]
}

const argumentsOf = (
  command: ChildProcess.StandardCommand
): readonly [program: string, args: ReadonlyArray<string>] => {
  const { shell } = command.options
  if (shell === undefined || shell === false) return [command.command, command.args.map(text)]
  return [shell === true ? "/bin/sh" : shell, ["-c", command.command]]
}

/** Why a command is not valid. The message must contain no secret. */
const refusal = (command: ChildProcess.StandardCommand): string | undefined => {
  const { env, shell } = command.options
  if (shell !== undefined && shell !== false && command.args.length > 0) {
    return "a command for a shell has no arguments: pass the whole script as the command"
  }
  if (Object.values(command.options.additionalFds ?? {}).some(({ type }) => type === "duplex")) {
    return "a descriptor for both directions is not supported"
  }
  if (command.command.includes("\0")) return "the command has a zero byte in it"
  const index = command.args.findIndex((word) => text(word).includes("\0"))
  if (index >= 0) return `argument ${index + 1} has a zero byte in it`
  const variable = Object.entries(env ?? {}).find(([, value]) => value !== undefined && text(value).includes("\0"))
  return variable === undefined ? undefined : `the variable ${variable[0]} has a zero byte in it`
}

/** Waits until a group whose leader has ended is empty, for a second at most. */
const groupGone = (pid: number): Effect.Effect<void> =>
  attempt("ChildProcess", "kill", pid, () => host.killGroup(pid, 0)).pipe(
    Effect.andThen(Effect.sleep("10 millis")),
    Effect.forever,
    Effect.ignore,
    Effect.timeoutOption("1 second"),
    Effect.asVoid
  )

/** Ends a child by a signal, waits for its end, and sends SIGKILL after the timeout. */
const terminate = (
  send: (signal: ChildProcess.Signal) => Failing<void>,
  end: Effect.Effect<void>,
  defaults: ChildProcess.KillOptions
) =>
(options?: ChildProcess.KillOptions): Failing<void> => {
  const signal = options?.killSignal ?? defaults.killSignal ?? "SIGTERM"
  const timeout = options?.forceKillAfter ?? defaults.forceKillAfter
  return Effect.andThen(
    send(signal),
    timeout === undefined ? end : Effect.timeoutOrElse(end, {
      duration: Duration.fromInputUnsafe(timeout),
      orElse: () => Effect.andThen(Effect.ignore(send("SIGKILL")), end)
    })
  )
}

/** Waits for the end of a child, and of its group if it leads one. */
const endingOf = (ended: Deferred.Deferred<End>, pid: number, detached: boolean | undefined): Effect.Effect<void> =>
  Effect.andThen(Deferred.await(ended), detached === false ? Effect.void : groupGone(pid))

const start = Effect.fnUntraced(function*(
  command: ChildProcess.StandardCommand,
  plumbing: Plumbing,
  failing: Failed
) {
  const { cwd, detached } = command.options
  if (cwd !== undefined) yield* attempt("FileSystem", "access", cwd, () => host.access(cwd, false, false))
  const [program, args] = argumentsOf(command)
  const [pid, descriptor] = yield* failing(
    "spawn",
    () => host.spawn(program, args, variablesOf(command.options), plumbing.theirs, cwd, detached !== false)
  )
  const ended = Deferred.makeUnsafe<End>()
  const cancel = whenReadable(descriptor, () => {
    cancel()
    host.close(descriptor)
    const [code, signal] = host.reap(pid)
    Deferred.doneUnsafe(ended, Effect.succeed({ code, signal }))
  })
  return { pid, ended }
})

type Failed = <A>(method: string, call: () => A) => Failing<A>

/** Sends signals to a child, and to its group if it leads one. */
const sending = (pid: number, detached: boolean | undefined, failing: Failed) => (signal: ChildProcess.Signal) =>
  failing(
    "kill",
    () => detached === false ? host.kill(pid, signalNumber(signal)) : host.killGroup(pid, signalNumber(signal))
  )

const spawnOne = Effect.fnUntraced(function*(
  command: ChildProcess.StandardCommand
): Effect.fn.Return<Handle, PlatformError.PlatformError, Scope.Scope> {
  const description = refusal(command)
  if (description !== undefined) {
    return yield* Effect.fail(PlatformError.badArgument({ module: "ChildProcess", method: "spawn", description }))
  }
  const line = lineOf(command)
  const failing: Failed = (method, call) => attempt("ChildProcess", method, line, call)
  const { detached } = command.options
  const plumbing = yield* plumb(command.options)
  let referenced = true
  const { ended, pid } = yield* Effect.acquireRelease(
    start(command, plumbing, failing).pipe(Effect.ensuring(plumbing.closeTheirs)),
    ({ ended, pid }) =>
      Effect.suspend(() => {
        const ending = endingOf(ended, pid, detached)
        if (Deferred.isDoneUnsafe(ended)) {
          return detached === false
            ? Effect.void
            : Effect.ignore(
              Effect.andThen(failing("kill", () => host.killGroup(pid, signalNumber("SIGTERM"))), groupGone(pid))
            )
        }
        return referenced
          ? Effect.ignore(terminate(sending(pid, detached, failing), ending, command.options)())
          : Effect.void
      })
  )
  const isRunning = Effect.sync(() => !Deferred.isDoneUnsafe(ended))
  const inputFailure = yield* plumbing.feed
  const exitCode = Effect.raceFirst(Deferred.await(ended), Deferred.await(inputFailure)).pipe(
    Effect.flatMap(({ code, signal }) =>
      signal === 0
        ? Effect.succeed(ChildProcessSpawner.ExitCode(code))
        : Effect.fail(PlatformError.systemError({
          _tag: "Unknown",
          module: "ChildProcess",
          method: "exitCode",
          pathOrDescriptor: line,
          cause: new Error(`the process was ended by signal ${signal}`)
        }))
    )
  )
  const reref = Effect.sync(() => void (referenced = true))
  return ChildProcessSpawner.makeHandle({
    pid: ChildProcessSpawner.ProcessId(pid),
    exitCode,
    isRunning,
    kill: terminate(
      sending(pid, detached, failing),
      endingOf(ended, pid, detached),
      command.options
    ),
    stdin: plumbing.input(0),
    stdout: plumbing.output(1),
    stderr: plumbing.output(2),
    all: Stream.merge(plumbing.output(1), plumbing.output(2)),
    getInputFd: plumbing.input,
    getOutputFd: plumbing.output,
    unref: Effect.sync(() => {
      referenced = false
      return reref
    })
  })
})

const sourceOf = (handle: Handle, from: ChildProcess.PipeFromOption): Output => {
  if (from === "all") return handle.all
  if (from === "stderr") return handle.stderr
  return from === "stdout" ? handle.stdout : handle.getOutputFd(ChildProcess.parseFdName(from) ?? 1)
}

/** The command with another input stream. */
const reading = (command: ChildProcess.StandardCommand, to: ChildProcess.PipeToOption, stream: Output) =>
  ChildProcess.make(command.command, command.args, {
    ...command.options,
    ...(to === "stdin"
      ? { stdin: stream }
      : { additionalFds: { ...command.options.additionalFds, [to]: { type: "input", stream } } })
  })

interface Link {
  readonly command: ChildProcess.StandardCommand
  /** How the previous command of the pipeline leads to it; unused for the first. */
  readonly options: ChildProcess.PipeOptions
}

const linksOf = (command: ChildProcess.Command, options: ChildProcess.PipeOptions): ReadonlyArray<Link> =>
  ChildProcess.isPipedCommand(command)
    ? [...linksOf(command.left, options), ...linksOf(command.right, command.options)]
    : [{ command, options }]

const spawn = Effect.fnUntraced(function*(command: ChildProcess.Command) {
  const handles: Array<Handle> = []
  for (const { command: next, options } of linksOf(command, {})) {
    const last = handles.at(-1)
    const piped = last === undefined
      ? next
      : reading(next, options.to ?? "stdin", sourceOf(last, options.from ?? "stdout"))
    handles.push(yield* spawnOne(piped))
  }
  const [first, last] = [handles[0], handles.at(-1)]
  if (first === undefined || last === undefined || first === last) return first ?? (yield* Effect.die("no command"))
  const backwards = handles.toReversed()
  return ChildProcessSpawner.makeHandle({
    ...last,
    stdin: first.stdin,
    kill: (options) => Effect.forEach(backwards, (handle) => Effect.ignore(handle.kill(options)), { discard: true }),
    unref: Effect.map(
      Effect.forEach(handles, (handle) => handle.unref),
      (rerefs) => Effect.forEach(rerefs.toReversed(), (reref) => reref, { discard: true })
    )
  })
})

export const layer = Layer.succeed(
  ChildProcessSpawner.ChildProcessSpawner,
  ChildProcessSpawner.make(spawn)
)
