import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { images, root, scenario } from "../support/Needs.ts"
import { type Place, place } from "../support/Place.ts"
import { self, users } from "../support/Users.ts"

/** Files in a directory that a runtime may read when it starts there, each leading to a script that leaves a mark. */
const plant = (directory: string, mark: string): void => {
  const script = `${directory}/hostile.cjs`
  writeFileSync(script, `require("node:fs").writeFileSync(${JSON.stringify(mark)}, "")\n`)
  const bunfig = `preload = [${JSON.stringify(script)}]\nlogLevel = "debug"\n`
  writeFileSync(`${directory}/bunfig.toml`, bunfig)
  writeFileSync(`${directory}/.bunfig.toml`, bunfig)
  for (const name of [".env", ".env.local", ".env.production", ".env.development"]) {
    writeFileSync(`${directory}/${name}`, "FIM_DEBUG=1\nFIM_DIR_DATA=/nonexistent\nFIM_ROOT=1\nTERM=hostile\n")
  }
  writeFileSync(`${directory}/package.json`, `{"type":"module","imports":{"#x":"${script}"}}`)
  writeFileSync(`${directory}/tsconfig.json`, "{ not json")
}

/** Variables that load code, open a debugger or change how a runtime behaves. */
const hostile = (app: Place, mark: string): Readonly<Record<string, string>> => {
  const script = `${app.home}/hostile.cjs`
  return {
    LD_PRELOAD: `${app.home}/hostile.so`,
    LD_AUDIT: `${app.home}/hostile.so`,
    LD_LIBRARY_PATH: `${app.home}/lib`,
    LD_DEBUG: "all",
    LD_SHOW_AUXV: "1",
    GCONV_PATH: app.home,
    GLIBC_TUNABLES: "glibc.malloc.check=3",
    MALLOC_TRACE: mark,
    BUN_INSPECT: "ws+unix:///nonexistent/socket?wait=1",
    BUN_OPTIONS: `--preload=${script} --print=1`,
    BUN_BE_BUN: "1",
    BUN_CONFIG_VERBOSE_FETCH: "curl",
    BUN_RUNTIME_TRANSPILER_CACHE_PATH: app.home,
    BUN_JSC_dumpOptions: "2",
    NODE_OPTIONS: `--require ${script}`,
    NODE_PATH: app.home,
    NODE_V8_COVERAGE: `${app.home}/coverage`,
    NODE_DEBUG: "fs",
    DO_NOT_TRACK: "0",
    XDG_CONFIG_HOME: app.home,
    TMPDIR: "/nonexistent",
    BASH_ENV: `${app.home}/hostile.sh`,
    ENV: `${app.home}/hostile.sh`,
    SHELLOPTS: "xtrace",
    PS4: "hostile",
    IFS: "/",
    LC_ALL: "xx_XX.none",
    PYTHONSTARTUP: script,
    SECRET: "secret"
  }
}

