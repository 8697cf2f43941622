/** Chooses the names of an image among the other images of a desktop. Pure. */
import type { Shape as Native } from "../platform/NativeBytes.ts"
import { type Identity, identityOf } from "./Names.ts"
import type { StoredRecord } from "./Records.ts"

export interface Claim {
  readonly identity: Identity
  readonly apart: boolean
  /** What the image has made before, under whichever name and from wherever it was. */
  readonly own: ReadonlyArray<StoredRecord>
  /** What other images have made. */
  readonly others: ReadonlyArray<StoredRecord>
}

/**
 * The names for an image. `isThere`: whether the image of a record still exists at its path; if not, it was moved, and
 * is this image if it has the same name. `isTaken`: whether the plain names are those of files that no image has created.
 */
export const claimOf = (native: Native, options: {
  readonly name: string
  readonly image: string
  readonly records: ReadonlyArray<StoredRecord>
  readonly isThere: (image: string) => boolean
  readonly isTaken: boolean
}): Claim => {
  const { image, isTaken, isThere, name, records } = options
  const ours = records.filter(({ record }) => record.image === image)
  const moved = records.filter(({ record }) => record.desktop.name === name && !isThere(record.image))
  // One that is known by its path has not been moved here: what is gone then was another image of this name.
  const plain = identityOf(native, name)
  const found = moved.find(({ key }) => key === plain.file) ?? moved[0]
  const own = ours.length > 0 || found === undefined ? ours : [found]
  const others = records.filter((entry) => !own.includes(entry))
  // If its key is that of the plain names, it uses them and keeps them.
  const apart = others.some(({ key }) => key === plain.file) || (isTaken && !own.some(({ key }) => key === plain.file))
  return { identity: apart ? identityOf(native, name, image) : plain, apart, own, others }
}
