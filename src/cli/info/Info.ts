/** fim-info: describes the image, its data directory, and its permissions on this host. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { formatBytes } from "../../FormatBytes.ts"
import { named } from "../../image/Namespaces.ts"
import { ReservedSpace } from "../../image/ReservedSpace.ts"
import type { Container, Settings } from "../../image/Settings.ts"
import { runFilesystem } from "../../image/SettingsRun.ts"
import * as LayerStack from "../../mount/LayerStack.ts"
import { inGuest } from "../../relocate/Directories.ts"
import { existingData } from "../../relocate/ExistingData.ts"
import { Host } from "../../relocate/Host.ts"
import { Relocate } from "../../relocate/Relocate.ts"
import { search } from "../../sandbox/HostSearch.ts"
import { identityOf } from "../../sandbox/Identity.ts"
import { permissionsOf } from "../../sandbox/Permissions.ts"
import { permissionTexts } from "../../sandbox/PermissionTexts.ts"
import { BuildInfo } from "../config/BuildInfo.ts"
import { CommandError } from "../config/CommandError.ts"
import { printJson, printLines } from "../config/Output.ts"
import { numbered } from "../layer/List.ts"
import { described } from "../override/Override.ts"

const failed = (error: { readonly message: string }) =>
  new CommandError({ text: error.message, context: "Could not describe the image", cause: error })

/** What each permission opens on this host: existing paths, and what is missing. */
const permissions = Effect.fnUntraced(function*(settings: Settings) {
  const fs = yield* FileSystem.FileSystem
  const { environment, gid, uid } = yield* Host
  const { directories } = yield* Relocate
  const found = yield* search(fs, {
    permissions: new Set(settings.permissions),
    environment,
    instance: directories.instance,
    runtimeHost: inGuest(directories).runtimeHost,
    root: ""
  })
  const identity = identityOf({
    root: false,
    uid,
    gid,
    host: environment,
    image: settings.environment,
    user: settings.extension.container?.user,
    bash: ""
  })
  const network = settings.permissions.includes("network")
  return yield* Effect.forEach(settings.permissions, (name) =>
    Effect.gen(function*() {
      const { binds, lacks } = permissionsOf([name], identity, environment, found, network)
      const opens = yield* Effect.filter(
        [...new Set(binds.map(({ source }) => source))],
        (path) => Effect.orElseSucceed(fs.exists(path), () => false)
      )
      return { name, text: permissionTexts[name], opens, lacks: lacks.map(({ reason }) => reason) }
    }))
})

const describe = Effect.fnUntraced(function*() {
  const fs = yield* FileSystem.FileSystem
  const { image } = yield* Relocate
  const { commit, timestamp, version } = yield* BuildInfo
  const { environment } = yield* Host
  const { settings, warnings } = yield* (yield* ReservedSpace).snapshot
  yield* Effect.forEach(warnings, (line) => Effect.logWarning(line), { discard: true })
  const data = yield* existingData("layers", settings.extension)
  const stack = yield* LayerStack.collect(data, settings.extension.distribution)
  const { casefold, overlay } = runFilesystem(settings, environment)
  return {
    image,
    size: Number((yield* fs.stat(image)).size),
    distribution: settings.extension.distribution,
    version,
    commit,
    timestamp,
    layers: numbered(stack),
    boot: [settings.boot.program, ...settings.boot.args],
    data: data ?? null,
    overlay,
    casefold,
    unshare: [...named(settings.unshare)].sort(),
    environment: Object.keys(settings.environment).sort(),
    permissions: yield* permissions(settings),
    bindings: settings.bindings,
    portal: settings.extension.portal,
    overrides: yield* described,
    container: settings.extension.container ?? null
  }
}, Effect.mapError(failed))

/** A named value, with more lines below. */
const row = (name: string, first: string, more: ReadonlyArray<string> = []): ReadonlyArray<string> => [
  `${`${name}:`.padEnd(16)}${first}`,
  ...more.map((line) => `${" ".repeat(16)}${line}`)
]

/** Several values, or "none". */
const rows = (name: string, values: ReadonlyArray<string>): ReadonlyArray<string> =>
  row(name, values[0] ?? "none", values.slice(1))

const quoted = (word: string): string => /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`

/** What a container brings beside boot command and variables. */
const containerRows = (container: Container | null): ReadonlyArray<string> => {
  if (container === null) return []
  const { arguments: words, directory, labels, ports, replaceable, stopSignal, user, volumes } = container
  const groups = (user?.groups ?? []).map(({ name }) => name)
  return [
    ...(words === undefined ? [] : row("Default args", words.map(quoted).join(" "))),
    ...(replaceable === true ? row("Arguments", "take the place of the boot command") : []),
    ...(user === undefined
      ? []
      : row(
        "User",
        `${user.name}, ${user.uid}:${user.gid}`,
        groups.length === 0 ? [] : [`also in ${groups.join(", ")}, where root starts it`]
      )),
    ...(directory === undefined ? [] : row("Directory", directory)),
    ...(stopSignal === undefined ? [] : row("Stop signal", String(stopSignal))),
    ...(ports === undefined ? [] : rows("Ports", ports)),
    ...(volumes === undefined ? [] : rows("Volumes", volumes)),
    ...(labels === undefined ? [] : rows("Labels", Object.entries(labels).map(([name, value]) => `${name}=${value}`)))
  ]
}

const linesOf = (about: Effect.Success<ReturnType<typeof describe>>): ReadonlyArray<string> => [
  ...row("Image", `${about.image}, ${formatBytes(about.size)}`),
  ...row("Distribution", about.distribution),
  ...row("Built by", `flatimage ${about.version}, commit ${about.commit} of ${about.timestamp}`),
  ...rows(
    "Layers",
    about.layers.map(({ index, origin, path, size }) =>
      `${index}: ${formatBytes(size)}, ${origin === "image" ? "in the image" : `${path} (${origin})`}`
    )
  ),
  ...row("Boot command", about.boot.map(quoted).join(" ")),
  ...containerRows(about.container),
  ...row("Data", about.data ?? "none yet: the first start makes it"),
  ...row("Overlay", about.casefold ? `${about.overlay}, names ignore case` : about.overlay),
  ...rows(
    "Permissions",
    about.permissions.flatMap(({ lacks, name, opens, text }) => [
      `${name}: ${text}`,
      ...(opens.length === 0 ? [] : [`  here: ${opens.join(", ")}`]),
      ...lacks.map((reason) => `  not here: ${reason}`)
    ])
  ),
  ...rows("Binds", about.bindings.map(({ dst, src, type }) => `${src} at ${dst}, ${type}`)),
  ...rows("Host programs", about.portal),
  ...rows("Variables", about.environment),
  ...rows("Your overrides", about.overrides),
  ...rows("Own namespaces", about.unshare.length === 0 ? ["those of the default"] : about.unshare)
]

export const info = Effect.fn("fim-info")(function*({ json }: { readonly json: boolean }) {
  const about = yield* describe()
  yield* json ? printJson(about) : printLines(linesOf(about))
})
