/**
 * Names, arguments and variables of any bytes. A string of the platform carries them without loss: a byte that is no part of a character
 * is a lone surrogate, U+DC80 to U+DCFF (PEP 383).
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import type { Operation } from "./Outcome.ts"

/** The bytes `a`, 0xFF, 0x80, `ä`, 0xED, `b`. */
const name = "a\udcff\udc80ä\udcedb"

/** The same for `printf` of a shell. */
const escapes = "a\\377\\200ä\\355b"

const withFiles = (act: (fs: FileSystem.FileSystem, place: string) => ReturnType<Operation>): Operation => (place) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => act(fs, place))

/** What a program prints. */
const prints = (command: string, words: ReadonlyArray<string>, options: ChildProcess.CommandOptions = {}) =>
  Effect.flatMap(
    ChildProcessSpawner.ChildProcessSpawner,
    (spawner) => spawner.string(ChildProcess.make(command, words, { detached: false, ...options }))
  )

/** Runs a script in which `$1` is that name, as a shell knows it. */
const shell = (place: string, script: string) =>
  prints("sh", ["-euc", `cd "$1"; set -- "$(printf '${escapes}')"; ${script}`, "sh", place])

/** Each with what it gives. */
export const nameCases: ReadonlyArray<readonly [name: string, operation: Operation, expected: unknown]> = [
  [
    "the name of a file that is written",
    withFiles((fs, place) =>
      Effect.andThen(fs.writeFileString(`${place}/${name}`, ""), shell(place, "test -e \"$1\" && echo there || true"))
    ),
    "there\n"
  ],
  [
    "the name of a file that is read",
    withFiles((fs, place) =>
      Effect.andThen(
        shell(place, "echo content > \"$1\""),
        Effect.orElseSucceed(fs.readFileString(`${place}/${name}`), () => "nothing")
      )
    ),
    "content\n"
  ],
  [
    "the names in a directory",
    withFiles((fs, place) => Effect.andThen(shell(place, "mkdir d; : > \"d/$1\""), fs.readDirectory(`${place}/d`))),
    [name]
  ],
  [
    "what a link says",
    withFiles((fs, place) => Effect.andThen(shell(place, "ln -s \"$1\" name"), fs.readLink(`${place}/name`))),
    name
  ],
  [
    "what a new link says",
    withFiles((fs, place) =>
      Effect.andThen(
        fs.symlink(name, `${place}/name`),
        shell(place, "test \"$(readlink name)\" = \"$1\" && echo same || true")
      )
    ),
    "same\n"
  ],
  [
    "where a link leads",
    withFiles((fs, place) =>
      Effect.andThen(
        shell(place, ": > \"$1\"; ln -s \"$1\" name"),
        Effect.orElseSucceed(fs.realPath(`${place}/name`), () => "nowhere")
      )
    ),
    `PLACE/${name}`
  ],
  [
    "a new name, and a copy",
    withFiles((fs, place) =>
      Effect.andThen(
        fs.rename(`${place}/file`, `${place}/${name}`),
        fs.copyFile(`${place}/${name}`, `${place}/${name}2`)
      ).pipe(
        Effect.andThen(shell(place, "cat \"$1\" \"$1\"2 2> /dev/null || true"))
      )
    ),
    "01234567890123456789"
  ],
  [
    "an argument",
    () => Effect.map(prints("sh", ["-c", "printf %s \"$1\" | od -An -tx1", "sh", name]), (text) => text.trim()),
    "61 ff 80 c3 a4 ed 62"
  ],
  [
    "a variable",
    () =>
      Effect.map(
        prints("sh", ["-c", "printf %s \"$VALUE\" | od -An -tx1"], { extendEnv: true, env: { VALUE: name } }),
        (text) => text.trim()
      ),
    "61 ff 80 c3 a4 ed 62"
  ],
  [
    "the directory of a child",
    (place) =>
      Effect.andThen(
        shell(place, "mkdir \"$1\"; : > \"$1/inside\""),
        Effect.orElseSucceed(prints("ls", [], { cwd: `${place}/${name}` }), () => "nowhere")
      ),
    "inside\n"
  ],
  [
    "the name of a program",
    (place) =>
      Effect.andThen(
        shell(place, "printf '#!/bin/sh\\necho ran\\n' > \"$1\"; chmod 755 \"$1\""),
        Effect.orElseSucceed(prints(`${place}/${name}`, []), () => "not there")
      ),
    "ran\n"
  ],
  [
    "a tree with such names, which is removed",
    withFiles((fs, place) =>
      Effect.andThen(
        shell(place, "mkdir -p \"d/$1/$1\"; : > \"d/$1/$1/$1\""),
        fs.remove(`${place}/d`, { recursive: true })
      )
        .pipe(Effect.andThen(fs.exists(`${place}/d`)))
    ),
    false
  ],
  [
    "a file with such a name, below a link that has another",
    withFiles((fs, place) =>
      Effect.andThen(
        shell(place, "mkdir \"$1\"; echo content > \"$1/f\"; ln -s \"$1\" name"),
        fs.readFileString(`${place}/name/f`)
      )
    ),
    "content\n"
  ],
  [
    "the character that others put for what is lost",
    withFiles((fs, place) =>
      Effect.andThen(fs.writeFileString(`${place}/directory/\ufffd`, ""), fs.readDirectory(`${place}/directory`))
    ),
    ["below", "ä\n", "\ufffd"]
  ]
]

/**
 * Those that Node cannot do, because it loses the bytes. What is not here is compared with Node; a test sees that what is here is lost
 * there. The command line of the host, which runs on Node, refuses such names: `bin/names.ts`.
 */
export const lostOnNode: ReadonlySet<string> = new Set([
  "the name of a file that is written",
  "the name of a file that is read",
  "the names in a directory",
  "what a link says",
  "what a new link says",
  "where a link leads",
  "a new name, and a copy",
  "an argument",
  "a variable",
  "the directory of a child",
  "the name of a program"
])
