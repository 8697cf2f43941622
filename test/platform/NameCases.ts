/** What Node cannot do, and so is not compared with it: names, arguments and variables of any bytes. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import type { Operation } from "./Outcome.ts"

/** The bytes `a`, 0xFF, 0x80, `ä`, 0xED, `b`. */
const name = "a\udcff\udc80ä\udcedb"

/** Each with what it gives. */
export const nameCases: ReadonlyArray<readonly [name: string, operation: Operation, expected: unknown]> = [
  [
    "a file whose name is not UTF-8",
    (place) =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        yield* fs.makeDirectory(`${place}/names`)
        yield* fs.writeFileString(`${place}/names/${name}`, "content")
        yield* fs.symlink(name, `${place}/names/${name}2`)
        yield* fs.rename(`${place}/names/${name}`, `${place}/names/${name}1`)
        yield* fs.copyFile(`${place}/names/${name}1`, `${place}/names/${name}`)
        return [
          yield* fs.readDirectory(`${place}/names`),
          yield* fs.readLink(`${place}/names/${name}2`),
          yield* fs.realPath(`${place}/names/${name}2`),
          yield* fs.readFileString(`${place}/names/${name}2`)
        ]
      }),
    [[name, `${name}1`, `${name}2`], name, `PLACE/names/${name}`, "content"]
  ],
  [
    "an argument and a variable that are not UTF-8",
    () =>
      Effect.flatMap(
        ChildProcessSpawner.ChildProcessSpawner,
        (spawner) =>
          spawner.string(ChildProcess.make("sh", ["-c", "printf %s \"$1$VALUE\" | od -An -tx1", "sh", name], {
            detached: false,
            extendEnv: true,
            env: { VALUE: "\udc81" }
          }))
      ),
    " 61 ff 80 c3 a4 ed 62 81\n"
  ]
]
