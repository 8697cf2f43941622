import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { atPath, type BuildError, buildError } from "../BuildError.ts"
import { type Architecture, Machine, Target } from "../Machine.ts"
import { Programs } from "../Programs.ts"
import { RuntimeCompiler } from "../Runtime.ts"
import { suites } from "../Toolbox.ts"
import { type Collection, CrossPackages } from "./CrossPackages.ts"
import { handles, identityMap, type IdMaps, registration, userMaps } from "./Registration.ts"

const emulatorName = "qemu-aarch64"

const emulator: Collection = {
  name: "emulator",
  label: "Emulator",
  suite: suites[0]?.suite ?? "",
  packages: ["qemu-user"],
  // The program is static.
  wanted: (name) => name === "qemu-user",
  paths: [`usr/bin/${emulatorName}`]
}

const rules = "/proc/sys/fs/binfmt_misc"

/**
 * How to run a program so that it, and everything that it starts, can execute programs of the image's architecture:
 * `prefix` is the command before the program.
 */
export interface Emulation {
  readonly prefix: ReadonlyArray<string>
  /** Whether the prefix creates a user namespace in which the caller is root. */
  readonly ownUsers: boolean
}

/** What the emulated programs are needed for. */
export type Purpose = "tree" | "steps"

/**
 * Runs programs of another architecture during a build, by a rule of binfmt_misc. The rule belongs to a user namespace of
 * the build (Linux 6.7): nothing else on the machine sees it, and it ends with the namespace's last process. If the machine
 * already has a rule, that one is used.
 */
export class Emulator extends Context.Service<Emulator, {
  /**
   * Fetches and changes nothing. Fails with a `BuildError` that names what to install if programs of the architecture
   * cannot run here.
   */
  readonly check: (purpose: Purpose) => Effect.Effect<void, BuildError>
  /** The prefix is empty for an image of the machine's own architecture. Fails with `BuildError`. */
  readonly emulation: (purpose: Purpose) => Effect.Effect<Emulation, BuildError>
}>()("flatimage/builder/cross/Emulator") {
  static readonly layer = Layer.effect(
    Emulator,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const compiler = yield* RuntimeCompiler
      const packages = yield* CrossPackages
      const programs = yield* Programs
      const { isRoot, uid } = yield* Machine

      const read = (path: string) => fs.readFileString(path).pipe(atPath(path))

      const maps = Effect.gen(function*(): Effect.fn.Return<IdMaps, BuildError> {
        if (isRoot) {
          // In a container root has only some of the user ids.
          return {
            users: identityMap(yield* read("/proc/self/uid_map")),
            groups: identityMap(yield* read("/proc/self/gid_map"))
          }
        }
        const [name, gid] = yield* Effect.all([programs.run("id", ["-un"]), programs.run("id", ["-g"])])
        const ranges = yield* Effect.all([
          Effect.orElseSucceed(read("/etc/subuid"), () => ""),
          Effect.orElseSucceed(read("/etc/subgid"), () => "")
        ])
        const found = userMaps({ name: name.trim(), uid, gid: Number(gid) }, ...ranges)
        return found ?? (yield* buildError("Refused", {
          detail: "this user has no subordinate ids, which the tree needs: build as root, or run as root " +
            "\"apt-get install uidmap\" and \"usermod --add-subuids 100000-165535 --add-subgids 100000-165535 " +
            `${name.trim()}"`
        }))
      })

      const prefixWith = Effect.fnUntraced(function*(interpreter: string) {
        const { fim } = yield* compiler.native
        const { groups, users } = yield* maps
        return [fim, "emulate", "--users", users, "--groups", groups, registration(interpreter), "--"]
      })

      /** Whether the machine has a rule whose interpreter is already open, so that it works in any root directory. */
      const isHandled = Effect.gen(function*() {
        for (const name of yield* fs.readDirectory(rules)) {
          if (handles(yield* Effect.orElseSucceed(fs.readFileString(`${rules}/${name}`), () => ""))) return true
        }
        return false
      }).pipe(Effect.orElseSucceed(() => false))

      /** Decides whether to use our own rule. */
      const choose = Effect.fnUntraced(function*(target: Architecture, purpose: Purpose) {
        // A user without subordinate ids cannot build a tree in any other way either.
        const [program = "", ...args] = purpose === "tree" || isRoot ? yield* prefixWith("/bin/true") : []
        // The directories above an image belong to the machine's root, whom a user's namespace does not map: the image
        // would trust none of them.
        const ownRule = program === ""
          ? Effect.fail("steps run in a namespace of root, and this user is not root")
          : programs.run(program, [...args, "/bin/true"]).pipe(
            // Its command line contains only the rule, which is no secret.
            Effect.mapError((error) => error.reason._tag === "ProgramFailed" ? error.reason.output : error.message)
          )
        const tried = yield* Effect.result(ownRule)
        if (tried._tag === "Success") return true
        if (yield* isHandled) return false
        return yield* buildError("Refused", {
          detail: `programs of ${target.debian} cannot be run here, which the image's packages and steps need ` +
            `(${tried.failure}): build as root with Linux 6.7 or newer, or have root run "apt-get install qemu-user-static"`
        })
      })

      const check = Effect.fn("Emulator.check")(function*(purpose: Purpose) {
        const target = yield* Target
        if (target !== undefined) yield* choose(target, purpose)
      })

      const emulation = Effect.fn("Emulator.emulation")(function*(purpose: Purpose) {
        const target = yield* Target
        const own = target !== undefined && (yield* choose(target, purpose))
        if (!own) return { prefix: [], ownUsers: false }
        const interpreter = `${yield* packages.tree(emulator)}/${emulatorName}`
        return { prefix: yield* prefixWith(interpreter), ownUsers: true }
      })

      return Emulator.of({ check, emulation })
    })
  )
}