describe.each(users)("as $name, an image runs", (user) => {
  scenario("with an empty environment, and so without fusermount3", images, () =>
    Effect.gen(function*() {
      const app = yield* place(user)
      const script = "exec env -i FIM_LINGER=0 FIM_DIR_GLOBAL=\"$FIM_DIR_GLOBAL\" \"$app\" fim-exec echo plain"
      const outcome = yield* app.shell(script)
      assert.deepStrictEqual([outcome.code, outcome.stdout, outcome.stderr], [0, "plain\n", ""])
      const empty = `${app.directory}/empty`
      mkdirSync(empty)
      const path = yield* app.shell("exec env PATH=\"$empty\" \"$app\" fim-exec echo plain", { environment: { empty } })
      assert.deepStrictEqual([path.code, path.stdout, path.stderr], [0, "plain\n", ""])
      yield* app.isClean
    }))

  scenario(
    "whatever the caller's variables and files try to load into its runtime",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const mark = `${app.home}/mark`
        plant(app.home, mark)
        writeFileSync(`${app.home}/hostile.sh`, `echo hostile; : > ${mark}\n`)
        mkdirSync(`${app.home}/lib`)
        for (const name of ["libc.so.6", "libm.so.6", "libpthread.so.0"]) {
          writeFileSync(`${app.home}/lib/${name}`, "hostile")
        }
        chmodSync(app.home, 0o777)
        const before = readdirSync(app.home)
        // Given by `env`, so that they are there for the image and for nothing before it.
        const variables = Object.entries(hostile(app, mark)).map(([name, value]) => `${name}=${value}`)
        const outcome = yield* app.run([...variables, app.image, "fim-exec", "sh", "-c", "id -u; echo $TERM"], {
          program: "env"
        })
        assert.deepStrictEqual([outcome.code, outcome.stdout, outcome.stderr], [0, `${user.uid}\nxterm\n`, ""])
        assert.isFalse(existsSync(mark))
        assert.deepStrictEqual(readdirSync(app.home), before)
        const command = yield* app.run([...variables, app.image, "fim-exec"], { program: "env" })
        assert.deepStrictEqual([command.code, command.stdout], [125, ""])
        assert.isFalse(existsSync(mark))
        yield* app.isClean
      })
  )

  scenario(
    "and its guest gets none of the caller's variables but a few about terminal and language",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place(user)
        const passed = {
          TERM: "vt100",
          COLORTERM: "truecolor",
          NO_COLOR: "1",
          LANG: "C",
          LANGUAGE: "de",
          TZ: "UTC-3",
          LC_TIME: "C"
        }
        const kept = {
          SECRET: "s",
          DISPLAY: ":7",
          SSH_AUTH_SOCK: "/x",
          DBUS_SESSION_BUS_ADDRESS: "unix:path=/x",
          FIM_SECRET: "s"
        }
        const { stdout } = yield* app.run(["fim-exec", "env"], { environment: { ...passed, ...kept } })
        const lines = stdout.trimEnd().split("\n")
        for (const [name, value] of Object.entries(passed)) assert.include(lines, `${name}=${value}`)
        for (const name of Object.keys(kept)) {
          assert.isUndefined(lines.find((line) => line.startsWith(`${name}=`)), name)
        }
      })
  )
})

/** A root directory with nothing but busybox, the image, and what a kernel gives. */
const makeRoot = (app: Place, busybox: string): string => {
  const directory = `${app.directory}/root`
  for (const name of ["bin", "dev", "proc", "tmp", "old"]) mkdirSync(`${directory}/${name}`, { recursive: true })
  copyFileSync(busybox, `${directory}/bin/busybox`)
  copyFileSync(app.image, `${directory}/app`)
  return directory
}

const devices = ["null", "zero", "full", "random", "urandom", "tty", "fuse"]

describe("an image runs where there is no C library", () => {
  scenario("with busybox, /proc, /dev and /tmp alone", [...images, root], () =>
    Effect.gen(function*() {
      const app = yield* place(self)
      yield* app.run(["fim-exec", "true"])
      const application = readdirSync(`${app.global}/app`)[0] ?? ""
      const directory = makeRoot(app, `${app.global}/app/${application}/bin/busybox`)
      const enter = [
        "mount --bind \"$root\" \"$root\"",
        "cd \"$root\"",
        "mount -t proc proc proc",
        ...devices.map((name) => `: > dev/${name} && mount --bind /dev/${name} dev/${name}`),
        "pivot_root . old",
        "/bin/busybox umount -l /old",
        "exec /bin/busybox env -i /app fim-exec sh -c 'test -e /usr/bin && echo \"runs as $(id -u)\"; exit 5'"
      ].join(" && ")
      const words = ["--mount", "--propagation", "private", "sh", "-c", enter]
      const outcome = yield* app.run(words, { program: "unshare", environment: { root: directory } })
      assert.deepStrictEqual([outcome.code, outcome.stdout, outcome.stderr], [5, "runs as 0\n", ""])
      assert.deepStrictEqual(readdirSync(`${directory}/bin`), ["busybox"])
      yield* app.isClean
    }))
})
