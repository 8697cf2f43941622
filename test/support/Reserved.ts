/** Writes settings into an image as `docs/format.md` describes them, without any code of the project. */
import { execFileSync } from "node:child_process"
import { closeSync, openSync, writeSync } from "node:fs"

/** Offset in the reserved space and size of the fields that tests set. */
const fields = {
  permissions: [0, 8],
  boot: [4107, 8192],
  environment: [1_060_875, 1_048_576],
  bindings: [2_109_451, 1_048_576]
} as const

/** Where the reserved space of an image begins: what the image itself says. */
export const reservedOffset = (image: string): number =>
  Number(execFileSync(image, { env: { FIM_MAIN_OFFSET: "1" }, encoding: "utf8" }))

/** Writes a field and fills the rest of it with zeros. */
export const writeField = (image: string, name: keyof typeof fields, value: string | Uint8Array): void => {
  const [offset, size] = fields[name]
  const bytes = Buffer.alloc(size)
  bytes.set(Buffer.from(value))
  const position = reservedOffset(image) + offset
  const file = openSync(image, "r+")
  writeSync(file, bytes, 0, size, position)
  closeSync(file)
}
