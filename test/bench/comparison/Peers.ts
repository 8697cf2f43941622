/**
 * Programs that Debian does not have, so that whoever measures brings them:
 *
 *     apptainer              found in PATH
 *     APPIMAGE_RUNTIME       a file of AppImage's type 2 runtime, without an image behind it; mksquashfs of Debian packs the image
 *     FLATIMAGE_CPP          any image of the FlatImage in C++: its layers are replaced by one with the system that is compared
 *
 * Each of these functions gives a subject, or says what is missing.
 */
import { chmodSync, cpSync, rmSync, statSync, writeFileSync } from "node:fs"
import { resolve } from "node:path"
import type { Place } from "./Place.ts"
import type { Subject } from "./Subject.ts"

/** What appimagetool tells mksquashfs. */
const squashfs = "-comp zstd -root-owned -noappend -b 128K -mkfs-time 0 -quiet -no-progress".split(" ")

export const appImage = (place: Place, runtime = process.env["APPIMAGE_RUNTIME"]): Subject | string => {
  if (runtime === undefined) return "AppImage: APPIMAGE_RUNTIME names no runtime"
  const [tree, file] = [place.path("AppDir"), place.path("debian.AppImage")]
  cpSync(place.tree, tree, { recursive: true, verbatimSymlinks: true })
  // The program with the libraries of its system, as an AppRun has to name them: there is no view of files in which they are at their places.
  writeFileSync(
    `${tree}/AppRun`,
    `#!/bin/sh
exec "$APPDIR/lib64/ld-linux-x86-64.so.2" --library-path "$APPDIR/usr/lib/x86_64-linux-gnu" "$APPDIR/usr/bin/$1"
`
  )
  chmodSync(`${tree}/AppRun`, 0o755)
  place.run(["mksquashfs", tree, "app.squashfs", ...squashfs])
  place.shell("cat \"$0\" app.squashfs > debian.AppImage", resolve(runtime))
  chmodSync(file, 0o755)
  const version = place.shell("\"$0\" --appimage-version 2>&1", file).trim().split(" ").at(-1)
  return {
    label: "AppImage",
    words: [file, "true"],
    first: { file, leaves: [] },
    size: { label: "AppImage, with its runtime", bytes: statSync(file).size },
    version: `AppImage's type 2 runtime ${version}`
  }
}

export const apptainer = (place: Place): Subject | string => {
  const version = place.tried(["apptainer", "version"])?.trim()
  if (version === undefined) return "Apptainer: no apptainer in PATH"
  const file = place.path("debian.sif")
  place.run(["apptainer", "--quiet", "build", file, place.tree])
  // As it starts for whoever is not root: root's own start mounts the file by the kernel, and wants capabilities that a container may lack.
  return {
    label: "Apptainer, `apptainer exec --userns`",
    words: ["apptainer", "exec", "--userns", file, "true"],
    first: { file, leaves: [] },
    size: { label: "Apptainer, SIF file, without the host's Apptainer", bytes: statSync(file).size },
    version: `Apptainer ${version}`
  }
}

export const flatImageInCpp = (place: Place, image = process.env["FLATIMAGE_CPP"]): Subject | string => {
  if (image === undefined) return "FlatImage in C++: FLATIMAGE_CPP names no image"
  const [file, data] = [place.path("cpp.flatimage"), place.path(".cpp.flatimage.data")]
  const [given, layer] = [resolve(image), place.path("cpp.layer")]
  const environment = { FIM_DIR_DATA: data }
  // Its tools and settings end where the length of its first layer stands, 8 bytes that lie before the layer.
  const offset = Number(place.run([given, "fim-layer", "list"], environment).split("\n")[0]?.split(":")[1])
  if (!Number.isSafeInteger(offset)) return `FlatImage in C++: ${image} has no layer`
  place.run([given, "fim-layer", "create", place.tree, layer], environment)
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(statSync(layer).size))
  writeFileSync(place.path("cpp.length"), length)
  place.shell("head -c \"$1\" \"$0\" | cat - cpp.length cpp.layer > cpp.flatimage", given, `${offset - 8}`)
  rmSync(layer)
  chmodSync(file, 0o755)
  // It unpacks its tools to a directory that each image of one build has.
  const tools = place.run([file, "fim-exec", "printenv", "FIM_DIR_APP"], environment).trim()
  return {
    label: "FlatImage in C++, `fim-exec true`",
    words: [file, "fim-exec", "true"],
    environment,
    first: { file, leaves: [tools, data] },
    size: { label: "FlatImage in C++, with its tools", bytes: statSync(file).size },
    version: `FlatImage in C++ ${place.run([file, "fim-version", "short"], environment).trim()}`
  }
}
