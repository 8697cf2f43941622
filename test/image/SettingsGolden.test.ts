import { assert, expect, it } from "@effect/vitest"
import { type FieldName, fieldNames, journal, reservedSize, slots } from "../../src/image/ReservedLayout.ts"
import type { Fields } from "../../src/image/Settings.ts"
import { applyStage, imageOf, planOf, reservedOffset } from "./ReservedSpaceFixture.ts"

const settings: Fields = {
  permissions: ["audio", "network", "optical"],
  notify: true,
  overlay: "unionfs",
  casefold: true,
  desktop: { name: "Editor", categories: ["Utility"], integrations: ["ENTRY", "ICON"] },
  boot: { program: "editor", args: ["--new", "é😀"] },
  icon: { extension: "png", data: Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0, 0, 0x1a, 0x0a) },
  environment: { EDITOR: "$HOME/bin/vi", LANG: "C.UTF-8" },
  bindings: [{ type: "ro", src: "/usr/share/fonts", dst: "/fonts" }, {
    type: "dev",
    src: "/dev/fuse",
    dst: "/dev/fuse"
  }],
  remote: "https://example.org/recipes",
  unshare: ["cgroup", "user"],
  extension: { distribution: "DEBIAN", portal: ["xdg-open"] }
}

/** Where each part begins, and what it is. */
const parts: ReadonlyArray<readonly [offset: number, name: string]> = [
  ...fieldNames.map((field) => [slots[field].offset, field] as const),
  [slots.icon.offset + 4, "icon: data"] as const,
  [slots.icon.offset + slots.icon.size - 8, "icon: size"] as const,
  [slots.extension.offset + 8, "extension: JSON"] as const,
  [journal.offset, "journal: magic, sequence"] as const,
  [journal.offset + 16, "journal: position, length of the payload"] as const,
  [journal.offset + 32, "journal: SHA-256 of the payload"] as const,
  [journal.offset + 64, "journal: SHA-256 of the 64 bytes before"] as const,
  [journal.offset + 96, "journal: settled sequence"] as const,
  [journal.offset + 128, "journal: payload"] as const,
  [reservedSize, "end"] as const
].sort(([left], [right]) => left - right)

const row = (offset: number, bytes: Uint8Array): string =>
  `${String(offset).padStart(8)}  ${Buffer.from(bytes).toString("hex").replace(/(..)/g, "$1 ").padEnd(49)} ` +
  [...bytes].map((byte) => byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".").join("")

/** Offsets, bytes and characters; zeros to the end of a part are one line. */
const dump = (space: Uint8Array): string =>
  parts.slice(0, -1).flatMap(([offset, name], index) => {
    const end = parts[index + 1]![0]
    const used = space.subarray(offset, end).findLastIndex((byte) => byte !== 0) + 1
    const rows = Array.from({ length: Math.ceil(used / 16) }, (_, line) => {
      const start = offset + line * 16
      return row(start, space.subarray(start, Math.min(start + 16, offset + used)))
    })
    const zeros = end - offset - used
    const rest = zeros > 0 ? [`${String(offset + used).padStart(8)}  ${zeros} zeros`] : []
    return [`# ${name}`].concat(rows, rest)
  }).join("\n")

it("a reserved space, byte by byte", async () => {
  const { notify: _, ...first } = settings
  const image = planOf(imageOf(first), { notify: true } satisfies Partial<Record<FieldName, unknown>>)
    .reduce(applyStage, imageOf(first))
  const space = image.subarray(reservedOffset, reservedOffset + reservedSize)
  assert.strictEqual(space.length, reservedSize)
  await expect(`${dump(space)}\n`).toMatchFileSnapshot("../golden/reserved-space.hex")
})
