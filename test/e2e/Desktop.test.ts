import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import {
  chmodSync,
  chownSync,
  copyFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync
} from "node:fs"
import { readEntry, readExec } from "../desktop/EntryReader.ts"
import { images, program, scenario } from "../support/Needs.ts"
import { jpegs, pixelsOf, png, svg } from "../support/Pictures.ts"
import { pictureServer } from "../support/PictureServer.ts"
import { type Place, place, type PlaceOptions } from "../support/Place.ts"
import * as Process from "../support/Process.ts"
import { self, type User, users } from "../support/Users.ts"

const sizes = [16, 22, 24, 32, 48, 64, 96, 128, 256]
const validators = ["desktop-file-validate", "xmllint", "update-mime-database", "update-desktop-database"].map(program)
const picture = png(60, 40, (x, y) => [x * 4, y * 6, 99, 255])

const succeeds = Effect.fnUntraced(function*(app: Place, words: ReadonlyArray<string>, options?: Process.Options) {
  const outcome = yield* app.run(words, options)
  assert.deepStrictEqual([outcome.code, outcome.stderr], [0, ""], words.join(" "))
  return outcome.stdout
})

const write = (app: Place, path: string, content: string | Uint8Array, mode = 0o644) => {
  writeFileSync(path, content)
  chmodSync(path, mode)
  chownSync(path, app.user.uid, app.user.gid)
}

/** Stores name, icon and categories in the image, and enables these. */
const setUp = Effect.fnUntraced(function*(
  app: Place,
  options: { readonly name?: string; readonly icon?: string; readonly items?: string } = {}
) {
  write(app, `${app.directory}/app.png`, picture)
  const document = { name: options.name ?? "App", icon: options.icon ?? "app.png", categories: ["Utility", "Audio"] }
  write(app, `${app.directory}/app.json`, JSON.stringify(document))
  yield* succeeds(app, ["fim-desktop", "setup", `${app.directory}/app.json`])
  yield* succeeds(app, ["fim-desktop", "enable", options.items ?? "entry,mimetype,icon"])
})

/** Every file and directory of the data home, with the digests of the files. */
const treeOf = (app: Place) => {
  const root = `${app.home}/.local/share`
  const tree: Record<string, string> = {}
  const walk = (path: string) => {
    for (const name of readdirSync(`${root}${path}`)) {
      const inner = `${path}/${name}`
      if (lstatSync(`${root}${inner}`).isDirectory()) {
        tree[`${inner}/`] = ""
        walk(inner)
      } else tree[inner] = createHash("sha256").update(readFileSync(`${root}${inner}`)).digest("hex")
    }
  }
  walk("")
  return tree
}

/** What another program of the user has there. */
const furnish = (app: Place) => {
  const directories = [
    ".local",
    ".local/share",
    ".local/share/icons",
    ".local/share/icons/hicolor",
    ".local/share/mime"
  ]
  for (const directory of directories) {
    mkdirSync(`${app.home}/${directory}`)
    chownSync(`${app.home}/${directory}`, app.user.uid, app.user.gid)
  }
  write(app, `${app.home}/.local/share/icons/hicolor/other.png`, "not ours")
}

const place_ = (user: User, options: PlaceOptions = {}) =>
  Effect.tap(place(user, { copy: true, ...options }), (app) => Effect.sync(() => furnish(app)))

/** `mime` was there before: what the host's program makes in it, beside `packages`, is the host's. */
const withoutCaches = (app: Place) =>
  Object.fromEntries(Object.entries(treeOf(app)).filter(([path]) => !/^\/mime\/(?!packages)./.test(path)))

const files = (app: Place) => Object.keys(treeOf(app)).filter((path) => !path.endsWith("/"))

/** Only what images make: what `update-mime-database` and the like make is theirs. */
const made = (app: Place) =>
  files(app).filter((path) => path.includes("flatimage") && !path.startsWith("/mime/application")).sort()

const run = (words: ReadonlyArray<string>) => Process.run(words, { environment: { PATH: "/usr/bin:/bin" } })

