/**
 * `fim-instance`: the instances that run. `exec` and `start` are not here: the launcher passes their arguments to the native program,
 * which needs no runtime and costs little more than the command itself.
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Schema from "effect/Schema"
import * as ByteString from "../../ByteString.ts"
import { Host } from "../../relocate/Host.ts"
import { Relocate } from "../../relocate/Relocate.ts"
import * as Utf8 from "../../Utf8.ts"
import { CommandError } from "../config/CommandError.ts"
import { columns, printJson, printLines } from "../config/Output.ts"

/** The output of `fim instances DIRECTORY --list`. */
const List = Schema.fromJsonString(Schema.Struct({
  instances: Schema.Array(Schema.Struct({
    pid: Schema.Int,
    state: Schema.Literals(["starting", "running", "stopped", "left"]),
    about: Schema.NullOr(Schema.Struct({
      name: Schema.NullOr(Schema.String),
      image: Schema.String,
      user: Schema.String,
      command: Schema.Array(Schema.String),
      is_cut: Schema.Boolean,
      started: Schema.Int
    }))
  })),
  lingering: Schema.Array(Schema.Struct({ pid: Schema.Int, seconds: Schema.Int }))
}))

const text = (bytes: string): string => Utf8.decode(ByteString.toBytes(bytes))

/** Runs `fim instances` on the caller's instances. */
const command = Effect.fnUntraced(function*(args: ReadonlyArray<string>, options: ChildProcess.CommandOptions = {}) {
  const { directories } = yield* Relocate
  return ChildProcess.make(`${directories.bin}/fim`, ["instances", directories.instances, ...args], {
    detached: false,
    env: {},
    ...options
  })
})

const output = Effect.fnUntraced(function*(args: ReadonlyArray<string>) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  return yield* spawner.string(yield* command(args))
})

/** The running instances of the caller, and then the layers that linger, in the order of their indices. */
const running = Effect.fnUntraced(
  function*() {
    const { instances, lingering } = yield* Schema.decodeUnknownEffect(List)(yield* output(["--list"]))
    return {
      instances: instances.map(({ about, pid, state }, id) => ({
        id,
        pid,
        state,
        about: about === null ? undefined : {
          name: about.name ?? undefined,
          image: text(about.image),
          user: about.user,
          command: [...about.command.map(text), ...(about.is_cut ? ["…"] : [])],
          started: about.started
        }
      })),
      lingering: lingering.map(({ pid, seconds }, index) => ({ id: instances.length + index, pid, lingering: seconds }))
    }
  },
  Effect.mapError((error) =>
    new CommandError({ text: error.message, context: "Could not list the instances", cause: error })
  )
)

/** How long ago a time was, in its largest unit. */
export const age = (seconds: number): string => {
  const units = [["d", 86_400], ["h", 3600], ["min", 60]] as const
  const unit = units.find(([, size]) => seconds >= size)
  return unit === undefined ? `${Math.max(0, seconds)} s` : `${Math.floor(seconds / unit[1])} ${unit[0]}`
}

/** Seconds since 1970 as ISO 8601 has them; a time that no calendar has is left out. */
const iso = (seconds: number): string | undefined =>
  Option.getOrUndefined(Option.map(DateTime.make(seconds * 1000), DateTime.formatIso))?.replace(".000", "")

/** An argument as a shell would take it, if it is not plain. */
const quoted = (argument: string): string =>
  /^[\w@%+=:,./…-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", String.raw`'\''`)}'`

const states = { starting: "starting", running: "running", stopped: "stopped", left: "program ended" } as const

export const list = Effect.fn("fim-instance.list")(function*(
  { json, long }: { readonly json: boolean; readonly long: boolean }
) {
  const { instances, lingering } = yield* running()
  if (json) {
    return yield* printJson([
      ...instances.map(({ about, ...rest }) => ({
        ...rest,
        ...(about === undefined ? {} : { ...about, started: iso(about.started) })
      })),
      ...lingering
    ])
  }
  const stay = lingering.map(({ id, lingering, pid }) => `${id}:${pid} layers stay mounted for ${lingering} s`)
  if (!long) return yield* printLines([...instances.map(({ id, pid }) => `${id}:${pid}`), ...stay])
  if (instances.length === 0) return yield* printLines(stay)
  const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
  yield* printLines([
    ...columns([
      ["ID", "NAME", "PID", "USER", "AGE", "STATE", "IMAGE", "COMMAND"],
      ...instances.map(({ about, id, pid, state }) => [
        String(id),
        about?.name ?? "-",
        String(pid),
        about?.user ?? "-",
        about === undefined ? "-" : age(now - about.started),
        states[state],
        about?.image ?? "-",
        about?.command.map(quoted).join(" ") ?? "-"
      ])
    ]),
    ...stay
  ])
})

/** Runs an operation that prints why it failed, and nothing else. */
const attempt = Effect.fnUntraced(function*(context: string, args: ReadonlyArray<string>) {
  const refusal = yield* output(args).pipe(
    Effect.mapError((error) => new CommandError({ text: error.message, context }))
  )
  const [reason = "", ...hint] = refusal.split("\n")
  if (reason === "") return
  return yield* new CommandError({ text: reason, ...(hint.length === 0 ? {} : { hint: hint.join("\n") }), context })
})

/** Asks an instance to end, and waits until it has. */
export const stop = Effect.fn("fim-instance.stop")(function*(
  { id, time }: { readonly id: string; readonly time: string | undefined }
) {
  const seconds = time ?? (yield* Host).environment["FIM_STOP_TIMEOUT"]
  yield* attempt("Could not stop an instance", [
    "--stop",
    id,
    ...(seconds === undefined || seconds === "" ? [] : [seconds])
  ])
})

/** Sends a signal to the program of an instance. */
export const kill = Effect.fn("fim-instance.kill")(function*(
  { id, signal }: { readonly id: string; readonly signal: string | undefined }
) {
  yield* attempt("Could not send the signal", ["--kill", signal ?? "TERM", id])
})

/** Prints what an instance in the background has written. Returns the exit code. */
export const logs = Effect.fn("fim-instance.logs")(function*(
  { follow, id }: { readonly follow: boolean; readonly id: string }
) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const print = yield* command(["--logs", id, ...(follow ? ["--follow"] : [])], {
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit"
  })
  return yield* spawner.exitCode(print).pipe(
    Effect.mapError((error) =>
      new CommandError({ text: error.message, context: "Could not print the log of an instance" })
    )
  )
})
