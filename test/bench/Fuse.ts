/** `/dev/fuse` for the ordinary user, on a machine where only root may use it. */
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"

/** Set where the bench runs with a node of its own, which is not made twice. */
const variable = "FIM_BENCH_OWN_FUSE"

const anyoneMayUse = (): boolean =>
  ((statSync("/dev/fuse", { throwIfNoEntry: false })?.mode ?? 0o006) & 0o006) === 0o006

/** ^C is for the bench that runs inside. */
const ignore = () => {}

/**
 * Runs the whole bench again with a node that is for all bound over `/dev/fuse`, in a mount namespace that nobody else sees: as the
 * end-to-end tests do for each command, but once, so that no start pays for it.
 *
 * @returns its exit code; `undefined` where there is no need, or no right to, and the bench goes on as it is
 */
export const withOwnFuse = (): number | undefined => {
  if (process.getuid?.() !== 0 || process.env[variable] !== undefined || anyoneMayUse()) return undefined
  const directory = mkdtempSync(`${tmpdir()}/flatimage-bench-fuse-`)
  const script = "mknod -m 0666 \"$1\" c 10 229 && mount --bind \"$1\" /dev/fuse || exit 199; shift; exec \"$@\""
  const words = ["--mount", "--propagation", "private", "sh", "-c", script, "sh", `${directory}/fuse`]
  process.on("SIGINT", ignore)
  const { status } = spawnSync("unshare", [...words, process.execPath, ...process.argv.slice(1)], {
    stdio: "inherit",
    env: { ...process.env, [variable]: "1" }
  })
  process.off("SIGINT", ignore)
  rmSync(directory, { recursive: true, force: true })
  return status === 199 ? undefined : status ?? 1
}
