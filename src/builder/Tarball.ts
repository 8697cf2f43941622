import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { atPath, type BuildError, buildError } from "./BuildError.ts"
import { Machine } from "./Machine.ts"
import { Programs } from "./Programs.ts"
import { checkMembers, type Member, parseMember, stripMember, type Unpacking, unpacking } from "./TarMembers.ts"

/** Options of unpacking. */
export interface UnpackOptions {
  /** How many parent directories the tree has in the archive. Members outside of them are left out. */
  readonly strip?: number
  /** Members that other archives have unpacked into the same directory. */
  readonly unpacking?: Unpacking
}

/** Unpacks archives of root trees with the machine's tar. */
export class Tarball extends Context.Service<Tarball, {
  /**
   * Unpacks an archive (plain, gzip, xz, zstd) after checking all of its members. The directory may contain only what was
   * unpacked with the same `unpacking`. Device nodes are left out; owners are preserved if root unpacks. Returns the
   * members, devices included. Fails with `BuildError` if a member would leave the directory, and then unpacks nothing.
   */
  readonly unpack: (
    archive: string,
    directory: string,
    options?: UnpackOptions
  ) => Effect.Effect<ReadonlyArray<Member>, BuildError>
}>()("flatimage/builder/Tarball") {
  static readonly layer = Layer.effect(
    Tarball,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const programs = yield* Programs
      const { isRoot } = yield* Machine

      // Alpine's archives have their own attributes, of which tar would warn for each file.
      const quiet = ["--warning=no-unknown-keyword"]

      const remedy = "install the packages tar, gzip, xz-utils and zstd"

      const unpack = Effect.fn("Tarball.unpack")(function*(
        archive: string,
        directory: string,
        options: UnpackOptions = {}
      ) {
        yield* fs.access(archive, { readable: true }).pipe(atPath(archive))
        const listing = yield* programs.run(
          "tar",
          // With names as they are in the archive: otherwise tar hides what it would cut off.
          [
            "--list",
            "--verbose",
            "--absolute-names",
            "--numeric-owner",
            "--quoting-style=c",
            ...quiet,
            "--file",
            archive
          ],
          { remedy }
        )
        const members: Array<Member> = []
        for (const line of listing.split("\n")) {
          if (line === "") continue
          const member = parseMember(line)
          if (member === undefined) {
            return yield* buildError("UnsafeArchive", { archive, member: line, detail: "cannot be understood" })
          }
          const stripped = stripMember(member, options.strip ?? 0)
          if (stripped !== undefined) members.push(stripped)
        }
        yield* Effect.fromResult(checkMembers(archive, members, options.unpacking ?? unpacking()))
        yield* programs.run("tar", [
          "--extract",
          "--preserve-permissions",
          "--numeric-owner",
          "--delay-directory-restore",
          isRoot ? "--same-owner" : "--no-same-owner",
          ...(options.strip === undefined ? [] : [`--strip-components=${options.strip}`]),
          "--anchored",
          ...["./", ""].map((start) => `--exclude=${start}${"*/".repeat(options.strip ?? 0)}dev/*`),
          ...quiet,
          "--file",
          archive,
          "--directory",
          directory
        ], { remedy })
        return members
      })

      return Tarball.of({ unpack })
    })
  )
}
