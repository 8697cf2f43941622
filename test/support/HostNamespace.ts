/** Runs an image on a made-up host: in a mount namespace where directories of the machine are replaced. Needs root. */
import type * as Effect from "effect/Effect"
import { mkdirSync } from "node:fs"
import type { Failure } from "./Failure.ts"
import type { Place } from "./Place.ts"
import * as Process from "./Process.ts"
import { projectRoot } from "./Project.ts"

export interface HostOptions extends Process.Options {
  /** Directories of the machine in whose place those of the same name below `host` are. */
  readonly replaced: ReadonlyArray<string>
  /** Nodes to make in a `/dev` that has nothing else but what every program needs; each is a `/dev/zero`. */
  readonly nodes?: ReadonlyArray<string>
  /** A name that a server on the loopback of a network namespace of its own knows, and its address. */
  readonly name?: readonly [name: string, address: string]
}

const usual = { null: "1 3", zero: "1 5", full: "1 7", random: "1 8", urandom: "1 9", tty: "5 0", fuse: "10 229" }

const makeDevices = (nodes: ReadonlyArray<string>): ReadonlyArray<string> => [
  "mount -t tmpfs -o mode=755 devices /dev",
  "mkdir -m 1777 /dev/shm",
  ...Object.entries(usual).map(([name, number]) => `mknod -m 666 /dev/${name} c ${number}`),
  ...nodes.map((name) => `mkdir -p "$(dirname /dev/${name})"; mknod -m 666 /dev/${name} c 1 5`)
]

/** Runs the image of a place with these words on the host below `host`. */
export const runOnHost = (
  app: Place,
  host: string,
  words: ReadonlyArray<string>,
  options: HostOptions
): Effect.Effect<Process.Outcome, Failure> => {
  for (const path of options.replaced) mkdirSync(`${host}${path}`, { recursive: true })
  const script = [
    "set -e",
    ...options.replaced.map((path) => `mount --bind "$host${path}" ${path}`),
    ...(options.nodes === undefined ? [] : makeDevices(options.nodes)),
    ...(options.name === undefined ? ["exec \"$@\""] : [
      "ip link set lo up",
      "mkfifo \"$host/ready\" \"$host/end\"",
      `"$node" ${projectRoot}/test/support/NameServer.ts 127.0.0.53 ${
        options.name.join(" ")
      } < "$host/end" > "$host/ready" &`,
      "exec 9> \"$host/end\"",
      "read -r line < \"$host/ready\"",
      "rm \"$host/ready\" \"$host/end\"",
      "set +e",
      "\"$@\" 9>&-",
      "code=$?",
      "exec 9>&-",
      "wait",
      "exit $code"
    ])
  ].join("\n")
  const namespaces = ["--mount", "--propagation", "private", ...(options.name === undefined ? [] : ["--net"])]
  const environment = { ...app.environment, ...options.environment, host, node: process.execPath }
  return Process.run(["unshare", ...namespaces, "sh", "-c", script, "sh", ...app.command(words, options.program)], {
    directory: app.home,
    ...options,
    environment
  })
}
