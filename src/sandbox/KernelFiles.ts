/**
 * Files of `/proc` and `/sys` for a guest whose root is the host's root. The kernel asks for that user where it could ask
 * for a capability, so without this such a guest could read addresses and state of the kernel, and change its settings.
 * bubblewrap protects some of them only where a check of permissions says that they can be written, which for root it does
 * not. A guest with users of its own does not get this: the kernel refuses it all that is root's.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"

/** Names in `/proc` that can be read and not written. */
const readOnly: ReadonlySet<string> = new Set(["dynamic_debug", "sys", "sysrq-trigger"])

/** Directories there that are empty. Each of the others costs bubblewrap a look at all mounts, and these do not. */
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

/** How much energy a processor takes tells what it computes. Some permissions bind what is above it. */
const powercap = "/sys/devices/virtual/powercap"

/** The places of such a directory below `/sys/devices`. In: where something of the host is bound. */
export const energyCounters = Effect.fn("KernelFiles.energyCounters")(function*(
  fs: FileSystem.FileSystem,
  targets: ReadonlyArray<string>
) {
  if (!targets.includes("/sys/devices")) return []
  return (yield* Effect.orElseSucceed(fs.exists(powercap), () => false)) ? [powercap] : []
})
