/**
 * Files of `/proc` and `/sys` for a guest whose root is the host's root. The kernel checks for that user where it could check
 * for a capability, so without this such a guest could read addresses and state of the kernel, and change its settings.
 * bubblewrap protects some of them only if a permission check reports them as writable, which fails for root. A guest with users of
 * its own does not need this: the kernel refuses it everything of root's.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"

/** Names in `/proc` that can be read and not written. */
const readOnly: ReadonlySet<string> = new Set(["dynamic_debug", "sys", "sysrq-trigger"])

/** Directories that appear empty in the guest. Each of the other entries makes bubblewrap read all mounts; these do not. */
const emptied: ReadonlySet<string> = new Set(["acpi", "bus", "fs", "irq", "scsi"])

/**
 * Files there that cannot be opened: a device on a mount without devices takes their place. Those for which the kernel asks for
 * a capability that the guest does not have, as for `kmsg` and the addresses in `kallsyms`, are left out.
 */
const closed: ReadonlySet<string> = new Set([
  "kcore",
  "key-users",
  "keys",
  "kpagecgroup",
  "kpagecount",
  "kpageflags",
  "latency_stats",
  "sched_debug",
  "slabinfo",
  "timer_list",
  "timer_stats",
  "vmallocinfo"
])

/** Options of bubblewrap that hide them. In: the names in the host's `/proc`, whose kernel is the guest's. */
export const kernelOptions = (names: ReadonlyArray<string>): ReadonlyArray<string> =>
  names.toSorted().flatMap((name) => {
    const path = `/proc/${name}`
    if (readOnly.has(name)) return ["--ro-bind-try", path, path]
    if (emptied.has(name)) return ["--perms", "0555", "--tmpfs", path]
    return closed.has(name) ? ["--ro-bind", "/dev/null", path] : []
  })

/** The same for this host. */
export const hideKernel = (fs: FileSystem.FileSystem) => Effect.map(fs.readDirectory("/proc"), kernelOptions)

/** The energy use of a processor reveals what it computes. Some permissions bind a parent of these files. */
const powercap = "/sys/devices/virtual/powercap"

/** The places of such a directory below `/sys/devices`. In: where something of the host is bound. */
export const energyCounters = Effect.fn("KernelFiles.energyCounters")(function*(
  fs: FileSystem.FileSystem,
  targets: ReadonlyArray<string>
) {
  if (!targets.includes("/sys/devices")) return []
  return (yield* Effect.orElseSucceed(fs.exists(powercap), () => false)) ? [powercap] : []
})
