import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { inGuestOnly } from "../support/Guest.ts"
import { images, scenario } from "../support/Needs.ts"
import { place } from "../support/Place.ts"
import { users } from "../support/Users.ts"

const once = { FIM_CASEFOLD: "1", FIM_OVERLAY: "unionfs" }

/** Makes a tree as Windows has it, opens it in other cases, and changes nothing but case. */
const change = `${inGuestOnly}
set -e
mkdir -p "/opt/C/Program Files/App"
echo one > "/opt/c/PROGRAM FILES/app/Data.txt"
cat "/OPT/C/program files/APP/dATA.TXT"
mkdir "/opt/C/PROGRAM files" 2> /dev/null || echo refused
mv -T "/opt/C/Program Files" "/opt/C/program files"
mv "/opt/C/program files/App/Data.txt" "/opt/C/program files/App/DATA.txt"
ls /opt/C "/opt/C/PROGRAM FILES/APP"`

const changed = "one\nrefused\n/opt/C:\nprogram files\n\n/opt/C/PROGRAM FILES/APP:\nDATA.txt\n"

describe.each(users)("as $name, with casefold", (user) => {
  scenario(
    "names ignore case and are kept as they were made, over a restart too",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user, { copy: true })
        yield* app.run(["fim-casefold", "on"])
        const debug = yield* app.run(["fim-exec", "true"], { environment: { FIM_DEBUG: "1" } })
        assert.include(debug.stderr, "casefold cannot be used with bwrap overlayfs, falling back to unionfs")
        assert.include(debug.stderr, "Overlay type: UNIONFS_FUSE")
        const first = yield* app.run(["fim-root", "sh", "-c", change])
        assert.deepStrictEqual([first.code, first.stdout, first.stderr], [0, changed, ""])
        yield* app.isClean
        assert.strictEqual(readFileSync(`${app.data}/data/opt/C/program files/App/DATA.txt`, "utf8"), "one\n")
        const second = yield* app.run([
          "fim-root",
          "sh",
          "-c",
          "cat \"/opt/c/Program Files/APP/data.TXT\"; rm \"/OPT/c/PROGRAM FILES/app/data.txt\"; ls /opt/C/*/App"
        ])
        assert.deepStrictEqual([second.code, second.stdout, second.stderr], [0, "one\n", ""])
        assert.deepStrictEqual(readdirSync(`${app.data}/data/opt/C/program files/App`), [])
        yield* app.isClean
      })
  )

  for (const overlay of ["unionfs", "overlayfs"]) {
    scenario(
      `and '${overlay}', files of the layers are found in any case and changed in their place`,
      images,
      () =>
        Effect.gen(function*() {
          const app = yield* place(user)
          const script = `${inGuestOnly}
set -e
cmp /USR/BIN/Bash /usr/bin/bash
/Usr/Bin/BASH -c "echo runs"
echo more >> /ETC/Casefold.conf; echo again >> /etc/casefold.CONF; cat /etc/CASEFOLD.conf
rm /USR/bin/YES; ls /usr/bin/yes 2> /dev/null || echo removed
ls / | sort -f | uniq -di
stat -f -c "names of %l" /`
          const environment = { ...once, FIM_OVERLAY: overlay }
          const seen = yield* app.run(["fim-root", "sh", "-c", script], { environment })
          // As long as the overlay takes them: fuse-overlayfs keeps four bytes for itself.
          const names = `names of ${overlay === "overlayfs" ? 251 : 255}\n`
          const expected = `runs\nmore\nagain\nremoved\n${names}`
          assert.deepStrictEqual([seen.code, seen.stdout, seen.stderr], [0, expected, ""])
          yield* app.isClean
          // For that one run only.
          const look =
            "cat /etc/Casefold.conf; test -e /etc/casefold.conf || echo apart; test -e /usr/bin/yes || echo gone"
          const after = yield* app.run(["fim-root", "sh", "-c", look], { environment: { FIM_OVERLAY: overlay } })
          assert.deepStrictEqual([after.code, after.stdout, after.stderr], [0, "more\nagain\napart\ngone\n", ""])
          assert.isTrue(existsSync(`${app.data}/data/etc/Casefold.conf`))
          yield* app.isClean
        })
    )
  }

  scenario(
    "a second instance on the data directory joins, and a kill leaves nothing behind",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const work = "echo ready; while :; do echo x > /File; mv /fILE /FILE; done"
        for (let round = 0; round < 3; round++) {
          const running = yield* app.start(["fim-exec", "sh", "-c", work], { environment: once })
          yield* running.says(/ready/)
          if (round === 0) {
            const look = "echo new > /Second; cat /SECOND; until test -e /file; do :; done"
            const second = yield* app.run(["fim-exec", "sh", "-c", look], { environment: once })
            assert.deepStrictEqual([second.code, second.stdout, second.stderr], [0, "new\n", ""])
          }
          yield* running.signal("SIGKILL")
          yield* running.exited
          yield* app.isClean
        }
        const seen = yield* app.run(["fim-exec", "sh", "-c", "cat /file"], { environment: once })
        assert.deepStrictEqual([seen.code, seen.stderr], [0, ""])
        yield* app.isClean
      })
  )
})
