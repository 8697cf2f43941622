/** A place with an attacker in its image, and the ways to let him loose: in the sandbox as it is, and in a weakened one. */
import { afterAll, beforeAll } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { execFileSync } from "node:child_process"
import { chmodSync, chownSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs"
import { compileAttacker, compiler } from "./Attacker.ts"
import type { Failure } from "./Failure.ts"
import { images, isRoot, type Need } from "./Needs.ts"
import { type Place, place } from "./Place.ts"
import { projectRoot } from "./Project.ts"
import type { User } from "./Users.ts"
import type { WeakRequest } from "./Weakened.ts"
import type { Weakness } from "./Weakness.ts"

export interface Attack {
  readonly app: Place
  /** What only the host is to know: text, and a file with it. */
  readonly secret: string
  readonly secretFile: string
  /** Runs a program in the image's own sandbox; what it says on both outputs. */
  readonly sound: (
    words: ReadonlyArray<string>,
    options?: { readonly root?: boolean }
  ) => Effect.Effect<string, Failure>
  /** The same in a sandbox with a weakness. */
  readonly weak: (
    weakness: Weakness,
    words: ReadonlyArray<string>,
    options?: { readonly root?: boolean }
  ) => Effect.Effect<string, Failure>
  /** The command that runs one program in the image's own sandbox, for whoever it has to be started by. */
  readonly soundCommand: (words: ReadonlyArray<string>) => ReadonlyArray<string>
  /** The command that runs one program in a weakened sandbox. */
  readonly weakCommand: (weakness: Weakness, words: ReadonlyArray<string>) => ReadonlyArray<string>
}

/** In the guest. */
export const attacker = "/attack/attacker"
export const setuidAttacker = "/attack/setuid"
/** A device that gives zeros, as `/dev/zero` does. Only root can put it into a layer. */
export const device = "/attack/zero"

const node = `${projectRoot}/node_modules/.bin/node`
const runner = ["--conditions=source", `${projectRoot}/test/support/Weakened.ts`]

/** All that an attack needs. The weakened sandbox is run from the checkout, as the user of the place. */
export const attacks = (user: User): ReadonlyArray<Need> => [...images, compiler, {
  get missing() {
    const [program = "", ...words] = isRoot && user.uid !== 0
      ? ["setpriv", `--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups", node, "--version"]
      : [node, "--version"]
    try {
      execFileSync(program, words, { stdio: "ignore" })
      return undefined
    } catch {
      return "needs a checkout that other users can read"
    }
  }
}]

/** A layer with the attacker, once as anyone's program and once as one that runs as its owner, root. */
const makeLayer = (directory: string): string => {
  const compiled = compileAttacker()
  const tree = `${directory}/tree/attack`
  mkdirSync(tree, { recursive: true })
  for (const name of ["attacker", "setuid"]) {
    copyFileSync(compiled.path, `${tree}/${name}`)
    chmodSync(`${tree}/${name}`, name === "setuid" ? 0o4755 : 0o755)
  }
  compiled.remove()
  if (isRoot) execFileSync("mknod", ["-m", "0666", `${tree}/zero`, "c", "1", "5"])
  const layer = `${directory}/attack.layer`
  const words = ["-i", `${directory}/tree`, "-o", layer, "-l", "1", "--threads", "1", "--progress", "never"]
  const owner = ["--uid", "0", "--gid", "0"]
  execFileSync(`${projectRoot}/build/native/mkdwarfs`, [...words, ...owner], { stdio: ["ignore", "ignore", "pipe"] })
  return layer
}

/**
 * Makes everything, with a global directory of its own: who gives back a shared one ends all that use it.
 */
const attack = (user: User): Effect.Effect<Attack, Failure, Scope.Scope> =>
  Effect.gen(function*() {
    const app = yield* place(user, { fresh: true })
    const secret = `secret-${process.pid}-${Math.random().toString(36).slice(2)}`
    const secretFile = `${app.directory}/secret/of-the-host`
    mkdirSync(`${app.directory}/secret`)
    writeFileSync(secretFile, `${secret}\n`)
    if (isRoot) chownSync(secretFile, user.uid, user.gid)
    const environment = { FIM_LAYERS: makeLayer(app.directory) }
    const server = yield* app.start([...runner, app.image], { program: node, environment, interactive: true })
    let answered = 0
    return {
      app,
      secret,
      secretFile,
      sound: (words, { root = false } = {}) =>
        Effect.map(
          app.run([root ? "fim-root" : "fim-exec", ...words], { environment }),
          ({ stderr, stdout }) => stdout + stderr
        ),
      weak: Effect.fnUntraced(function*(weakness, words, { root = false } = {}) {
        const request: WeakRequest = { weakness, words, root }
        yield* server.write(`${JSON.stringify(request)}\n`)
        const match = yield* server.says(new RegExp(`^(?:[^\\n]*\\n){${answered++}}([^\\n]*)\\n`))
        const { stderr, stdout } = JSON.parse(match[1] ?? "{}") as { readonly stdout: string; readonly stderr: string }
        return stdout + stderr
      }),
      soundCommand: (words) => ["env", `FIM_LAYERS=${environment.FIM_LAYERS}`, app.image, "fim-exec", ...words],
      weakCommand: (weakness, words) => [
        "env",
        `FIM_LAYERS=${environment.FIM_LAYERS}`,
        node,
        ...runner,
        app.image,
        JSON.stringify(weakness),
        ...words
      ]
    }
  })

/** Makes it once for the tests of a `describe`, which run one after the other. */
export const prepared = (user: User): Effect.Effect<Attack> => {
  const scope = Effect.runSync(Scope.make())
  let made: Attack | undefined
  if (attacks(user).some(({ missing }) => missing !== undefined)) return Effect.die("nothing was prepared")
  const make = Effect.map(attack(user), (value) => {
    made = value
  })
  beforeAll(() => Effect.runPromise(Scope.provide(make, scope)))
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  return Effect.suspend(() => (made === undefined ? Effect.die("nothing was prepared") : Effect.succeed(made)))
}
