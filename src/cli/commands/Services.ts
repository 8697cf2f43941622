/** The services that commands of an image need. */
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

/** For settings in an image file: these commands also work on an image that does not run. */
export type SettingsServices =
  | BuildInfo
  | ChildProcessSpawner.ChildProcessSpawner
  | DesktopImage
  | FileSystem.FileSystem
  | Host
  | NativeBytes
  | Posix
  | ReservedSpace

/** For the running image. */
export type ImageServices = SettingsServices | Relocate

/** For the running image and programs in its guest. */
export type GuestServices = ImageServices | GuestRun | Path.Path | Stdio.Stdio | Terminal.Terminal

export type SettingsCommand = Command<SettingsServices>
export type ImageCommand = Command<ImageServices>
export type GuestCommand = Command<GuestServices>
