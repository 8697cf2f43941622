/** fim-doctor: checks whether this host can run an image, and names remedies. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Stream from "effect/Stream"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import { explain } from "../../mount/NamespaceRefusal.ts"
import { dirname } from "../../relocate/Directories.ts"
import { existingData } from "../../relocate/ExistingData.ts"
import { Host } from "../../relocate/Host.ts"
import { Relocate } from "../../relocate/Relocate.ts"
import { printJson, printLines } from "../config/Output.ts"
import { type Check, limitsCheck, linesOf, memoryCheck, spaceCheck } from "./Checks.ts"

/** Longer than any of these programs runs. */
const timeout = "10 seconds"

/** Runs a program to its end. Returns exit code and output; code 125 if it cannot be run or exceeds the timeout. */
const runTool = (program: string, args: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const handle = yield* ChildProcess.make(program, args, { detached: false, stdin: "ignore" })
    const [out, error] = yield* Effect.all([
      Stream.mkString(Stream.decodeText(handle.stdout)),
      Stream.mkString(Stream.decodeText(handle.stderr))
    ], { concurrency: "unbounded" })
    return { code: Number(yield* handle.exitCode), out, error: error.trim() }
  }).pipe(
    Effect.scoped,
    Effect.timeout(timeout),
    Effect.catch((error) => Effect.succeed({ code: 125, out: "", error: error.message }))
  )

const checks = Effect.fnUntraced(function*() {
  const fs = yield* FileSystem.FileSystem
  const { uid } = yield* Host
  const { directories, image } = yield* Relocate
  const bwrap = `${directories.bin}/bwrap`
  const program = ["--", `${directories.bin}/busybox`, "true"]
  const own = uid === 0 ? [] : ["--unshare-user"]
  const read = (path: string) => Effect.orElseSucceed(fs.readFileString(path), () => "")

  const namespaces = Effect.gen(function*() {
    const { code, error } = yield* runTool(bwrap, [...own, "--unshare-pid", "--dev-bind", "/", "/", ...program])
    if (code === 0) {
      return {
        name: "namespaces",
        state: "ok",
        detail: uid === 0 ? "as root" : "of users, mounts and processes"
      } satisfies Check
    }
    const said = error.split("\n").at(-1) ?? ""
    const reason = yield* explain(fs, said.includes("namespace") ? said : `namespaces: ${said}`)
    const helpers = (yield* runTool(`${directories.bin}/busybox`, ["which", "fusermount3", "bwrap"])).code === 0
    return {
      name: "namespaces",
      state: helpers ? "limited" : "fails",
      detail: helpers ? `${reason}; fusermount3 and bwrap of the host take their place` : reason,
      remedy: "IMAGE fim-help apparmor, or docs/boot.md: \"Where the host lacks something\""
    } satisfies Check
  })

  const overlay = Effect.gen(function*() {
    const { code, error } = yield* runTool(bwrap, [
      ...own,
      "--dev-bind",
      "/",
      "/",
      "--overlay-src",
      "/etc",
      "--tmp-overlay",
      "/etc",
      ...program
    ])
    return code === 0
      ? { name: "overlay", state: "ok", detail: "of the kernel" } satisfies Check
      : {
        name: "overlay",
        state: "limited",
        detail: `the kernel's cannot be used, unionfs takes its place: ${error.split("\n").at(-1) ?? ""}`,
        remedy: "Linux 5.11 or newer has it for everyone"
      } satisfies Check
  })

  const fuse = Effect.map(
    Effect.result(fs.access("/dev/fuse", { readable: true, writable: true })),
    (access): Check =>
      access._tag === "Success"
        ? { name: "FUSE", state: "ok", detail: "/dev/fuse can be opened" }
        : {
          name: "FUSE",
          state: "limited",
          detail: "/dev/fuse cannot be opened: layers are unpacked at the first start, which takes time and room",
          remedy: "as root: modprobe fuse && chmod 0666 /dev/fuse"
        }
  )

  const restricted = Effect.map(
    read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
    (text): Check =>
      text.trim() === "1" && uid !== 0
        ? {
          name: "AppArmor",
          state: "limited",
          detail: "keeps user namespaces to programs that have a profile",
          remedy: "IMAGE fim-help apparmor"
        }
        : { name: "AppArmor", state: "ok", detail: "does not restrict user namespaces" }
  )

  const filtered = Effect.map(read("/proc/self/status"), (text): Check =>
    /^Seccomp:\s*2$/m.test(text)
      ? {
        name: "filter",
        state: "limited",
        detail:
          "a filter of system calls is around this process, as in a container: some of what the guest does may be refused"
      }
      : { name: "filter", state: "ok", detail: "no filter of system calls is around this process" })

  const writable = Effect.map(
    Effect.result(fs.access(image, { writable: true })),
    (access): Check =>
      access._tag === "Success"
        ? { name: "image", state: "ok", detail: "can be written: settings and layers can change" }
        : {
          name: "image",
          state: "limited",
          detail: "cannot be written: settings and layers stay as they are",
          remedy: "IMAGE fim-run changes settings of one start; fim-layer commit layer keeps changes beside the image"
        }
  )

  const space = Effect.gen(function*() {
    const extension = yield* (yield* ReservedSpace).read("extension")
    const data = yield* Effect.orElseSucceed(existingData("layers", extension), () => undefined)
    const places = [["data", data ?? dirname(image)], ["tools", directories.global]] as const
    return yield* Effect.forEach(
      places,
      ([name, path]) =>
        Effect.map(runTool(`${directories.bin}/busybox`, ["df", "-Pk", path]), ({ out }) => spaceCheck(name, path, out))
    )
  })

  const found = yield* Effect.all([
    namespaces,
    fuse,
    overlay,
    restricted,
    filtered,
    writable,
    Effect.map(read("/proc/self/limits"), limitsCheck),
    Effect.map(read("/proc/meminfo"), memoryCheck)
  ], { concurrency: "unbounded" })
  return [...found, ...(yield* space)]
})

/** The exit code is 1 if no image can start here. */
export const doctor = Effect.fn("fim-doctor")(function*({ json }: { readonly json: boolean }) {
  const found = yield* checks()
  yield* json ? printJson(found) : printLines(linesOf(found))
  return found.some(({ state }) => state === "fails") ? 1 : 0
})
