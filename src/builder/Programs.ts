import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import { BuildError, buildError } from "./BuildError.ts"

/** Options of one run. */
export interface RunOptions {
  readonly cwd?: string
  /** Added to the environment of this process; `undefined` removes a variable. */
  readonly env?: Record<string, string | undefined>
  /** Called with each line of standard error. */
  readonly onLine?: (line: string) => Effect.Effect<void>
  /** Path of a file that becomes its standard input; none by default. */
  readonly input?: string
  /** How to install the program when it is missing. */
  readonly remedy?: string
}

/**
 * Path of `fim` under the name `tied`. It ends the program and all processes that the program has started when the builder
 * ends, also after SIGKILL. Absent until the native programs are compiled.
 */
export const Tie = Context.Reference<string | undefined>("flatimage/builder/Programs/Tie", {
  defaultValue: () => undefined
})

/** The message of `fim tied` for a program that does not exist. */
const missing = "tied: not found: "

/** How many last lines of standard error the message of a failure contains. */
const tailLength = 8

/** Runs programs of the machine. They end with the effect that runs them. */
export class Programs extends Context.Service<Programs, {
  /** Runs a program and returns its standard output. Fails with `BuildError` unless the exit code is 0. */
  readonly run: (
    program: string,
    args: ReadonlyArray<string>,
    options?: RunOptions
  ) => Effect.Effect<string, BuildError>
}>()("flatimage/builder/Programs") {
  static readonly layer = Layer.effect(
    Programs,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const spawner = yield* ChildProcessSpawner

      const run = Effect.fn("Programs.run")(function*(
        program: string,
        args: ReadonlyArray<string>,
        options: RunOptions = {}
      ) {
        const command = [program, ...args].join(" ")
        const failed = (exitCode: number, output: string) =>
          buildError("ProgramFailed", {
            command: command.length > 200 ? `${command.slice(0, 200)}…` : command,
            exitCode,
            output
          })
        const programMissing = buildError("ProgramMissing", {
          program,
          remedy: options.remedy ?? "run bin/setup, which lists the missing packages"
        })
        const path = yield* Tie
        const tie = path !== undefined && (yield* Effect.orElseSucceed(fs.exists(path), () => false)) ? path : undefined
        const handle = yield* spawner.spawn(
          ChildProcess.make(tie ?? program, tie === undefined ? args : ["--", program, ...args], {
            ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
            // Messages are parsed and shown: they must not depend on the user's language.
            env: { LC_ALL: "C.UTF-8", ...options.env },
            extendEnv: true,
            stdin: options.input === undefined ? "ignore" : fs.stream(options.input, { chunkSize: 1 << 18 }),
            forceKillAfter: "10 seconds"
          })
        ).pipe(
          Effect.mapError((error) =>
            error.reason._tag === "NotFound"
              ? programMissing
              : failed(127, error.message)
          )
        )
        const tail = yield* Ref.make<ReadonlyArray<string>>([])
        const lines = Stream.runForEach(
          Stream.splitLines(Stream.decodeText(handle.stderr)),
          (line) =>
            Ref.update(tail, (before) => line.trim() === "" ? before : [...before, line.trim()].slice(-tailLength))
              .pipe(
                Effect.andThen(options.onLine?.(line) ?? Effect.void)
              )
        )
        const [output, , exitCode] = yield* Effect.all([
          Stream.mkString(Stream.decodeText(handle.stdout)),
          lines,
          handle.exitCode
        ], { concurrency: "unbounded" }).pipe(Effect.mapError((error) => failed(128, error.message)))
        if (exitCode !== 0) {
          const lastLines = yield* Ref.get(tail)
          return yield* lastLines.includes(`${missing}${program}`)
            ? programMissing
            : failed(exitCode, lastLines.join("; "))
        }
        return output
      }, Effect.scoped)

      return Programs.of({ run })
    })
  )
}
