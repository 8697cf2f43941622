/**
 * Files of `/proc` and `/sys` for a guest whose root is the host's root. The kernel asks for that user where it could ask
 * for a capability, so without this such a guest could read addresses and state of the kernel, and change its settings.
 * bubblewrap protects some of them only where a check of permissions says that they can be written, which for root it does
 * not. A guest with users of its own does not get this: the kernel refuses it all that is root's.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"

/** Names in `/proc` that can be read and not written. */
const readOnly: ReadonlySet<string> = new Set([
  "bus",
  "driver",
  "dynamic_debug",
  "fs",
  "irq",
  "mtrr",
  "sys",
  "sysrq-trigger",
  "tty"
])

/** Directories there that look empty. */
const emptied: ReadonlySet<string> = new Set(["acpi", "scsi"])

/**
 * Files there that cannot be opened: a device on a mount without devices takes their place. Those for which the kernel asks for
 * a capability that the guest does not have, as `kmsg`, are left out.
 */
const closed: ReadonlySet<string> = new Set([
  "kallsyms",
  "kcore",
  "key-users",
  "keys",
  "kpagecgroup",
  "kpagecount",
  "kpageflags",
  "latency_stats",
  "pagetypeinfo",
  "sched_debug",
  "slabinfo",
  "timer_list",
  "timer_stats",
  "vmallocinfo",
  "vmcore"
])

/** Options of bubblewrap that hide them. In: the names in the host's `/proc`, whose kernel is the guest's. */
export const kernelOptions = (names: ReadonlyArray<string>): ReadonlyArray<string> =>
  names.toSorted().flatMap((name) => {
    const path = `/proc/${name}`
    if (readOnly.has(name)) return ["--ro-bind-try", path, path]
    if (emptied.has(name)) return ["--tmpfs", path, "--remount-ro", path]
    return closed.has(name) ? ["--ro-bind", "/dev/null", path] : []
  })

/** The same for this host. */
export const hideKernel = (fs: FileSystem.FileSystem) => Effect.map(fs.readDirectory("/proc"), kernelOptions)