const validate = Effect.fnUntraced(function*(app: Place, name: string) {
  const share = `${app.home}/.local/share`
  const entry = yield* run(["desktop-file-validate", `${share}/applications/flatimage-${name}.desktop`])
  assert.deepStrictEqual([entry.code, /error|warning/.test(entry.stdout + entry.stderr)], [0, false], entry.stdout)
  for (const file of [`flatimage-${name}.xml`, "flatimage.xml"]) {
    const checked = yield* run(["xmllint", "--noout", `${share}/mime/packages/${file}`])
    assert.deepStrictEqual([checked.code, checked.stderr], [0, ""], file)
  }
})

const entryOf = (app: Place, name: string) =>
  readEntry(readFileSync(`${app.home}/.local/share/applications/flatimage-${name}.desktop`, "utf8")).get(
    "Desktop Entry"
  )!

describe("the desktop of a host", () => {
  for (const user of users) {
    scenario(
      `shows an image, follows it and forgets it, for ${user.name}`,
      [...images, ...validators],
      () =>
        Effect.gen(function*() {
          const app = yield* place_(user)
          const before = treeOf(app)
          yield* setUp(app)
          assert.deepStrictEqual(treeOf(app), before)
          yield* succeeds(app, ["fim-exec", "true"])
          const share = `${app.home}/.local/share`
          assert.deepStrictEqual(
            made(app),
            [
              "/applications/flatimage-App.desktop",
              "/flatimage/desktop/App.json",
              ...sizes.flatMap((size) => [
                `/icons/hicolor/${size}x${size}/apps/flatimage_App.png`,
                `/icons/hicolor/${size}x${size}/mimetypes/application-flatimage_App.png`
              ]),
              "/icons/hicolor/scalable/apps/flatimage.svg",
              "/icons/hicolor/scalable/mimetypes/application-flatimage.svg",
              "/mime/packages/flatimage-App.xml",
              "/mime/packages/flatimage.xml"
            ].sort()
          )
          yield* validate(app, "App")
          for (const size of sizes) {
            const { height, width } = pixelsOf(
              readFileSync(`${share}/icons/hicolor/${size}x${size}/apps/flatimage_App.png`)
            )
            assert.deepStrictEqual([width, height], [size, size])
          }
          assert.deepStrictEqual(readExec(entryOf(app, "App").get("Exec")!), [app.image, "%F"])
          assert.include(readFileSync(`${share}/mime/globs2`, "utf8"), "100:application/flatimage_App:app.flatimage\n")
          assert.include(
            readFileSync(`${share}/applications/mimeinfo.cache`, "utf8"),
            "application/flatimage_App=flatimage-App.desktop;"
          )
          const dumped = yield* succeeds(app, ["fim-desktop", "dump", "entry"])
          assert.strictEqual(dumped, `${readFileSync(`${share}/applications/flatimage-App.desktop`, "utf8")}\n`)

          // A start that finds everything as it should be touches nothing.
          const times = () => files(app).map((path) => [path, lstatSync(`${share}${path}`, { bigint: true }).ctimeNs])
          const unchanged = times()
          yield* succeeds(app, ["fim-exec", "true"])
          assert.deepStrictEqual(times(), unchanged)

          const moved = `${app.directory}/moved $to %here.flatimage`
          renameSync(app.image, moved)
          const first = yield* app.run(["fim-exec", "true"], { program: moved })
          assert.strictEqual(first.code, 0)
          assert.match(first.stderr, /^W::The image was renamed: its data directory [^\n]*\n$/)
          assert.deepStrictEqual(readExec(entryOf(app, "App").get("Exec")!), [moved, "%F"])
          assert.include(readFileSync(`${share}/mime/globs2`, "utf8"), ":moved $to %here.flatimage\n")
          assert.notInclude(readFileSync(`${share}/mime/globs2`, "utf8"), ":app.flatimage\n")
          yield* validate(app, "App")

          const said = yield* succeeds(app, ["fim-desktop", "clean"], { program: moved })
          assert.include(said, `I::Removed file '${share}/applications/flatimage-App.desktop'\n`)
          assert.include(said, `I::Updating mime database '${share}'\n`)
          assert.deepStrictEqual(withoutCaches(app), before)
          // Still enabled: the next start makes it again.
          yield* succeeds(app, ["fim-exec", "true"], { program: moved })
          assert.lengthOf(made(app), 24)
        })
    )
  }

  scenario(
    "keeps two images of one name apart, and removes of each what it made",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* place_(self)
        const before = treeOf(app)
        yield* setUp(app)
        const second = `${app.directory}/second.flatimage`
        copyFileSync(app.image, second)
        yield* succeeds(app, ["fim-exec", "true"])
        const first = made(app)
        yield* succeeds(app, ["fim-exec", "true"], { program: second })
        const entries = readdirSync(`${app.home}/.local/share/applications`).filter((name) => name.endsWith(".desktop"))
        assert.lengthOf(entries, 2)
        const dumped = yield* succeeds(app, ["fim-desktop", "dump", "entry"], { program: second })
        assert.deepStrictEqual(readExec(readEntry(dumped).get("Desktop Entry")!.get("Exec")!), [second, "%F"])
        assert.match(dumped, /\nIcon=flatimage_App-[0-9a-f]{8}\n/)
        yield* succeeds(app, ["fim-desktop", "clean"], { program: second })
        assert.deepStrictEqual(made(app), first)
        yield* succeeds(app, ["fim-exec", "true"], { program: second })
        yield* succeeds(app, ["fim-desktop", "clean"])
        assert.lengthOf(made(app), first.length)
        assert.notDeepEqual(made(app), first)
        yield* succeeds(app, ["fim-desktop", "clean"], { program: second })
        assert.deepStrictEqual(withoutCaches(app), before)
      })
  )

  scenario(
    "is left as it was by a start that is killed, once it is cleaned",
    [...images, program("sh")],
    () =>
      Effect.gen(function*() {
        const app = yield* place_(self)
        const before = treeOf(app)
        yield* setUp(app)
        const tools = `${app.directory}/tools`
        mkdirSync(tools)
        // Says that it runs, and never ends.
        write(app, `${tools}/update-mime-database`, `#!/bin/sh\n: > ${app.directory}/reached\nexec sleep 100\n`, 0o755)
        const environment = { PATH: `${tools}:${app.environment["PATH"]}` }
        const running = yield* app.start(["fim-exec", "sleep", "100"], { environment })
        while (!readdirSync(app.directory).includes("reached")) yield* Effect.sleep(20)
        yield* running.signal("SIGKILL")
        yield* running.exited
        assert.isAbove(made(app).length, 20)
        yield* succeeds(app, ["fim-desktop", "clean"])
        assert.deepStrictEqual(withoutCaches(app), before)
      })
  )

  scenario("takes SVG as it is, JPEG resized, and any name", [...images, ...validators], () =>
    Effect.gen(function*() {
      const app = yield* place_(self, { name: "a \"b\" $c `d`\\e;f'g%h=[*].flatimage" })
      write(app, `${app.directory}/app.svg`, svg())
      yield* setUp(app, { icon: "app.svg" })
      yield* succeeds(app, ["fim-exec", "true"])
      const share = `${app.home}/.local/share`
      assert.strictEqual(readFileSync(`${share}/icons/hicolor/scalable/apps/flatimage_App.svg`, "utf8"), svg())
      yield* validate(app, "App")
      const [exec] = readExec(entryOf(app, "App").get("Exec")!)
      assert.strictEqual(exec, app.image)
      assert.match((yield* app.run(["fim-version", "short"], { program: exec! })).stdout, /^v\d/)

      write(app, `${app.directory}/app.jpg`, jpegs.progressive)
      yield* setUp(app, { icon: "app.jpg", name: "Ünï \"code\" & <b>;$x" })
      yield* succeeds(app, ["fim-exec", "true"])
      const [entry, ...others] = readdirSync(`${share}/applications`).filter((name) => name.endsWith(".desktop"))
      assert.isEmpty(others)
      const name = /^flatimage-(.*)\.desktop$/.exec(entry!)![1]!
      yield* validate(app, name)
      assert.strictEqual(entryOf(app, name).get("Name"), "Ünï \"code\" & <b>;$x")
      assert.strictEqual(pixelsOf(readFileSync(`${share}/icons/hicolor/48x48/apps/flatimage_${name}.png`)).width, 48)
      assert.notInclude(files(app).join(), "flatimage_App.svg")
      yield* succeeds(app, ["fim-desktop", "dump", "icon", `${app.directory}/out`])
      assert.deepStrictEqual(readFileSync(`${app.directory}/out.jpg`), jpegs.progressive)
    }))

  scenario("gets icons from a server, and nothing is stored of a bad one", images, () =>
    Effect.gen(function*() {
      const app = yield* place_(self)
      const server = yield* pictureServer(picture)
      yield* setUp(app, { icon: server.url("moved.png") })
      yield* succeeds(app, ["fim-desktop", "dump", "icon", `${app.directory}/out.png`])
      assert.deepStrictEqual(readFileSync(`${app.directory}/out.png`), picture)
      const shown = yield* succeeds(app, ["fim-desktop", "show"])
      for (const name of ["cut.png", "huge.png", "endless.png", "loop.png", "secret.png", "missing.png", "good.gif"]) {
        write(app, `${app.directory}/bad.json`, JSON.stringify({ name: "Bad", icon: server.url(name), categories: [] }))
        const outcome = yield* app.run(["fim-desktop", "setup", `${app.directory}/bad.json`])
        assert.strictEqual(outcome.code, 125, name)
        assert.match(outcome.stderr, /^E::(Could not download|Icon extension '\.gif' is not supported)/, name)
      }
      assert.strictEqual(yield* succeeds(app, ["fim-desktop", "show"]), shown)
    }))

  scenario("is not touched unless that is enabled", images, () =>
    Effect.gen(function*() {
      const app = yield* place_(self)
      const before = treeOf(app)
      yield* succeeds(app, ["fim-exec", "true"])
      yield* setUp(app, { items: "none" })
      yield* succeeds(app, ["fim-exec", "true"])
      assert.deepStrictEqual(treeOf(app), before)
    }))
})

