/** Chooses the names of an image among the other images on a desktop. Pure. */
import type { Shape as Native } from "../platform/NativeBytes.ts"
import { type Identity, identityOf } from "./Names.ts"
import type { StoredRecord } from "./Records.ts"

/** The names of an image, and the records that the choice is based on. */
export interface Claim {
  readonly identity: Identity
  readonly apart: boolean
  /** Records of this image, under any name and from any path. */
  readonly own: ReadonlyArray<StoredRecord>
  /** Records of other images. */
  readonly others: ReadonlyArray<StoredRecord>
}

/**
 * Chooses the names of an image.
 *
 * @param options `isThere`: whether the image of a record still exists at its path; if not, it was moved, and is this image
 *   if it has the same name. `identities`: those that this image has and had; a missing image with one of them was this one too, under
 *   another name. `isTaken`: whether files that no image has created have the plain names
 */
export const claimOf = (native: Native, options: {
  readonly name: string
  readonly image: string
  readonly records: ReadonlyArray<StoredRecord>
  readonly isThere: (image: string) => boolean
  readonly isTaken: boolean
  readonly identities?: ReadonlyArray<string>
}): Claim => {
  const { identities = [], image, isTaken, isThere, name, records } = options
  const ours = records.filter(({ record }) => record.image === image)
  const moved = records.filter(({ record }) => record.desktop.name === name && !isThere(record.image))
  // If a record has the path of this image, it was not moved here, and a missing image was another one with this name.
  const plain = identityOf(native, name)
  const found = moved.find(({ key }) => key === plain.file) ?? moved[0]
  const former = records.filter(({ record }) =>
    record.identity !== undefined && identities.includes(record.identity) && record.image !== image &&
    !isThere(record.image)
  )
  const own = [...new Set([...(ours.length > 0 || found === undefined ? ours : [found]), ...former])]
  const others = records.filter((entry) => !own.includes(entry))
  // If it already has the plain names, it keeps them.
  const apart = others.some(({ key }) => key === plain.file) || (isTaken && !own.some(({ key }) => key === plain.file))
  return { identity: apart ? identityOf(native, name, image) : plain, apart, own, others }
}
