/** Messages of a start about data directories, one line each. Pure. */
import { printable } from "../Printable.ts"
import { type DataRecord, recordName } from "./DataRecord.ts"

/** Quotes an argument for a shell. */
const quoteArgument = (text: string): string => `'${printable(text).replaceAll("'", "'\\''")}'`

const digits = (identity: string | undefined): string => identity === undefined ? "no identity" : identity.slice(0, 8)

/** The command that gives a directory to this image. */
const give = (directory: string): string =>
  `to use it with this image: rm ${quoteArgument(`${directory}/${recordName}`)}`

/** The directory with the image's name belongs to another image. */
export const foreign = (directory: string, record: DataRecord, identity: string | undefined, used: string): string =>
  `Data directory ${quoteArgument(directory)} belongs to another image (${digits(record.identity)}, last at ${
    quoteArgument(record.path)
  }; this one is ${digits(identity)}), ${quoteArgument(used)} is used; to choose another: FIM_DIR_DATA=DIRECTORY; ${
    give(directory)
  }`

/** The directory that the caller chose belongs to another image. */
export const foreignChosen = (directory: string, record: DataRecord, identity: string | undefined): string =>
  `the data directory ${quoteArgument(directory)} in FIM_DIR_DATA belongs to another image (${
    digits(record.identity)
  }, last at ${quoteArgument(record.path)}; this one is ${
    digits(identity)
  }); set FIM_DIR_DATA to another directory, or ${give(directory)}`

/** The data directory was renamed with the image. */
export const renamed = (from: string, to: string): string =>
  `The image was renamed: its data directory ${quoteArgument(from)} is now ${quoteArgument(to)}`

/** Several directories can belong to the image, and one is used. */
export const several = (directories: ReadonlyArray<string>, used: string): string =>
  `Data directories ${
    directories.map(quoteArgument).join(", ")
  } all belong to images that are gone and were the same as this one, ${
    quoteArgument(used)
  } is used; to choose one: FIM_DIR_DATA=DIRECTORY`

/** The record in a directory is not valid. */
export const damaged = (directory: string, detail: string): string =>
  `The record ${
    quoteArgument(`${directory}/${recordName}`)
  } is not used, ${detail}; the directory belongs to this image by its name`

/** The directory with the image's name cannot be used: others could change it, or it is not the caller's. */
export const unusable = (directory: string, problem: string, used: string | undefined): string =>
  `Data directory ${quoteArgument(directory)} cannot be used${
    used === undefined ? "" : `, ${quoteArgument(used)} is used`
  }: ${printable(problem)}; to choose another: FIM_DIR_DATA=DIRECTORY`

/**
 * No directory can be used.
 *
 * @param tried directories, each with the reason
 */
export const nowhere = (tried: ReadonlyArray<readonly [directory: string, problem: string | undefined]>): string => {
  const each = tried.map(([directory, problem]) =>
    problem === undefined ? quoteArgument(directory) : `${quoteArgument(directory)}: ${printable(problem)}`
  )
  return `cannot make or write to a data directory (tried ${each.join(", ")}); set FIM_DIR_DATA to a directory of yours`
}
