/** The settings of an image: one schema per field of the reserved space. */
import * as Schema from "effect/Schema"
import { identityPattern } from "./Identity.ts"
import { iconCapacity } from "./ReservedLayout.ts"
import { bindingTypes, integrationNames, overlayNames, permissionNames, unshareNames } from "./SettingsDefaults.ts"

/** A zero byte ends a field, and a lone surrogate is lost in UTF-8: neither can be stored or passed to a program. */
export const Text = Schema.String.check(
  Schema.makeFilter((text) => text.isWellFormed() && !text.includes("\0"), {
    expected: "well-formed text without a zero character"
  })
)

/** The name of a variable. */
export const VariableName = Text.check(
  Schema.makeFilter((name) => name.length > 0 && !name.includes("="), { expected: "a name without '='" })
)

/** Variables of the guest, by name. */
export const Environment = Schema.Record(VariableName, Text)
export type Environment = typeof Environment.Type

/** The boot command. */
export const Boot = Schema.Struct({ program: Text.check(Schema.isNonEmpty()), args: Schema.Array(Text) })
export type Boot = typeof Boot.Type

/** A path of the host that the guest sees. */
export const Binding = Schema.Struct({ dst: Text, src: Text, type: Schema.Literals(bindingTypes) })
export type Binding = typeof Binding.Type

/** Another way to start an image, in the menu of its desktop entry. */
export const DesktopAction = Schema.Struct({
  /** In lists and names of groups, so it has letters, digits and dashes only. */
  id: Schema.String.check(Schema.isPattern(/^[A-Za-z0-9-]{1,64}$/, { expected: "letters, digits and dashes" })),
  name: Text.check(Schema.isNonEmpty()),
  /** Arguments of the boot command. */
  args: Schema.Array(Text)
})

/** Keys of the desktop entry that an image may set, as the Desktop Entry Specification describes them. */
export const desktopKeys = {
  terminal: Schema.optionalKey(Schema.Boolean),
  comment: Schema.optionalKey(Text),
  genericName: Schema.optionalKey(Text),
  keywords: Schema.optionalKey(Schema.Array(Text.check(Schema.isNonEmpty()))),
  /** Types of documents that the image opens. */
  mimeType: Schema.optionalKey(
    Schema.Array(
      Schema.String.check(Schema.isPattern(/^[\w.+*-]+\/[\w.+*-]+$/, { expected: "a type such as text/plain" }))
    )
  ),
  startupWMClass: Schema.optionalKey(Text),
  actions: Schema.optionalKey(Schema.Array(DesktopAction))
}

/** Name and categories on the desktop, the enabled integrations, and keys of the entry. */
export const Desktop = Schema.Struct({
  categories: Schema.Array(Text),
  integrations: Schema.Array(Schema.Literals(integrationNames)),
  name: Text,
  ...desktopKeys
})
export type Desktop = typeof Desktop.Type

/** At most four letters, because the field is `char ext[4]`. */
export const Icon = Schema.Struct({
  extension: Schema.Literals(["png", "svg", "jpg", "jpeg"]),
  data: Schema.Uint8Array.check(
    Schema.makeFilter((data) => data.length > 0 && data.length <= iconCapacity, {
      expected: `1 to ${iconCapacity} bytes`
    })
  )
})
export type Icon = typeof Icon.Type

const Identity = Schema.String.check(Schema.isPattern(identityPattern, { expected: "32 hexadecimal digits" }))

const Id = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 4_294_967_294 }))

/** The user that a container's configuration names, as it was found in the accounts of the image. */
export const ContainerUser = Schema.Struct({
  /** As the configuration has it: `name`, `uid`, `uid:gid` and the like. */
  stored: Text,
  uid: Id,
  gid: Id,
  name: Text.check(Schema.isNonEmpty()),
  home: Text,
  /** Supplementary groups, which only root can give. */
  groups: Schema.Array(Schema.Struct({ name: Text, gid: Id }))
})
export type ContainerUser = typeof ContainerUser.Type

/**
 * What the configuration of a container says beyond boot command and variables. With `arguments` the caller's arguments take the
 * place of these; with `replaceable` they take the place of the whole boot command.
 */
export const Container = Schema.Struct({
  arguments: Schema.optionalKey(Schema.Array(Text)),
  replaceable: Schema.optionalKey(Schema.Boolean),
  directory: Schema.optionalKey(Text.check(Schema.isPattern(/^\//))),
  user: Schema.optionalKey(ContainerUser),
  stopSignal: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 64 }))),
  labels: Schema.optionalKey(Schema.Record(Text, Text)),
  ports: Schema.optionalKey(Schema.Array(Text)),
  volumes: Schema.optionalKey(Schema.Array(Text))
})
export type Container = typeof Container.Type

/**
 * `portal` lists the host programs that the guest may start through the portal; `*` stands for all. `identity` identifies
 * this image, and `formerly` lists its identities before it was copied, the latest last. `container` is there in images that were
 * made from a container.
 */
export const Extension = Schema.Struct({
  distribution: Text.check(Schema.isNonEmpty()),
  portal: Schema.Array(Text),
  identity: Schema.optionalKey(Identity),
  formerly: Schema.optionalKey(Schema.Array(Identity)),
  container: Schema.optionalKey(Container)
})
export type Extension = typeof Extension.Type

/** The settings that a start reads. Sets of names are arrays in alphabetical order, each name once. */
export const Settings = Schema.Struct({
  permissions: Schema.Array(Schema.Literals(permissionNames)),
  notify: Schema.Boolean,
  overlay: Schema.Literals(overlayNames),
  casefold: Schema.Boolean,
  desktop: Schema.UndefinedOr(Desktop),
  boot: Boot,
  environment: Environment,
  bindings: Schema.Array(Binding),
  remote: Schema.UndefinedOr(Text),
  unshare: Schema.Array(Schema.Literals(unshareNames)),
  extension: Extension
})
export type Settings = typeof Settings.Type

/** All fields and their types. The icon is not part of `Settings`: it is a megabyte that a start does not need. */
export interface Fields extends Settings {
  readonly icon: Icon | undefined
}
