/** Whether a file lies on a medium that somebody may pull out: layers that stay mounted would keep it busy. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"

/** Devices below devices, such as an encrypted disk, are followed so far. */
const mostLevels = 8

/** The numbers of a device, as the C library packs them. */
export const deviceNumbers = (device: bigint): readonly [major: bigint, minor: bigint] => [
  ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xffff_f000n),
  (device & 0xffn) | ((device >> 12n) & 0xffff_ff00n)
]

/**
 * The device behind a file system that has no number of its own, as btrfs.
 *
 * @param mounts the content of `/proc/self/mountinfo`
 * @param numbers `MAJOR:MINOR` of the file system
 * @returns the path of the device; `undefined` if it has none, as a network's
 */
export const sourceOf = (mounts: string, numbers: string): string | undefined => {
  for (const line of mounts.split("\n")) {
    const [fields = "", behind] = line.split(" - ")
    if (fields.split(" ")[2] !== numbers) continue
    const source = behind?.split(" ")[1]
    if (source?.startsWith("/dev/") === true) return source
  }
  return undefined
}

/** Whether the directory of a block device in `/sys/devices` is that of one that can be pulled out: the path says how it is attached. */
const isAttached = (directory: string): boolean => /\/(usb\d+|memstick|firewire|fw\d+)\//.test(directory)

/**
 * Looks how the medium of a file is attached.
 *
 * @param fs the host's file system
 * @param path the file
 * @returns whether it can be pulled out; false where nothing can be found out
 */
export const isRemovable = Effect.fn("Removable.isRemovable")(function*(fs: FileSystem.FileSystem, path: string) {
  const text = (path: string) =>
    Effect.orElseSucceed(Effect.map(fs.readFileString(path), (text) => text.trim()), () => "")
  const names = (path: string) => Effect.orElseSucceed(fs.readDirectory(path), (): Array<string> => [])
  const real = (path: string) => Effect.orElseSucceed(fs.realPath(path), () => undefined)

  const isDeviceRemovable = (directory: string, level: number): Effect.Effect<boolean> =>
    Effect.gen(function*() {
      if (level > mostLevels) return false
      if (isAttached(`${directory}/`)) return true
      // The disk of a partition says it, and the card itself what kind it is: those that are soldered in are MMC.
      const disk = (yield* text(`${directory}/partition`)) === "" ? directory : directory.replace(/\/[^/]*$/, "")
      if ((yield* text(`${disk}/removable`)) === "1") return true
      if ((yield* text(`${disk}/device/type`)) === "SD") return true
      for (const name of yield* names(`${directory}/slaves`)) {
        const below = yield* real(`${directory}/slaves/${name}`)
        if (below !== undefined && (yield* isDeviceRemovable(below, level + 1))) return true
      }
      return false
    })

  const info = yield* Effect.orElseSucceed(fs.stat(path), () => undefined)
  if (info === undefined) return false
  const numbers = deviceNumbers(BigInt(info.dev)).join(":")
  const direct = yield* real(`/sys/dev/block/${numbers}`)
  if (direct !== undefined) return yield* isDeviceRemovable(direct, 0)
  const source = sourceOf(yield* text("/proc/self/mountinfo"), numbers)
  const device = source === undefined ? undefined : yield* real(source)
  const directory = device === undefined ? undefined : yield* real(`/sys/class/block/${device.replace(/^.*\//, "")}`)
  return directory === undefined ? false : yield* isDeviceRemovable(directory, 0)
})