/** A `notify-send` that writes its words down, and then does what is said. */
const notifier = (app: Place, then: string) => {
  const tools = `${app.directory}/tools`
  mkdirSync(tools)
  write(app, `${tools}/notify-send`, `#!/bin/sh\nprintf '%s\\n' "$@" > '${app.directory}/words'\n${then}\n`, 0o755)
  return { PATH: `${tools}:${app.environment["PATH"]}` }
}
const words = (app: Place) =>
  readdirSync(app.directory).includes("words") ? readFileSync(`${app.directory}/words`, "utf8") : undefined

describe("a notification", () => {
  scenario("announces a start by name and icon, if it is on and set up", images, () =>
    Effect.gen(function*() {
      const app = yield* place_(self)
      const environment = notifier(app, "")
      yield* succeeds(app, ["fim-notify", "on"])
      yield* succeeds(app, ["fim-exec", "true"], { environment })
      assert.isUndefined(words(app))
      yield* setUp(app, { items: "icon", name: "It's" })
      yield* succeeds(app, ["fim-exec", "true"], { environment })
      const [option, icon, ...rest] = words(app)?.split("\n") ?? []
      assert.deepStrictEqual([option, ...rest], ["-i", "Started 'It's' FlatImage", ""])
      assert.strictEqual(pixelsOf(readFileSync(icon!)).width, 64)
      yield* succeeds(app, ["fim-exec", "true"], { environment: { PATH: "/nonexistent" } })
    }))

  scenario("does not keep the program waiting", images, () =>
    Effect.gen(function*() {
      const app = yield* place_(self)
      const environment = notifier(app, "exec sleep 100")
      yield* setUp(app, { items: "none" })
      yield* succeeds(app, ["fim-notify", "on"])
      const running = yield* app.start(["fim-exec", "sh", "-c", "echo started; read line; exit 7"], {
        environment,
        interactive: true
      })
      yield* running.says(/started/)
      yield* running.write("go\n")
      assert.strictEqual((yield* running.outcome).code, 7)
      assert.strictEqual(words(app), "Started 'App' FlatImage\n")
      yield* app.isClean
    }))
})
