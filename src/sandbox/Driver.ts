/**
 * What of the host's graphics driver the guest gets. Open drivers are the guest's own: its Mesa talks to `/dev/dri`. That of
 * NVIDIA has to be of the same version as the kernel's half, so its libraries and the files that announce them come from the
 * host; the loader, the C library and the dispatching `libGL`, `libEGL` and `libvulkan` stay the guest's.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { basename, dirname } from "../relocate/Directories.ts"

/** A file of the driver: the path where the host's programs search it, and the regular file behind all links. */
export interface DriverFile {
  readonly path: string
  readonly source: string
}

/** A file that announces a library, with its content where the guest needs another one. */
export interface Manifest extends DriverFile {
  readonly content: string | undefined
}

export interface DriverFiles {
  readonly libraries: ReadonlyArray<DriverFile>
  readonly manifests: ReadonlyArray<Manifest>
  readonly programs: ReadonlyArray<DriverFile>
}

/** A variable with directories in it: those that count where it is not set, and those that come behind. */
export interface SearchPath {
  readonly usual: string
  readonly more: ReadonlyArray<string>
}

/** What a driver adds to a sandbox. */
export interface DriverParts {
  readonly binds: ReadonlyArray<readonly [type: "ro", source: string, target: string]>
  readonly search: Readonly<Record<string, SearchPath>>
  /** What has to be written into the directory `driver` of the instance. */
  readonly files: ReadonlyArray<{ readonly name: string; readonly content: string }>
}

const vendorNames = [
  /^libnvidia-[\w.+-]+\.so(\.[\d.]+)?$/,
  /^lib(cuda|cudadebugger|nvcuvid|nvoptix|(GLX|EGL|GLESv1_CM|GLESv2|vdpau)_nvidia)\.so(\.[\d.]+)?$/,
  /^nvidia-drm_gbm\.so$/,
  /^_?nvngx\w*\.dll$/
]

/** Whether a file with this name is a library of the driver and nothing else. */
export const isLibrary = (name: string): boolean => vendorNames.some((pattern) => pattern.test(name))

/** Whether a loader of Linux takes such a library. The others are for programs of Windows. */
export const isShared = (path: string): boolean => !path.endsWith(".dll")

/** Whether a file with this name announces a library of the driver. */
export const isManifest = (name: string): boolean => /nvidia.*\.json$/.test(name)

/** Where Vulkan, EGL and its platforms are announced, below directories for data. */
export const manifestPlaces = [
  "vulkan/icd.d",
  "vulkan/implicit_layer.d",
  "glvnd/egl_vendor.d",
  "egl/egl_external_platform.d"
]

const Announced = Schema.StructWithRest(Schema.Struct({ library_path: Schema.optionalKey(Schema.String) }), [
  Schema.Record(Schema.String, Schema.Unknown)
])
const ManifestContent = Schema.fromJsonString(
  Schema.StructWithRest(
    Schema.Struct({
      ICD: Schema.optionalKey(Announced),
      layer: Schema.optionalKey(Announced),
      layers: Schema.optionalKey(Schema.Array(Announced))
    }),
    [Schema.Record(Schema.String, Schema.Unknown)]
  )
)

/** A manifest that announces libraries of the driver, and no others. */
export interface ReadManifest {
  /** Directories of libraries that the manifest names by a path. */
  readonly directories: ReadonlyArray<string>
  /** The content with plain names in place of paths, if it has any: the guest's loader searches those itself. */
  readonly content: string | undefined
}

const plain = (one: typeof Announced.Type): typeof Announced.Type =>
  one.library_path === undefined ? one : { ...one, library_path: basename(one.library_path) }

