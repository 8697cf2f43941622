/** The client of registries against a server of real HTTP that does what registries must not. */
import { assert, it } from "@effect/vitest"
import type { ConfigError } from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import type { PlatformError } from "effect/PlatformError"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import type { BuildError } from "../../../src/builder/BuildError.ts"
import { Credentials } from "../../../src/builder/oci/Credentials.ts"
import { configLimit, parseManifest } from "../../../src/builder/oci/Documents.ts"
import { parseReference, type RegistryReference } from "../../../src/builder/oci/Reference.ts"
import { Registries } from "../../../src/builder/oci/Registry.ts"
import type { NativeBytes } from "../../../src/platform/NativeBytes.ts"
import { makeContainer } from "../../support/Containers.ts"
import { type Asked, registry, type RegistryOptions } from "../../support/Registry.ts"
import { archive, entry } from "../../support/Tar.ts"
import { serve } from "../../support/WebServer.ts"
import { TestBase } from "../TestServices.ts"

const made = makeContainer([archive(entry("file", "0", "", Buffer.alloc(400_000, "0123456789abcdef")))], {
  pack: (tar) => tar
})
const blob = made.layers[0]!

type Services = FileSystem.FileSystem | HttpClient.HttpClient | NativeBytes | ChildProcessSpawner | Scope.Scope

interface Options extends Omit<RegistryOptions, "images"> {
  readonly reference?: string
  readonly realms?: ReadonlyArray<string>
  /** `config.json`; in it `HOST` is the name of the registry. */
  readonly stored?: unknown
  readonly helper?: string
}

/** Fetches manifest, configuration and layer as a build does. Out: the layer. */
const fetched = Effect.fnUntraced(
  function*(options: Options): Effect.fn.Return<Buffer, BuildError | ConfigError | PlatformError, Services> {
    const fs = yield* FileSystem.FileSystem
    const url = yield* serve(registry({ images: { "app:1": made }, ...options }))
    const host = new URL(url).host
    const home = mkdtempSync(`${tmpdir()}/fim-registry-`)
    yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(home, { recursive: true })))
    mkdirSync(`${home}/.docker`)
    mkdirSync(`${home}/bin`)
    if (options.stored !== undefined) {
      writeFileSync(`${home}/.docker/config.json`, JSON.stringify(options.stored).replaceAll("HOST", host))
    }
    if (options.helper !== undefined) {
      writeFileSync(`${home}/bin/docker-credential-test-1`, options.helper)
      chmodSync(`${home}/bin/docker-credential-test-1`, 0o755)
      const path = process.env["PATH"]
      process.env["PATH"] = `${home}/bin:${path}`
      yield* Effect.addFinalizer(() => Effect.sync(() => void (process.env["PATH"] = path)))
    }
    const reference = Result.getOrThrow(
      parseReference((options.reference ?? "docker://HOST/app:1").replace("HOST", host))
    )
    return yield* Effect.gen(function*() {
      const registries = yield* Registries
      const origin = yield* registries.open(reference as RegistryReference, {
        scratch: home,
        realms: options.realms ?? []
      })
      const manifest = Result.getOrThrow(parseManifest(yield* origin.top))
      yield* origin.document(manifest.config, configLimit)
      const path = yield* origin.blob(manifest.layers[0]!, () => Effect.void)
      const bytes = readFileSync(path)
      yield* origin.release(manifest.layers[0]!)
      assert.isFalse(yield* fs.exists(path))
      return bytes
    }).pipe(
      Effect.provide(
        Registries.layer.pipe(
          Layer.provide(Credentials.layer),
          Layer.fresh,
          Layer.provideMerge(ConfigProvider.layer(ConfigProvider.fromUnknown({ HOME: home })))
        )
      ),
      Effect.tapError(() =>
        // Nothing unfinished is left.
        Effect.sync(() => assert.deepStrictEqual(readDirectory(home), [".docker", "bin"]))
      )
    )
  },
  Effect.scoped
)

const readDirectory = (path: string) => readdirSync(path).sort()

const messageOf = (options: Options) => Effect.map(Effect.flip(fetched(options)), (error) => error.message)

const isBlob = (path: string) => path.includes("/blobs/") && path.endsWith(blob.digest)

const tar = made.tars[0]!

const never: RegistryOptions["fault"] = (_, response, path) =>
  isBlob(path) && response.writeHead(429, { "retry-after": "3600" }).end() !== undefined

const broken: RegistryOptions["fault"] = (_, response, path) =>
  isBlob(path) && response.writeHead(500, { "retry-after": "0" }).end() !== undefined

