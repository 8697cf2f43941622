import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import { basename, dirname } from "../relocate/Directories.ts"
import * as Utf8 from "../Utf8.ts"
import {
  type DriverFile,
  type DriverFiles,
  isLibrary,
  isManifest,
  isShared,
  type Manifest,
  manifestPlaces,
  readManifest
} from "./Driver.ts"
import { reader } from "./HostReader.ts"
import { cacheLimit, directoriesOf } from "./LibraryCache.ts"

/** Directories of libraries on hosts whose list of them cannot be read, or does not exist. */
const libraryPlaces = [
  "/usr/lib/x86_64-linux-gnu",
  "/usr/lib/aarch64-linux-gnu",
  "/usr/lib64",
  "/usr/lib",
  "/usr/lib/i386-linux-gnu",
  "/usr/lib32",
  "/run/opengl-driver/lib",
  "/run/opengl-driver-32/lib"
]
/** Below each of them: for programs that load a part by a path of its own. */
const belowLibraries = ["", "/vdpau", "/gbm", "/nvidia/wine"]
const dataPlaces = ["/usr/share", "/etc", "/usr/local/share", "/run/opengl-driver/share", "/run/opengl-driver-32/share"]
const programPlaces = ["/usr/bin/nvidia-smi", "/usr/local/bin/nvidia-smi", "/run/current-system/sw/bin/nvidia-smi"]
const programName = "nvidia-smi"

/** A driver has some 150 names in two architectures. Files beyond this number are left out. */
export const fileLimit = 768
const manifestLimit = 64 * 1024

/** Keeps the first file of each name that leads to the same one: `libcuda.so.1` of several directories is one. */
const once = (files: ReadonlyArray<DriverFile>): ReadonlyArray<DriverFile> =>
  [...new Map(files.toReversed().map((file) => [`${basename(file.path)}\0${file.source}`, file])).values()].toReversed()

/**
 * The files of NVIDIA's driver on this host, none at all where there is no library of it. What cannot be read is passed over.
 * In: the file system, and the directory that stands for `/`: another one only in tests, where links have to be relative.
 */
export const findDriver = Effect.fn("DriverSearch.findDriver")(function*(fs: FileSystem.FileSystem, root: string) {
  const host = reader(fs, root)
  const all = { concurrency: 16 } as const

  /** The paths behind which there is a file that a driver can have put there: a link to `libc.so.6` is no library of it. */
  const filesAt = (paths: ReadonlyArray<string>, isExpected: (name: string) => boolean) =>
    Effect.map(
      Effect.forEach(paths, (path) => host.behind(path, "File"), all),
      (sources) =>
        paths.flatMap((path, index): ReadonlyArray<DriverFile> => {
          const source = sources[index]
          return source !== undefined && isExpected(basename(source)) ? [{ path, source: `${root}${source}` }] : []
        })
    )
  const namedIn = (directories: ReadonlyArray<string>, isWanted: (name: string) => boolean) =>
    Effect.map(
      Effect.forEach(directories, host.namesIn, all),
      (listed) =>
        directories.flatMap((directory, index) =>
          (listed[index] ?? []).filter(isWanted).toSorted().map((name) => `${directory}/${name}`)
        ).slice(0, fileLimit)
    )

  const manifestsAt = Effect.fnUntraced(function*(file: DriverFile) {
    const bytes = yield* host.bytesOf(file.path, manifestLimit)
    const read = bytes === undefined ? undefined : readManifest(Utf8.decode(bytes))
    if (read === undefined) return []
    const named = read.directories.map((path) => (path.startsWith("/") ? path : `${dirname(file.path)}/${path}`))
    const directories = yield* Effect.forEach(named, (path) => host.behind(path, "Directory"))
    return [{ manifest: { ...file, content: read.content } satisfies Manifest, directories }]
  })

  const places = dataPlaces.flatMap((data) => manifestPlaces.map((place) => `${data}/${place}`))
  const announcing = yield* namedIn(places, isManifest)
  const files = yield* filesAt(announcing, (name) => name.endsWith(".json"))
  const manifests = (yield* Effect.forEach(files, manifestsAt, all)).flat()

  const cache = yield* host.bytesOf("/etc/ld.so.cache", cacheLimit)
  const listed = cache === undefined ? [] : directoriesOf(cache, isLibrary)
  const announced = manifests.flatMap(({ directories }) => directories.filter((path) => path !== undefined))
  const below = [...listed, ...libraryPlaces, ...announced].flatMap((path) =>
    belowLibraries.map((place) => `${path}${place}`)
  )
  const libraries = once(
    yield* Effect.flatMap(namedIn([...new Set(below)], isLibrary), (paths) => filesAt(paths, isLibrary))
  )
  if (!libraries.some(({ path }) => isShared(path))) {
    return { libraries: [], manifests: [], programs: [] } satisfies DriverFiles
  }
  const programs = yield* filesAt(programPlaces, (name) => name === programName)
  return {
    libraries,
    manifests: manifests.map(({ manifest }) => manifest),
    programs: programs.slice(0, 1)
  } satisfies DriverFiles
})
