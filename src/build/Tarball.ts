import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { atPath, type BuildError, buildError } from "./BuildError.ts"
import { Machine } from "./Machine.ts"
import { Programs } from "./Programs.ts"
import { checkMembers, type Member, parseMember } from "./TarMembers.ts"

/** Unpacks archives of root trees with the machine's tar. */
export class Tarball extends Context.Service<Tarball, {
  /**
   * Unpacks an archive (plain, gzip, xz, zstd) to an empty directory after a look at each of its members. Device nodes
   * are left out; owners are kept when root unpacks. Fails with `BuildError` when a member would leave the directory.
   */
  readonly unpack: (archive: string, directory: string) => Effect.Effect<void, BuildError>
}>()("flatimage/build/Tarball") {
  static readonly layer = Layer.effect(
    Tarball,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const programs = yield* Programs
      const { isRoot } = yield* Machine

      const remedy = "install the packages tar, gzip, xz-utils and zstd"

      const unpack = Effect.fn("Tarball.unpack")(function*(archive: string, directory: string) {
        yield* fs.access(archive, { readable: true }).pipe(atPath(archive))
        const listing = yield* programs.run(
          "tar",
          // With the names as they are in the archive: otherwise tar hides what it would cut off.
          ["--list", "--verbose", "--absolute-names", "--numeric-owner", "--quoting-style=c", "--file", archive],
          { remedy }
        )
        const members: Array<Member> = []
        for (const line of listing.split("\n")) {
          if (line === "") continue
          const member = parseMember(line)
          if (member === undefined) {
            return yield* buildError("UnsafeArchive", { archive, member: line, detail: "cannot be understood" })
          }
          members.push(member)
        }
        yield* Effect.fromResult(checkMembers(archive, members))
        yield* programs.run("tar", [
          "--extract",
          "--preserve-permissions",
          "--numeric-owner",
          "--delay-directory-restore",
          isRoot ? "--same-owner" : "--no-same-owner",
          "--anchored",
          "--exclude=./dev/*",
          "--exclude=dev/*",
          "--file",
          archive,
          "--directory",
          directory
        ], { remedy })
      })

      return Tarball.of({ unpack })
    })
  )
}
