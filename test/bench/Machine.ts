import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { cpus, loadavg, release, totalmem } from "node:os"
import { as, type Caller } from "./Caller.ts"
import { timed } from "./Processes.ts"
import { applicationOf, project, type Subject } from "./Subject.ts"

/** Facts about where and with what was measured, in the order in which they are shown. */
export type Facts = ReadonlyArray<readonly [name: string, value: string]>

/** How busy the machine is: processes that want to run, averaged over a minute. */
export const load = (): number => loadavg()[0] ?? 0

/** Whether other work on the machine could put the bench aside: with real-time priority it could not. */
const priority = (): string => {
  const stat = readFileSync("/proc/self/stat", "latin1")
  const policy = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[38])
  return policy === 1 || policy === 2 ? "real-time, before all other work on the machine" : "ordinary"
}

const version = (name: string): string =>
  JSON.parse(readFileSync(`${project}/node_modules/${name}/package.json`, "utf8")).version

const distribution = (): string =>
  /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "unknown"

const firstLine = Effect.fnUntraced(function*(command: Parameters<typeof timed>[0]) {
  const printed = yield* Effect.option(timed(command))
  return printed._tag === "Some" ? printed.value.output.split("\n")[0] ?? "" : "unknown"
})

/** Version of the engine's crate. */
const engine = (): string =>
  /^rquickjs = .*"=([^"]+)"/m.exec(readFileSync(`${project}/src/native/Cargo.toml`, "utf8"))?.[1] ?? "unknown"

export const facts = Effect.fnUntraced(function*(subject: Subject, caller: Caller, loads: readonly [number, number]) {
  const bwrap = yield* firstLine(as(caller, [`${applicationOf(caller)}/bin/bwrap`, "--version"]))
  const squashfuse = yield* firstLine(as(caller, ["sh", "-c", "squashfuse_ll --version 2>&1 | head -n 1; true"]))
  return [
    ["date", new Date().toISOString().slice(0, 10)],
    ["image", `flatimage ${subject.version}, debian`],
    ["processor", `${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores`],
    ["memory", `${(totalmem() / 2 ** 30).toFixed(0)} GiB`],
    ["kernel", release()],
    ["host", distribution()],
    ["rquickjs, Effect, Node", [engine(), version("effect"), process.versions.node].join(", ")],
    ["bubblewrap", bwrap.replace("bubblewrap ", "")],
    ["squashfuse", squashfuse.replace(/^squashfuse (\S+).*/, "$1")],
    ["priority of the bench", priority()],
    ["load at start and end", loads.map((value) => value.toFixed(1)).join(", ")]
  ] satisfies Facts
})
