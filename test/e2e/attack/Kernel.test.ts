import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { attacker, attacks, prepared } from "../../support/Attack.ts"
import { type Need, program, scenario } from "../../support/Needs.ts"
import { openTerminal, quoted } from "../../support/Terminal.ts"
import { users } from "../../support/Users.ts"

/** Kernels since 6.2 can refuse TIOCSTI by themselves; then there is nothing to show. */
const typing: Need = {
  get missing() {
    try {
      const allowed = readFileSync("/proc/sys/dev/tty/legacy_tiocsti", "utf8").trim() === "1"
      return allowed ? undefined : "needs dev.tty.legacy_tiocsti=1"
    } catch {
      return undefined
    }
  }
}

const terminal = [program("script"), program("bash")]
const typed = "echo typed-by-the-guest\n"

/** Runs a command, and then what has been typed ahead, as the shell of a terminal would. */
const andThenReading = (command: string) => `stty -echo; ${command}; while read -t 1 -r line; do echo "got $line"; done`

describe.each(users)("as $name, the guest cannot", (user) => {
  const needs = attacks(user)
  const attack = prepared(user)

  scenario("type into the terminal of the caller", [...needs, ...terminal, typing], () =>
    Effect.gen(function*() {
      const { app, weakCommand } = yield* attack
      const words = [attacker, "type", typed]
      const weak = quoted(weakCommand({ unfiltered: true }, words))
      const shown = yield* Effect.flatMap(
        openTerminal(app, `bash -c ${quoted([andThenReading(weak)])}`),
        ({ outcome }) => outcome
      )
      assert.match(shown.stdout, /got echo typed-by-the-guest/)
      assert.match(shown.stdout, /\bplain ok/)
      assert.match(shown.stdout, /\bhigh ok/)
      // Not a virtual console, so the terminal's driver does not know the request; but it was asked.
      assert.match(shown.stdout, /linux-high 25/)
    }))

  scenario("type into the terminal of the caller, as it is run", [...needs, ...terminal], () =>
    Effect.gen(function*() {
      const { app, soundCommand } = yield* attack
      const sound = quoted(soundCommand([attacker, "type", typed]))
      const { stdout } = yield* Effect.flatMap(
        openTerminal(app, `bash -c ${quoted([andThenReading(sound)])}`),
        ({ outcome }) => outcome
      )
      assert.notMatch(stdout, /got|ok/)
      for (const way of ["plain", "high", "wide", "linux", "linux-high"]) {
        assert.match(stdout, new RegExp(`\\b${way} 1\\b`))
      }
      // The kernel may not have 32-bit calls at all.
      assert.match(stdout, /\bnarrow (1|38|14)\b/)
    }))

  scenario(
    "open the terminal of the caller where it is not given",
    [...needs, program("script")],
    () =>
      Effect.gen(function*() {
        const { app } = yield* attack
        const guest = "if true < /dev/tty; then echo opened; else echo none; fi 2> /dev/null; cat /proc/self/stat"
        const command = `"$app" fim-exec sh -c ${quoted([guest])}`
        const { stdout } = yield* Effect.flatMap(
          openTerminal(app, `sh -c ': < /dev/tty && echo caller-has-one'; ${command} < /dev/null 2>&1 | cat`),
          ({ outcome }) => outcome
        )
        assert.match(stdout, /caller-has-one/)
        assert.match(stdout, /none/)
        // Behind the name: state, parent, group, session, terminal.
        assert.match(stdout, /\) \w \d+ \d+ \d+ 0 -1 /)
        const kept = yield* Effect.flatMap(
          openTerminal(app, `"$app" fim-exec sh -c ${quoted([guest])}`),
          ({ outcome }) => outcome
        )
        assert.match(kept.stdout, /opened/)
      })
  )

  scenario("make or enter namespaces, or mount", needs, () =>
    Effect.gen(function*() {
      const { app, sound, weak } = yield* attack
      const words = ["sh", "-c", `exec ${attacker} namespaces "$FIM_DIR_APP_BIN"`]
      const shown = yield* weak({ unfiltered: true }, words)
      for (const way of ["unshare-user", "clone-user", "clone3-user"]) {
        assert.match(shown, new RegExp(`^${way} ok$`, "m"))
      }
      const powerful = yield* weak(
        { unfiltered: true, powerful: true, with: ["--cap-add", "ALL"] },
        words,
        { root: true }
      )
      for (const way of ["mount-tmpfs", "umount-bin", "fsopen", "open-tree"]) {
        assert.match(powerful, new RegExp(`^${way} ok$`, "m"))
      }
      for (const root of [false, true]) {
        const said = yield* sound(words, { root })
        assert.notMatch(said, / ok$/m)
        assert.match(said, /^unshare-user 1$/m)
        assert.match(said, /^unshare-high 1$/m)
        assert.match(said, /^clone-user 1$/m)
        assert.match(said, /^clone3-user 38$/m)
        assert.match(said, /^fsopen 38$/m)
        assert.match(said, /^mount-tmpfs 1$/m)
      }
      const allowed = yield* app.run(["fim-exec", "unshare", "-U", "true"], { environment: { FIM_ALLOW: "userns" } })
      assert.deepStrictEqual([allowed.code, allowed.stderr], [0, ""])
      const unknown = yield* app.run(["fim-exec", "true"], {
        environment: { FIM_ALLOW: "everything", FIM_DEBUG: "1" }
      })
      assert.strictEqual(unknown.code, 125)
      // Before anything is mounted.
      assert.match(unknown.stderr, /Phase: relocate/)
      assert.notMatch(unknown.stderr, /Instance acquired/)
      assert.match(
        unknown.stderr,
        /FIM_ALLOW can name cma, ids, keyring, multiarch, numa, ptrace, userns, but not 'everything'/
      )
    }))

  scenario(
    "read the keys of the caller, or use sockets that know no network namespace",
    needs,
    () =>
      Effect.gen(function*() {
        const { app, secret, sound, soundCommand, weak, weakCommand } = yield* attack
        assert.match(yield* weak({ unfiltered: true }, [attacker, "sockets"]), /^alg (ok|97)$/m)
        const refused = yield* sound([attacker, "sockets"])
        assert.strictEqual(refused, "vsock 97\nalg 97\nhigh 97\n")
        // The attacker himself, outside, makes a keyring with a key and starts the image with it.
        const file = `${app.directory}/tree/attack/attacker`
        const weakened = yield* app.run([
          "with-key",
          "canary",
          secret,
          ...weakCommand({ unfiltered: true }, [attacker, "keyring", "canary"])
        ], { program: file })
        assert.include(weakened.stdout, secret)
        const held = yield* app.run(["with-key", "canary", secret, ...soundCommand([attacker, "keyring", "canary"])], {
          program: file
        })
        assert.strictEqual(held.stdout, "keyring 1\n")
      })
  )
})
