import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Bubblewrap } from "./Bubblewrap.ts"
import { type BuildError, buildError } from "./BuildError.ts"
import { Machine } from "./Machine.ts"
import { Programs, type RunOptions } from "./Programs.ts"

/**
 * The capabilities that package managers need to change owners and the root directory. None of them reaches the kernel
 * itself.
 */
const capabilities = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_SETFCAP",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SYS_CHROOT"
]

const environment = {
  HOME: "/root",
  LANG: "C.UTF-8",
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  TERM: "dumb"
}

/** What a program needs that is not in its tree. */
const surroundings = ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]

/** The command that starts a program with these variables and no others. */
const started = (
  variables: Readonly<Record<string, string>>,
  directory: string,
  args: ReadonlyArray<string>
): ReadonlyArray<string> => [
  "--clearenv",
  ...Object.entries(variables).flatMap(([name, value]) => ["--setenv", name, value]),
  "--chdir",
  directory,
  "--",
  ...args
]

/** What a program can access outside its tree. */
export interface Toolset {
  /** Paths of the machine that it may read, at the same paths. */
  readonly readable: ReadonlyArray<string>
  /** Paths that it may also write to. */
  readonly writable: ReadonlyArray<string>
  readonly environment: Readonly<Record<string, string>>
  /** Its working directory. */
  readonly directory: string
}

/** Runs programs on a tree that becomes an image, isolated from the machine's network, processes and devices. */
export class TreeSandbox extends Context.Service<TreeSandbox, {
  /** Runs a program of the tree as its root. Fails with `BuildError` unless the exit code is 0. */
  readonly inside: (
    tree: string,
    args: ReadonlyArray<string>
  ) => Effect.Effect<string, BuildError>
  /**
   * Runs a program of the machine that can write only to `writable` and to the tree, and can change its root to the tree.
   * With `network` it has the machine's network. Fails with `BuildError` unless the exit code is 0.
   */
  readonly beside: (
    tree: string,
    args: ReadonlyArray<string>,
    options: RunOptions & { readonly writable: ReadonlyArray<string>; readonly network: boolean }
  ) => Effect.Effect<string, BuildError>
  /**
   * Runs a program of the tree `usr` of Debian packages, with no access to the machine except the toolset, and no network.
   * The tree is read-only. Fails with `BuildError` unless the exit code is 0.
   */
  readonly using: (
    usr: string,
    args: ReadonlyArray<string>,
    toolset: Toolset
  ) => Effect.Effect<string, BuildError>
}>()("flatimage/builder/TreeSandbox") {
  static readonly layer = Layer.effect(
    TreeSandbox,
    Effect.gen(function*() {
      const programs = yield* Programs
      const bubblewrap = yield* Bubblewrap
      const { isRoot } = yield* Machine

      const run = Effect.fnUntraced(function*(args: ReadonlyArray<string>, options: RunOptions = {}) {
        const { path } = yield* bubblewrap.program
        return yield* programs.run(path, [
          ...(isRoot ? [] : ["--unshare-user", "--uid", "0", "--gid", "0"]),
          "--unshare-pid",
          "--unshare-ipc",
          "--unshare-uts",
          "--unshare-cgroup-try",
          "--die-with-parent",
          "--new-session",
          "--cap-drop",
          "ALL",
          ...capabilities.flatMap((name) => ["--cap-add", name]),
          ...args
        ], options).pipe(
          // The command line of the sandbox does not help in a message.
          Effect.mapError((error) =>
            error.reason._tag === "ProgramFailed"
              ? buildError("ProgramFailed", {
                ...error.reason,
                command: args.slice(args.indexOf("--") + 1).join(" ").slice(0, 200)
              })
              : error
          )
        )
      })

      const inside = Effect.fn("TreeSandbox.inside")(
        (tree: string, args: ReadonlyArray<string>) =>
          run([
            "--unshare-net",
            "--bind",
            tree,
            "/",
            ...surroundings,
            "--tmpfs",
            "/run",
            ...started(environment, "/", args)
          ])
      )

      const beside = Effect.fn("TreeSandbox.beside")(
        (
          tree: string,
          args: ReadonlyArray<string>,
          { network, writable, ...options }: RunOptions & {
            readonly writable: ReadonlyArray<string>
            readonly network: boolean
          }
        ) =>
          run([
            ...(network ? [] : ["--unshare-net"]),
            "--ro-bind",
            "/",
            "/",
            ...surroundings,
            ...[tree, ...writable].flatMap((path) => ["--bind", path, path]),
            "--proc",
            `${tree}/proc`,
            "--dev",
            `${tree}/dev`,
            "--tmpfs",
            `${tree}/run`,
            "--tmpfs",
            `${tree}/tmp`,
            "--chdir",
            "/",
            "--",
            ...args
          ], options)
      )

      const using = Effect.fn("TreeSandbox.using")(
        (usr: string, args: ReadonlyArray<string>, toolset: Toolset) =>
          run([
            "--unshare-net",
            "--ro-bind",
            usr,
            "/usr",
            ...["bin", "lib", "lib64", "sbin"].flatMap((name) => ["--symlink", `usr/${name}`, `/${name}`]),
            ...surroundings,
            ...toolset.readable.flatMap((path) => ["--ro-bind", path, path]),
            ...toolset.writable.flatMap((path) => ["--bind", path, path]),
            ...started(toolset.environment, toolset.directory, args)
          ])
      )

      return TreeSandbox.of({ inside, beside, using })
    })
  )
}
