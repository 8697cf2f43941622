import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import { BenchError } from "./BenchError.ts"

/** A program to start. The environment is all that it gets; without ids it runs as we do. */
export interface Command {
  readonly argv: readonly [program: string, ...words: Array<string>]
  readonly environment: Readonly<Record<string, string>>
  readonly ids?: { readonly uid: number; readonly gid: number } | undefined
  readonly directory?: string
}

/** Times in milliseconds since just before the program was started. */
export interface Timed {
  /** Until the program had ended: what someone at a terminal waits for. */
  readonly ended: number
  /** Until nobody held its output any more, which `$(…)` and pipes wait for. */
  readonly released: number
  readonly output: string
  /** Lines of the output and when they came. */
  readonly lines: ReadonlyArray<{ readonly at: number; readonly text: string }>
}

const start = (command: Command): ChildProcess => {
  const [program, ...words] = command.argv
  return spawn(program, words, {
    env: command.environment,
    stdio: ["ignore", "pipe", "pipe"],
    ...command.ids,
    ...(command.directory === undefined ? {} : { cwd: command.directory })
  })
}

const failed = (command: Command, what: string, errors: string) =>
  new BenchError({ reason: "Failed", detail: `${command.argv.join(" ").slice(0, 200)}: ${what}\n${errors}` })

/** Runs a program to its end and takes the time. Fails with `BenchError` when it does. */
export const timed = (command: Command): Effect.Effect<Timed, BenchError> =>
  Effect.callback((resume) => {
    const lines: Array<{ at: number; text: string }> = []
    let [output, errors, ended] = ["", "", 0]
    let code: number | string | null = null
    const started = performance.now()
    const child = start(command)
    const since = () => performance.now() - started
    const hear = (text: string) => {
      const at = since()
      for (const line of text.split("\n")) lines.push({ at, text: line })
      return text
    }
    child.stdout?.on("data", (bytes: Buffer) => void (output += hear(bytes.toString())))
    child.stderr?.on("data", (bytes: Buffer) => void (errors += hear(bytes.toString())))
    child.on("error", (error) => resume(Effect.fail(failed(command, error.message, errors))))
    child.on("exit", (status, signal) => {
      ended = since()
      code = signal ?? status
    })
    child.on("close", () => {
      const released = since()
      resume(
        code === 0
          ? Effect.succeed({ ended, released, output, lines })
          : Effect.fail(failed(command, `ended with ${code}`, errors))
      )
    })
    return Effect.sync(() => child.kill("SIGTERM"))
  })

/** Runs a program for what it prints. */
export const output = (command: Command): Effect.Effect<string, BenchError> =>
  Effect.map(timed(command), (result) => result.output)

/** Whether a program can be run and ends well. */
export const succeeds = (command: Command): Effect.Effect<boolean> => Effect.isSuccess(timed(command))

/** A program that runs until the scope closes. Ready when it has printed something; the answer is its pid. */
export const held = (command: Command): Effect.Effect<number, BenchError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<ChildProcess, BenchError>((resume) => {
      const child = start(command)
      let errors = ""
      child.stderr?.on("data", (bytes: Buffer) => void (errors += bytes.toString()))
      child.stdout?.once("data", () => resume(Effect.succeed(child)))
      child.on("error", (error) => resume(Effect.fail(failed(command, error.message, errors))))
      child.on("close", () => resume(Effect.fail(failed(command, "ended too early", errors))))
    }),
    (child) =>
      Effect.callback<void>((resume) => {
        if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
        child.on("close", () => resume(Effect.void))
        child.kill("SIGTERM")
      })
  ).pipe(Effect.map((child) => child.pid ?? 0))
