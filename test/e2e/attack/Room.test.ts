/** What a guest may write for the portal takes no room on the host, and nothing of it stays. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readdirSync } from "node:fs"
import { images, scenario } from "../../support/Needs.ts"
import { place } from "../../support/Place.ts"
import { users } from "../../support/Users.ts"

/** Writes as much as it can, makes as many files as it can, and directories as deep as it can. */
const fill = `
  cd $FIM_DIR_INSTANCE/portal
  dd if=/dev/zero of=bytes bs=64k count=400 2> /dev/null
  echo bytes $(($(stat -c %s bytes) <= 1048576))
  rm bytes
  n=0; while mkdir d 2> /dev/null && cd d; do n=$((n + 1)); [ $n -ge 30000 ] && break; done
  echo inodes $((n < 8192))`

describe.each(users)("as $name, the portal", (user) => {
  scenario("has room for calls and no more, and goes whatever its depth", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { fresh: true })
      const outcome = yield* app.run(["fim-exec", "sh", "-c", fill], { patience: 60_000 })
      assert.deepStrictEqual([outcome.code, outcome.stdout], [0, "bytes 1\ninodes 1\n"], outcome.stderr)
      yield* app.isClean
      for (const application of readdirSync(`${app.global}/app`)) {
        assert.deepStrictEqual(readdirSync(`${app.global}/app/${application}/instance`), [])
      }
    }), 90_000)

  scenario("is no place for the host's disk", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user, { fresh: true })
      const running = yield* app.start([
        "fim-exec",
        "sh",
        "-c",
        "echo x > $FIM_DIR_INSTANCE/portal/file; echo up; read end"
      ], {
        interactive: true
      })
      yield* running.says(/up/)
      const [application = ""] = readdirSync(`${app.global}/app`)
      const instance = `${app.global}/app/${application}/instance/${running.pid}`
      assert.deepStrictEqual(readdirSync(`${instance}/calls`), [])
      assert.include(readdirSync(`${instance}/portal`), "file")
      yield* running.write("end\n")
      yield* running.outcome
      yield* app.isClean
    }))
})