const answer = (bytes: (whole: Buffer) => Buffer): RegistryOptions["fault"] => (_, response, path, whole) => {
  if (!isBlob(path) || whole === undefined) return false
  response.writeHead(200).end(bytes(whole))
  return true
}

const away: RegistryOptions["fault"] = (_, response, path) =>
  isBlob(path) &&
  response.writeHead(302, { location: "http://example.invalid/x?signature=hidden" }).end() !== undefined

const circle: RegistryOptions["fault"] = (_, response, path) =>
  isBlob(path) && response.writeHead(302, { location: path }).end() !== undefined

const endless: RegistryOptions["fault"] = (_, response, path) => {
  if (!path.includes("/manifests/")) return false
  const write = () => void (response.destroyed || response.write(Buffer.alloc(1 << 16), () => setImmediate(write)))
  write()
  return true
}

const otherManifest: RegistryOptions["fault"] = (_, response, path) => {
  if (!path.includes("/manifests/")) return false
  response.writeHead(200).end(`${made.blobs.get(made.manifest.digest)?.toString()} `)
  return true
}

const challenging = (realm: string): RegistryOptions["fault"] => (request, response) => {
  if (request.headers.authorization === "Bearer to-ken") return false
  const challenge = `Bearer realm="${realm}",service="the service",scope="repository:everything:push"`
  response.writeHead(401, { "www-authenticate": challenge }).end()
  return true
}

