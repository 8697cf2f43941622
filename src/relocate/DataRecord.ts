/** The record of a data directory, and whether it belongs to this image. Pure. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type Identified, isIdentity } from "../image/Identity.ts"
import { basename } from "./Directories.ts"

/** The file in a data directory that holds the record. */
export const recordName = "image.json"

/** Limit in bytes: the longest path, with every character escaped. */
export const recordLimit = 32_768

const maxPathLength = 4_096

const Digits = Schema.String.check(Schema.makeFilter((text) => /^\d{1,20}$/.test(text), { expected: "a number" }))

/** The schema of a record file. */
export const DataRecord = Schema.Struct({
  identity: Schema.String.check(Schema.makeFilter(isIdentity, { expected: "32 hexadecimal digits" })),
  path: Schema.String.check(
    Schema.makeFilter((path) => path.startsWith("/") && !path.includes("\0") && path.length <= maxPathLength, {
      expected: "an absolute path"
    })
  ),
  device: Digits,
  inode: Digits
})

/** The image that used a data directory last, and its path. */
export type DataRecord = typeof DataRecord.Type

const decode = Schema.decodeUnknownResult(Schema.fromJsonString(DataRecord))

/** Parses the text of a record file. Fails with the problem, in a few words. */
export const parseRecord = (text: string): Result.Result<DataRecord, string> =>
  Result.mapError(decode(text), () => "it is not a record of an image")

/** The text of a record file. */
export const recordText = (record: DataRecord): string => `${JSON.stringify(record)}\n`

/** The image that is started. */
export interface ImageFile extends Identified {
  readonly path: string
  readonly device: string
  readonly inode: string
}

/** The relation of a data directory to an image. */
export type Claim = "Ours" | "Unclaimed" | "Foreign"

/** Whether the record names this very file, whatever its path. */
export const isSameFile = (record: DataRecord, image: ImageFile): boolean =>
  record.device === image.device && record.inode === image.inode

/**
 * Which image owns a data directory. A directory without a record belongs to the image with its name, as in versions
 * without records. A record of this very file may have a former identity of the image, as after a crash between the two
 * writes.
 */
export const claimOf = (record: DataRecord | undefined, image: ImageFile): Claim => {
  if (record === undefined) return "Unclaimed"
  if (image.identity === undefined) return isSameFile(record, image) || record.path === image.path ? "Ours" : "Foreign"
  if (record.identity === image.identity) return "Ours"
  return image.formerly?.includes(record.identity) === true && isSameFile(record, image) ? "Ours" : "Foreign"
}

/** The record that the directory of an image must have; `undefined` for an image without an identity. */
export const recordOf = ({ device, identity, inode, path }: ImageFile): DataRecord | undefined =>
  identity === undefined ? undefined : { identity, path, device, inode }

/** Whether the record is up to date. */
export const isCurrent = (record: DataRecord | undefined, image: ImageFile): boolean => {
  const wanted = recordOf(image)
  return wanted === undefined || (record !== undefined && record.identity === wanted.identity &&
    record.path === wanted.path && isSameFile(record, image))
}

/** Names of an image's data directory: the usual one, and one for the case that the first belongs to another image. */
export const dataNames = (image: ImageFile): readonly [usual: string, second: string | undefined] => {
  const name = basename(image.path)
  return [
    `.${name}.data`,
    image.identity === undefined ? undefined : `.${name}-${image.identity.slice(0, 8)}.data`
  ]
}

/** Whether a file name can be that of a data directory. */
export const isDataName = (name: string): boolean => name.length > 6 && name.startsWith(".") && name.endsWith(".data")

/**
 * A directory beside the expected one, with a record of our identity. `file` is the state of the recorded file: it is the
 * starting image, it is gone (or another program has its name), or it is a copy that still exists.
 */
export interface Sibling {
  readonly directory: string
  readonly record: DataRecord
  readonly file: "This" | "Gone" | "Copy"
}

/**
 * The sibling that an image uses, if any. `Several`: more than one recorded file is gone, and no record shows which one
 * this image was.
 */
export type Pick =
  | { readonly _tag: "None" }
  | { readonly _tag: "Use"; readonly sibling: Sibling }
  | { readonly _tag: "Rename"; readonly sibling: Sibling }
  | { readonly _tag: "Several"; readonly directories: ReadonlyArray<string> }

/** Selects the sibling that an image uses. */
export const pickSibling = (siblings: ReadonlyArray<Sibling>): Pick => {
  const mine = siblings.find(({ file }) => file === "This")
  if (mine !== undefined) return { _tag: "Use", sibling: mine }
  const gone = siblings.filter(({ file }) => file === "Gone")
  const [first] = gone
  if (first === undefined) return { _tag: "None" }
  if (gone.length > 1) return { _tag: "Several", directories: gone.map(({ directory }) => directory) }
  return { _tag: "Rename", sibling: first }
}
