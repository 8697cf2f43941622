/** All commands of an image. */
import * as Desktop from "./Desktop.ts"
import * as Help from "./Help.ts"
import * as Info from "./Info.ts"
import * as Instance from "./Instance.ts"
import * as Layer from "./Layer.ts"
import * as Override from "./Override.ts"
import * as Programs from "./Programs.ts"
import * as Recipe from "./Recipe.ts"
import type { GuestCommand, ImageCommand, SettingsCommand } from "./Services.ts"
import * as Settings from "./Settings.ts"

/** These work on any image file, also through `flatimage config`. */
const ofSettings: ReadonlyArray<SettingsCommand> = [
  Settings.bind,
  Settings.boot,
  Settings.casefold,
  Desktop.command,
  Settings.env,
  Help.command,
  Settings.notify,
  Settings.overlay,
  Settings.perms,
  Settings.portal,
  Settings.remote,
  Settings.unshare,
  Settings.version
]

/** These work on the running image. */
const ofImage: ReadonlyArray<ImageCommand> = [Info.doctor, Info.info, Instance.command, Layer.command, Override.command]

/** These may run programs in the guest. */
const ofGuest: ReadonlyArray<GuestCommand> = [Recipe.command]

/** In alphabetical order. */
export const imageCommands: ReadonlyArray<GuestCommand> = [
  ...ofSettings,
  ...ofImage,
  ...ofGuest,
  Programs.exec,
  Programs.root,
  Programs.run
].sort((left, right) => left.name < right.name ? -1 : 1)

/** Names of all commands. */
export const commandNames: ReadonlyArray<string> = imageCommands.map(({ name }) => name)

const named = <R extends { readonly name: string }>(list: ReadonlyArray<R>, name: string): R | undefined =>
  list.find((command) => command.name === name)

/** A command that works on any image file; `undefined` if there is none with this name. */
export const findSettingsCommand = (name: string): SettingsCommand | undefined => named(ofSettings, name)

/** A command that needs no program in the guest; `undefined` if there is none with this name. */
export const findImageCommand = (name: string): ImageCommand | undefined =>
  findSettingsCommand(name) ?? named(ofImage, name)

/** A command that may run programs in the guest; `undefined` if there is none with this name. */
export const findGuestCommand = (name: string): GuestCommand | undefined => named(ofGuest, name)

/** The command with this name, with or without `fim-`, in any case. */
export const findTopic = (name: string): GuestCommand | undefined =>
  named(imageCommands, `fim-${name.toLowerCase().replace(/^fim-/, "")}`)
