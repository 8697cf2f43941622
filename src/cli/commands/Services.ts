/** What a command of an image may ask for. */
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import type * as Stdio from "effect/Stdio"
import type * as Terminal from "effect/Terminal"
import type { DesktopImage } from "../../desktop/DesktopImage.ts"
import type { ReservedSpace } from "../../image/ReservedSpace.ts"
import type { NativeBytes } from "../../platform/NativeBytes.ts"
import type { Posix } from "../../platform/Posix.ts"
import type { Host } from "../../relocate/Host.ts"
import type { Relocate } from "../../relocate/Relocate.ts"
import type { BuildInfo } from "../config/BuildInfo.ts"
import type { Command } from "../grammar/Command.ts"
import type { GuestRun } from "../recipe/GuestRun.ts"

/** Of the settings in an image file: such a command also works on an image that does not run. */
export type SettingsServices =
  | BuildInfo
  | ChildProcessSpawner.ChildProcessSpawner
  | DesktopImage
  | FileSystem.FileSystem
  | Host
  | NativeBytes
  | Posix
  | ReservedSpace

/** Of the image that runs. */
export type ImageServices = SettingsServices | Relocate

/** Of the image that runs, and of programs in its guest. */
export type GuestServices = ImageServices | GuestRun | Path.Path | Stdio.Stdio | Terminal.Terminal

export type SettingsCommand = Command<SettingsServices>
export type ImageCommand = Command<ImageServices>
export type GuestCommand = Command<GuestServices>
