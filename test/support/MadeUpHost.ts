/** A root directory of a made-up host: files with their contents, and links. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname } from "node:path"

/** What is at a path: a file with a content, or a symbolic link. */
export type Entry = string | Uint8Array | { readonly link: string }

/** Makes such a directory, which goes with the scope. */
export const madeUpHost = (
  entries: Readonly<Record<string, Entry>>
): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const root = mkdtempSync(`${tmpdir()}/fim-host-`)
      for (const [path, entry] of Object.entries(entries)) {
        mkdirSync(dirname(`${root}${path}`), { recursive: true })
        if (typeof entry === "string" || entry instanceof Uint8Array) writeFileSync(`${root}${path}`, entry)
        else symlinkSync(entry.link, `${root}${path}`)
      }
      return root
    }),
    (root) => Effect.sync(() => rmSync(root, { recursive: true, force: true }))
  )