// On the real clock: the server is one.
it.layer(TestBase.pipe(Layer.provideMerge(FetchHttpClient.layer)), { excludeTestServices: true })(
  "a registry",
  (it) => {
    it.effect("has an image by tag and by digest", () =>
      Effect.gen(function*() {
        const asked: Array<Asked> = []
        assert.isTrue(tar.equals(yield* fetched({ asked })))
        assert.isTrue(tar.equals(yield* fetched({ reference: `docker://HOST/app@${made.manifest.digest}` })))
        assert.isTrue(asked.every(({ authorization }) => authorization === undefined))
        assert.include(yield* messageOf({ reference: "docker://HOST/app:2" }), "the registry has no such image")
      }))

    it.effect(
      "is continued where its connection was cut, and begins anew where it cannot",
      () =>
        Effect.gen(function*() {
          const asked: Array<Asked> = []
          let cuts = 0
          const cut = (withRange: boolean): RegistryOptions["fault"] => (request, response, path, bytes) => {
            if (!isBlob(path) || bytes === undefined) {
              return false
            }
            const from = withRange ? Number(/\d+/.exec(request.headers.range ?? "0")?.[0]) : 0
            if (cuts++ >= 3) {
              if (withRange) return false
              response.writeHead(200, { "content-length": bytes.length }).end(bytes)
              return true
            }
            response.writeHead(from === 0 ? 200 : 206, {
              "content-length": bytes.length - from,
              ...(from === 0 ? {} : { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` })
            })
            response.write(bytes.subarray(from, from + 100_000), () => setTimeout(() => response.destroy(), 50))
            return true
          }
          assert.isTrue(tar.equals(yield* fetched({ asked, fault: cut(true)! })))
          assert.deepStrictEqual(
            asked.filter(({ path }) => isBlob(path)).map(({ range }) => range),
            [undefined, "bytes=100000-", "bytes=200000-", "bytes=300000-"]
          )
          cuts = 0
          assert.isTrue(tar.equals(yield* fetched({ fault: cut(false)! })))
        }),
      30_000
    )

    it.effect("that is busy is asked again", () =>
      Effect.gen(function*() {
        let left = 2
        const asked: Array<Asked> = []
        const busy: RegistryOptions["fault"] = (_, response, path) => {
          if (!isBlob(path) || left-- <= 0) {
            return false
          }
          response.writeHead(left === 1 ? 429 : 503, { "retry-after": "0" }).end()
          return true
        }
        assert.isTrue(tar.equals(yield* fetched({ asked, fault: busy! })))
        assert.lengthOf(asked.filter(({ path }) => isBlob(path)), 3)
        assert.include(yield* messageOf({ fault: never! }), "status 429, and asks to wait for 3600 seconds")
        assert.include(yield* messageOf({ fault: broken! }), "status 500")
      }), 30_000)

    it.effect("that sends other bytes than it describes is not believed", () =>
      Effect.gen(function*() {
        const other = answer((whole) => Buffer.concat([whole.subarray(1), Buffer.from("x")]))
        assert.match(yield* messageOf({ fault: other! }), /a blob has the digest sha256:[0-9a-f]{64}, not sha256:/)
        const more = answer((whole) => Buffer.concat([whole, Buffer.alloc(1000)]))
        assert.include(yield* messageOf({ fault: more! }), "it sends more than the")
        const reference = `docker://HOST/app@${made.manifest.digest}`
        assert.include(yield* messageOf({ fault: otherManifest!, reference }), "its manifest has the digest")
        assert.include(yield* messageOf({ fault: endless! }), "it sends more than")
      }), 30_000)

    it.effect("may send us elsewhere, but no credentials go there", () =>
      Effect.gen(function*() {
        const seen: Array<string | undefined> = []
        const place = yield* serve((request, response) => {
          seen.push(request.headers.authorization)
          response.writeHead(200).end(tar)
        })
        const basic = `Basic ${Buffer.from("me:secret").toString("base64")}`
        const fault: RegistryOptions["fault"] = (request, response, path) => {
          if (request.headers.authorization !== basic) {
            response.writeHead(401, { "www-authenticate": "Basic realm=\"x\"" }).end()
            return true
          }
          if (!isBlob(path)) return false
          response.writeHead(307, { location: `${place}/there?signature=hidden` }).end()
          return true
        }
        const stored = { auths: { "https://HOST/v2/": { auth: Buffer.from("me:secret").toString("base64") } } }
        assert.isTrue(tar.equals(yield* fetched({ fault: fault!, stored })))
        assert.deepStrictEqual(seen, [undefined])
        const message = yield* messageOf({ fault: fault! })
        assert.include(message, "or wants credentials: to store them: skopeo login 127.0.0.1")
        const wrong = { auths: { HOST: { auth: Buffer.from("me:wrong").toString("base64") } } }
        const refused = yield* messageOf({ fault: fault!, stored: wrong })
        assert.include(refused, "the registry refuses the stored credentials: log in again")
        assert.notInclude(refused, "wrong")
        const message2 = yield* messageOf({ fault: away! })
        assert.include(message2, "sends us to http://example.invalid, which is not https")
        assert.notInclude(message2, "hidden")
        assert.include(yield* messageOf({ fault: circle! }), "from place to place")
      }), 30_000)

    it.effect(
      "is shown a token of its server, which gets the credentials of the registry",
      () =>
        Effect.gen(function*() {
          const tokens: Array<readonly [url: string, authorization: string | undefined, body: string]> = []
          const server = yield* serve((request, response) => {
            let body = ""
            request.on("data", (chunk: Buffer) => void (body += chunk.toString()))
            request.on("end", () => {
              tokens.push([request.url ?? "", request.headers.authorization, body])
              response.end(JSON.stringify({ token: "to-ken" }))
            })
          })
          const query = "/token?service=the+service&scope=repository%3Aapp%3Apull"
          assert.isTrue(tar.equals(yield* fetched({ fault: challenging(`${server}/token`)! })))
          assert.deepStrictEqual(tokens.splice(0), [[query, undefined, ""]])
          const auth = Buffer.from("me:se:cret").toString("base64")
          assert.isTrue(
            tar.equals(
              yield* fetched({ fault: challenging(`${server}/token`)!, stored: { auths: { HOST: { auth } } } })
            )
          )
          assert.deepStrictEqual(tokens.splice(0), [[query, `Basic ${auth}`, ""]])
          const helper =
            "#!/bin/sh\nread -r host || :\necho \"{\\\"Username\\\":\\\"<token>\\\",\\\"Secret\\\":\\\"re-fresh $host\\\"}\"\n"
          const stored = { credHelpers: { HOST: "test-1" } }
          assert.isTrue(tar.equals(yield* fetched({ fault: challenging(`${server}/token`)!, stored, helper })))
          const [[path, authorization, body] = ["", "", ""]] = tokens.splice(0)
          assert.deepStrictEqual([path, authorization], ["/token", undefined])
          assert.match(body, /grant_type=refresh_token.*refresh_token=re-fresh\+127\.0\.0\.1%3A\d+$/)
          for (const realm of ["https://auth.example.invalid/token", "ftp://x/y"]) {
            const message = yield* messageOf({ fault: challenging(realm)!, stored: { auths: { HOST: { auth } } } })
            assert.match(message, /^the credentials for 127\.0\.0\.1:\d+ are not sent to /)
            assert.notInclude(message, "cret")
          }
          const names = { credHelpers: { HOST: "../evil" } }
          assert.include(
            yield* messageOf({ fault: challenging(server)!, stored: names }),
            "names have only a-z, 0-9 and -"
          )
          const gone = { credsStore: "not-there" }
          assert.include(yield* messageOf({ fault: challenging(server)!, stored: gone }), "docker-credential-not-there")
        }),
      60_000
    )
  }
)
