/**
 * What a guest finds around it as on its host: names of machines, the caller's terminal and language, cookies of the display,
 * fonts, and authorities for certificates. Each costs a start nothing where the guest has what is asked for, or nothing is asked.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { Instance } from "../mount/Instance.ts"
import type { Directories } from "../relocate/Directories.ts"
import * as Utf8 from "../Utf8.ts"
import type { Bind } from "./Arguments.ts"
import { localesOf, usualTerminals } from "./Environment.ts"
import { hostNamesLimit, hostNamesWith } from "./HostNames.ts"
import type { Found } from "./HostParts.ts"
import type { SourceBind } from "./Sources.ts"

type Environment = Readonly<Record<string, string | undefined>>

/** What they add to a sandbox. */
export interface Surroundings {
  /** On files of the guest, which all others may cover. */
  readonly files: ReadonlyArray<SourceBind>
  /** Below our own directories of the guest. */
  readonly own: ReadonlyArray<Bind>
  /** Variables of the caller that the guest gets with another value. */
  readonly replaced: Environment
  readonly environment: Readonly<Record<string, string>>
}

/**
 * Lets all users of a guest read a file that was made for it, whatever the caller's umask. Only a guest of root has others.
 *
 * @param uid the caller's
 */
export const openToGuest = (fs: FileSystem.FileSystem, uid: number, path: string) =>
  uid === 0 ? fs.chmod(path, 0o644) : Effect.void

/** The name that the guest sees its machine by. */
const machineName = (fs: FileSystem.FileSystem, isOwn: boolean) =>
  isOwn ? Effect.succeed("flatimage") : fs.readFileString("/proc/sys/kernel/hostname").pipe(
    Effect.map((name) => name.trim()),
    Effect.orElseSucceed(() => "localhost")
  )

/**
 * Finds and writes them.
 *
 * @param options.network whether the guest is in the host's network
 * @param options.ownName whether the guest has a name of its own
 * @param options.uid the caller's
 * @param options.root whether the program is root of the guest, who may change files of the guest
 */
export const surroundings = Effect.fn("Surroundings.surroundings")(function*(options: {
  readonly fs: FileSystem.FileSystem
  readonly instance: Pick<Instance["Service"], "readRoot">
  readonly directories: Directories
  readonly guest: Directories
  readonly environment: Environment
  readonly found: Found
  readonly network: boolean
  readonly ownName: boolean
  readonly root: boolean
  readonly uid: number
}) {
  const { directories, environment, found, fs, guest, instance } = options
  const read = (path: string, limit: number) => Effect.orElseSucceed(instance.readRoot(path, limit), () => undefined)
  const has = (path: string) => Effect.map(read(path, 0), (content) => content !== undefined)
  const files: Array<SourceBind> = []
  const own: Array<Bind> = []
  const variables: Record<string, string> = {}
  const replaced: Record<string, string> = {}
  const put = Effect.fnUntraced(function*(name: string, content: Uint8Array) {
    const source = `${directories.instance}/${name}`
    yield* fs.writeFile(source, content)
    yield* openToGuest(fs, options.uid, source)
    return source
  })
  const putOwn = Effect.fnUntraced(function*(name: string, content: Uint8Array) {
    const target = `${guest.instance}/${name}`
    own.push({ type: "ro", source: yield* put(name.replaceAll("/", "-"), content), target, optional: false })
    return target
  })

  const hostNames = Effect.gen(function*() {
    const host = options.network
      ? yield* Effect.option(fs.stat("/etc/hosts"))
      : undefined
    const isHosts = host?._tag === "Some" && host.value.type === "File"
    // Lists of addresses to block can be long. Then the guest sees the host's file as it is.
    if (isHosts && host.value.size > hostNamesLimit) return
    const name = yield* machineName(fs, options.ownName)
    const text = isHosts
      ? yield* Effect.orElseSucceed(fs.readFileString("/etc/hosts"), () => "")
      : Utf8.decode((yield* read("/etc/hosts", hostNamesLimit)) ?? new Uint8Array())
    const content = hostNamesWith(text, name)
    if (content === undefined) return
    const source = yield* put("hosts", Utf8.encode(content))
    // Root may add lines, as in any guest whose hosts file is made for a run; they end with it.
    const type = options.root ? "rw" : "ro"
    files.push({ type, source, target: "/etc/hosts", optional: false, isDirectory: false })
  })

  const terminal = Effect.gen(function*() {
    if (usualTerminals.has(environment["TERM"] || "xterm")) return
    const { terminalOf, terminalPlaces } = yield* Effect.promise(() => import("./Terminal.ts"))
    const { entry, name } = yield* terminalOf(fs, environment, has)
    replaced["TERM"] = name
    if (entry === undefined) return
    yield* putOwn(`terminfo/${entry.file}`, entry.content)
    variables["TERMINFO_DIRS"] = terminalPlaces(`${guest.instance}/terminfo`)
  })

  const locale = Effect.gen(function*() {
    if (localesOf(environment).length === 0) return
    const { replacedLocales } = yield* Effect.promise(() => import("./Locale.ts"))
    Object.assign(replaced, yield* replacedLocales(environment, read))
  })

  const display = Effect.gen(function*() {
    if (found.cookies !== undefined) variables["XAUTHORITY"] = yield* putOwn("Xauthority", found.cookies)
    const { fontSettings } = found.looks
    if (fontSettings !== undefined) {
      variables["FONTCONFIG_FILE"] = yield* putOwn("fonts.conf", Utf8.encode(fontSettings))
    }
    for (const [type, source, target] of found.looks.binds) own.push({ type, source, target, optional: true })
  })

  const certificates = Effect.gen(function*() {
    if (!options.network || found.authorities.length === 0) return
    const { bundleLimit, bundlePlaces, bundleWith } = yield* Effect.promise(() => import("./Certificates.ts"))
    const bundles = yield* Effect.forEach(bundlePlaces, (place) => read(place, bundleLimit), {
      concurrency: "unbounded"
    })
    // Without a bundle of its own the guest trusts only what it has built in, and what is added here.
    const bundle = bundles.find((bundle) => bundle !== undefined && bundle.length > 0) ?? new Uint8Array()
    const content = bundleWith(Utf8.decode(bundle), found.authorities)
    if (content === undefined) return
    const target = yield* putOwn("authorities.pem", Utf8.encode(content))
    for (const name of ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"]) {
      variables[name] = target
    }
    // Packages of root replace the bundle, which would fail if something was mounted on it.
    if (options.root) return
    for (const [index, place] of bundlePlaces.entries()) {
      const source = `${directories.instance}/authorities.pem`
      if (bundles[index] !== undefined) {
        files.push({ type: "ro", source, target: place, optional: false, isDirectory: false })
      }
    }
  })

  yield* Effect.all([hostNames, terminal, locale, display, certificates], { concurrency: "unbounded" })
  return { files, own, replaced, environment: variables } satisfies Surroundings
})
