/**
 * Offset and size of every field of the reserved space: the table of `docs/format.md` as numbers, in bytes from its start.
 */

/** Size of the reserved space in bytes. */
export const reservedSize = 4_194_304

/** A range of the reserved space, in bytes. */
export interface Slot {
  readonly offset: number
  readonly size: number
}

/** Bytes of the icon slot that hold the picture: the slot less `char ext[4]` and the `u64` size. */
export const iconCapacity = 1_048_564

/** The slot of each field. */
export const slots = {
  permissions: { offset: 0, size: 8 },
  notify: { offset: 8, size: 1 },
  overlay: { offset: 9, size: 1 },
  casefold: { offset: 10, size: 1 },
  desktop: { offset: 11, size: 4_096 },
  boot: { offset: 4_107, size: 8_192 },
  icon: { offset: 12_299, size: 1_048_576 },
  environment: { offset: 1_060_875, size: 1_048_576 },
  bindings: { offset: 2_109_451, size: 1_048_576 },
  remote: { offset: 3_158_027, size: 4_096 },
  unshare: { offset: 3_162_123, size: 2 },
  extension: { offset: 3_162_128, size: 65_536 }
} as const satisfies Record<string, Slot>

export type FieldName = keyof typeof slots

/** All fields, in their order in the file. */
export const fieldNames: ReadonlyArray<FieldName> = [
  "permissions",
  "notify",
  "overlay",
  "casefold",
  "desktop",
  "boot",
  "icon",
  "environment",
  "bindings",
  "remote",
  "unshare",
  "extension"
]

/** The journal, at the end of the reserved space. */
export const journal: Slot = { offset: 3_227_664, size: reservedSize - 3_227_664 }

/** The bytes before the JSON of our own field: `FIMX` and version 1. */
export const extensionPrefix = Uint8Array.of(0x46, 0x49, 0x4d, 0x58, 1, 0, 0, 0)

/**
 * Whether a field has only a few bytes, all of which count. The others are texts that end with a zero byte, and the icon.
 */
const isSmall = (field: FieldName): boolean => slots[field].size <= 8

/**
 * Whether a field is empty, so that it has its default.
 *
 * @param field the field
 * @param start its slot, or the beginning of it that {@link isComplete} accepts
 * @returns false for an icon, which needs more of its slot
 */
export const isBlank = (field: FieldName, start: Uint8Array): boolean =>
  field !== "icon" && (isSmall(field) ? start.every((byte) => byte === 0) : start[0] === 0)

/** Whether the beginning of a slot contains its whole content, so that the rest of it need not be read. */
export const isComplete = (field: FieldName, start: Uint8Array): boolean =>
  start.length >= slots[field].size || start[0] === 0
  || (field !== "icon" && start.indexOf(0, field === "extension" ? extensionPrefix.length : 0) >= 0)