/** Reads a manifest. `undefined` if it is none of the driver's. */
export const readManifest = (text: string): ReadManifest | undefined => {
  const content = Option.getOrUndefined(Schema.decodeUnknownOption(ManifestContent)(text))
  if (content === undefined) return undefined
  const { ICD, layer, layers } = content
  const paths = [ICD, layer, ...(layers ?? [])].flatMap((one) => one?.library_path ?? [])
  if (paths.length === 0 || !paths.every((path) => isLibrary(basename(path)))) return undefined
  const named = paths.filter((path) => path.includes("/"))
  if (named.length === 0) return { directories: [], content: undefined }
  const changed = {
    ...content,
    ...(ICD === undefined ? {} : { ICD: plain(ICD) }),
    ...(layer === undefined ? {} : { layer: plain(layer) }),
    ...(layers === undefined ? {} : { layers: layers.map(plain) })
  }
  return { directories: named.map(dirname), content: JSON.stringify(changed) }
}

const unique = (items: ReadonlyArray<string>): ReadonlyArray<string> => [...new Set(items)]

const isBackend = ({ path }: DriverFile): boolean => basename(path) === "nvidia-drm_gbm.so"

/** Variables with directories to search for data, and the subdirectory that is appended. */
const announcing = [
  { name: "XDG_DATA_DIRS", usual: "/usr/local/share:/usr/share", places: manifestPlaces.slice(0, 2), isAbove: true },
  {
    name: "__EGL_VENDOR_LIBRARY_DIRS",
    usual: "/etc/glvnd/egl_vendor.d:/usr/share/glvnd/egl_vendor.d",
    places: manifestPlaces.slice(2, 3),
    isAbove: false
  },
  {
    name: "__EGL_EXTERNAL_PLATFORM_CONFIG_DIRS",
    usual: "/etc/egl/egl_external_platform.d:/usr/share/egl/egl_external_platform.d",
    places: manifestPlaces.slice(3),
    isAbove: false
  }
]

/**
 * Binds and variables for a driver. Each file is at the host's own path below `runtimeHost` in the guest, so a directory
 * there holds only files of the driver, and is safe in search paths of libraries. `instance` is the
 * directory of the instance on the host.
 */
export const driverParts = (files: DriverFiles, instance: string, runtimeHost: string): DriverParts => {
  const inGuest = (path: string) => `${runtimeHost}${path}`
  const libraries = files.libraries.filter(({ path }) => isShared(path))
  const placed = (chosen: ReadonlyArray<DriverFile>) => unique(chosen.map(({ path }) => inGuest(dirname(path))))
  const announced = announcing.map(({ isAbove, name, places, usual }) => ({
    name,
    usual,
    more: unique(
      files.manifests.flatMap(({ path }) =>
        places.filter((place) => dirname(path).endsWith(`/${place}`)).map((place) =>
          inGuest(isAbove ? dirname(path).slice(0, -place.length - 1) : dirname(path))
        )
      )
    )
  }))
  const search = [
    { name: "LD_LIBRARY_PATH", usual: "", more: placed(libraries.filter((file) => !isBackend(file))) },
    {
      name: "GBM_BACKENDS_PATH",
      usual: ["/usr/lib/x86_64-linux-gnu/gbm", "/usr/lib/aarch64-linux-gnu/gbm", "/usr/lib64/gbm", "/usr/lib/gbm"].join(
        ":"
      ),
      more: placed(libraries.filter(isBackend))
    },
    { name: "PATH", usual: "", more: placed(files.programs) },
    ...announced
  ]
  const rewritten = files.manifests
    .flatMap(({ content, path }) => (content === undefined ? [] : [{ path, content }]))
    .map(({ content, path }, index) => ({ content, path, name: `${index}.json` }))
  const written = new Map(rewritten.map(({ name, path }) => [path, `${instance}/driver/${name}`]))
  return {
    binds: [...files.libraries, ...files.manifests, ...files.programs].map(
      ({ path, source }) => ["ro", written.get(path) ?? source, inGuest(path)] as const
    ),
    search: Object.fromEntries(
      search.filter(({ more }) => more.length > 0).map(({ name, usual, more }) => [name, { usual, more }])
    ),
    files: rewritten.map(({ content, name }) => ({ name, content }))
  }
}
