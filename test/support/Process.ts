/** Programs as the tests start them: words and environment given in full, output kept as bytes, and no way to hang. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { Failure } from "./Failure.ts"

export interface Options {
  readonly environment?: Readonly<Record<string, string | undefined>>
  readonly directory?: string
  /** A program to run in place of the image. */
  readonly program?: string
  /** Standard input as a whole; without it the program reads the end of the file at once. */
  readonly input?: string | Uint8Array
  /** Leaves standard input open for `write`. */
  readonly interactive?: boolean
  /** After so many milliseconds the program is killed and the test fails. */
  readonly patience?: number
}

export interface Outcome {
  /** The exit code, or for a program that a signal ended the name of the signal. */
  readonly code: number | NodeJS.Signals
  readonly stdout: string
  readonly stderr: string
  readonly bytes: Buffer
}

export interface Running {
  readonly pid: number
  readonly child: ChildProcess
  /** What it has written until now. */
  readonly stdout: () => string
  readonly stderr: () => string
  /** Waits for the end of the process itself; what it started may still hold its output. */
  readonly exited: Effect.Effect<number | NodeJS.Signals, Failure>
  /** Waits for the end of the process and of its output. */
  readonly outcome: Effect.Effect<Outcome, Failure>
  /** Waits until standard output holds a match. */
  readonly says: (pattern: RegExp) => Effect.Effect<RegExpMatchArray, Failure>
  /** Waits until standard error holds a match. */
  readonly complains: (pattern: RegExp) => Effect.Effect<RegExpMatchArray, Failure>
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  readonly write: (text: string) => Effect.Effect<void>
}

/** Longer than anything here takes, and short enough to call it a hang. */
const defaultPatience = 20_000

const describe = (command: ReadonlyArray<string>, stdout: string, stderr: string) =>
  `${command.slice(0, 12).join(" ").slice(0, 400)}\n--- stdout\n${stdout.slice(-2000)}\n--- stderr\n${
    stderr.slice(-2000)
  }`

/** Starts a program in a session of its own. It is killed when the scope closes. */
export const start = (
  command: ReadonlyArray<string>,
  options: Options = {}
): Effect.Effect<Running, Failure, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.gen(function*() {
      const [program, ...words] = command
      const patience = options.patience ?? defaultPatience
      const child = spawn(program ?? "", words, {
        env: { ...options.environment } as NodeJS.ProcessEnv,
        cwd: options.directory,
        stdio: "pipe",
        detached: true
      })
      const chunks = { stdout: [] as Array<Buffer>, stderr: [] as Array<Buffer> }
      const text = (name: "stdout" | "stderr") => Buffer.concat(chunks[name]).toString("utf8")
      const watchers = new Set<() => void>()
      for (const name of ["stdout", "stderr"] as const) {
        child[name].on("data", (chunk: Buffer) => {
          chunks[name].push(chunk)
          for (const watcher of watchers) watcher()
        })
      }
      child.stdin.on("error", () => {})
      if (options.interactive !== true) child.stdin.end(options.input)
      const exited = yield* Deferred.make<number | NodeJS.Signals, Failure>()
      const closed = yield* Deferred.make<void, Failure>()
      const failed = (error: Error) => {
        const failure = Effect.fail(new Failure({ detail: error.message }))
        Deferred.doneUnsafe(exited, failure)
        Deferred.doneUnsafe(closed, failure)
      }
      child.once("error", failed)
      child.once("exit", (code, signal) => Deferred.doneUnsafe(exited, Effect.succeed(code ?? signal ?? "SIGKILL")))
      child.once("close", () => {
        Deferred.doneUnsafe(closed, Effect.void)
        for (const watcher of watchers) watcher()
      })
      const bounded = <A>(effect: Effect.Effect<A, Failure>, what: string) =>
        Effect.timeoutOrElse(effect, {
          duration: patience,
          orElse: () =>
            Effect.suspend(() =>
              Effect.fail(
                new Failure({
                  detail: `${what} within ${patience} ms: ${describe(command, text("stdout"), text("stderr"))}`
                })
              )
            )
        })
      const says = (name: "stdout" | "stderr") => (pattern: RegExp) =>
        bounded(
          Effect.callback<RegExpMatchArray, Failure>((resume) => {
            const look = () => {
              const match = text(name).match(pattern)
              if (match !== null) resume(Effect.succeed(match))
              else if (child[name].destroyed && child.exitCode !== null) {
                resume(
                  Effect.fail(
                    new Failure({
                      detail: `it ended before it said ${pattern}: ${describe(command, text("stdout"), text("stderr"))}`
                    })
                  )
                )
              }
            }
            watchers.add(look)
            look()
            return Effect.sync(() => watchers.delete(look))
          }),
          `it did not say ${pattern}`
        )
      return {
        pid: child.pid ?? 0,
        child,
        stdout: () => text("stdout"),
        stderr: () => text("stderr"),
        exited: bounded(Deferred.await(exited), "it did not end"),
        outcome: bounded(
          Effect.gen(function*() {
            const code = yield* Deferred.await(exited)
            yield* Deferred.await(closed)
            return { code, stdout: text("stdout"), stderr: text("stderr"), bytes: Buffer.concat(chunks.stdout) }
          }),
          "it did not end and close its output"
        ),
        says: says("stdout"),
        complains: says("stderr"),
        signal: (signal) => Effect.sync(() => void child.kill(signal)),
        write: (words) => Effect.sync(() => void child.stdin.write(words))
      } satisfies Running
    }),
    ({ child }) =>
      Effect.promise(async () => {
        if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
        const end = once(child, "exit")
        child.kill("SIGKILL")
        await end
      })
  )

/** Runs a program to its end. */
export const run = (command: ReadonlyArray<string>, options: Options = {}): Effect.Effect<Outcome, Failure> =>
  Effect.scoped(Effect.flatMap(start(command, options), (running) => running.outcome))
