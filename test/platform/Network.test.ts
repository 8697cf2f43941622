/** Certificates, proxies and failures of the network: the same on Node and on the platform of the boot program, in the same words. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer as createTlsServer } from "node:https"
import { type AddressInfo, createServer as createSocketServer } from "node:net"
import { tmpdir } from "node:os"
import { promisify } from "node:util"
import { afterAll, beforeAll } from "vitest"
import { proxyServer } from "../support/HttpProxy.ts"
import { projectRoot } from "../support/Project.ts"
import { type Authority, type Certificate, newAuthority } from "../support/TlsServer.ts"
import { type Answer, serve } from "../support/WebServer.ts"
import { prepare } from "./Engine.ts"

const directory = mkdtempSync(`${tmpdir()}/fim-network-`)
afterAll(() => rmSync(directory, { recursive: true, force: true }))

type Run = (words: ReadonlyArray<string>, environment: Readonly<Record<string, string>>) => Promise<string>

/** Nothing of the machine's own settings. */
const none = Object.fromEntries(
  ["http_proxy", "https_proxy", "all_proxy", "no_proxy"].flatMap((name) => [[name, ""], [name.toUpperCase(), ""]])
    .concat([["SSL_CERT_FILE", ""], ["NODE_EXTRA_CA_CERTS", ""]])
) as Readonly<Record<string, string>>

const onNode: Run = (words, environment) =>
  promisify(execFile)(`${projectRoot}/node_modules/.bin/node`, [
    `${projectRoot}/test/platform/NetworkNode.ts`,
    ...words
  ], {
    env: { PATH: process.env["PATH"], ...environment }
  }).then(({ stdout }) => stdout)

let onEngine: Run
let authority: Authority

beforeAll(() => {
  onEngine = prepare("test/platform/NetworkMain.ts", directory)
  authority = newAuthority(directory)
}, 600_000)

const tlsServer = (certificate: Certificate): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
      const server = createTlsServer(certificate, (request, response) => response.end(`secure ${request.url}`))
      // A client that does not trust it goes.
      server.on("tlsClientError", () => {})
      server.listen(0, "127.0.0.1", () =>
        resume(Effect.succeed({
          url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
          close: () => {
            server.closeAllConnections()
            server.close()
          }
        })))
    }),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map(({ url }) => url))

/** A port where nobody listens any more. */
const freePort = Effect.callback<number>((resume) => {
  const server = createSocketServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo
    server.close(() => resume(Effect.succeed(port)))
  })
})

const answers: Answer = (request, response) => {
  switch (request.url) {
    case "/ok":
      return void response.end("plain")
    case "/moved":
      return void response.writeHead(302, { location: "/ok" }).end()
    case "/loop":
      return void response.writeHead(302, { location: "/loop" }).end()
    case "/file":
      return void response.writeHead(302, { location: "file:///etc/hostname" }).end()
    case "/large":
      return void response.end("x".repeat(2000))
    case "/pieces": {
      const more = (): void => {
        if (!response.destroyed) response.write("x".repeat(100), () => setImmediate(more))
      }
      return more()
    }
    case "/cut":
      return void response.writeHead(200, { "content-length": 100 }).write("x", () => response.destroy())
    case "/closed":
      return void request.socket.destroy()
    case "/silent":
      return
    default:
      return void response.writeHead(404).end()
  }
}

/** What comes of addresses on both platforms, which have to agree. */
const fetched = (urls: ReadonlyArray<string>, environment: Readonly<Record<string, string>> = {}) =>
  Effect.promise(async () => {
    const run = async (platform: Run) =>
      JSON.parse(await platform(urls, { ...none, ...environment })) as ReadonlyArray<string>
    const [nodes, ours] = [await run(onNode), await run(onEngine)]
    assert.deepStrictEqual(ours, nodes, `not as on Node with ${JSON.stringify(environment)}`)
    return ours
  })

const network = "check the address and the network; behind a proxy set http_proxy and https_proxy"

describe("a download on either platform", () => {
  it.live("says what failed, and what to try", () =>
    Effect.gen(function*() {
      const base = yield* serve(answers)
      const port = yield* freePort
      const paths = ["ok", "moved", "loop", "file", "large", "pieces", "cut", "closed", "silent", "none"]
      const urls = [
        ...paths.map((path) => `${base}/${path}`),
        `http://127.0.0.1:${port}/`,
        "http://there.is.none.invalid/x"
      ]
      const closed = "failed: the server closed the connection: try again"
      assert.deepStrictEqual(yield* fetched(urls), [
        "plain",
        "plain",
        "failed: it leads on to another address more than 3 times",
        "failed: it leads to an address that is not of HTTP",
        "failed: it has more than 1000 bytes",
        "failed: it has more than 1000 bytes",
        closed,
        closed,
        "failed: it took too long: check the network, or try again",
        "failed: the server answered with 404",
        `failed: connection refused (127.0.0.1:${port}): ${network}`,
        `failed: name not found (there.is.none.invalid): ${network}`
      ])
    }), 60_000)

  it.live("trusts whom SSL_CERT_FILE names, and says why it does not trust others", () =>
    Effect.gen(function*() {
      const good = yield* tlsServer(authority.sign("DNS:localhost,IP:127.0.0.1"))
      const other = yield* tlsServer(authority.sign("DNS:other.test"))
      const old = yield* tlsServer(authority.sign("IP:127.0.0.1", -1))
      const plain = yield* serve(answers)
      const named = good.replace("127.0.0.1", "localhost")
      assert.deepStrictEqual(
        yield* fetched([`${good}/a`, `${named}/b`, other, old, plain.replace("http", "https")], {
          SSL_CERT_FILE: authority.path
        }),
        [
          "secure /a",
          "secure /b",
          "failed: certificate not trusted: it is for another name: use the name that the certificate has",
          "failed: certificate not trusted: it has expired: check the clock of this machine: date",
          "failed: the server does not speak TLS: check whether its address is http://"
        ]
      )
      assert.deepStrictEqual(yield* fetched([good]), [
        "failed: certificate not trusted: nobody whom this machine trusts has signed it: to trust its authority set " +
        "SSL_CERT_FILE to a file with its certificate (PEM)"
      ])
      writeFileSync(`${directory}/empty.pem`, "nothing")
      for (
        const [path, why] of [
          [`${directory}/empty.pem`, "has no certificates"],
          [`${directory}/missing.pem`, "does not exist"]
        ] as const
      ) {
        // Plain HTTP does not need it.
        const [refused, reached] = yield* fetched([good, `${plain}/ok`], { SSL_CERT_FILE: path })
        assert.include(refused, `failed: SSL_CERT_FILE is of no use: '${path}' ${why}`)
        assert.match(refused ?? "", /: unset SSL_CERT_FILE$/)
        assert.strictEqual(reached, "plain")
      }
    }), 60_000)

  it.live("goes through the proxies of the usual variables", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const proxy = yield* proxyServer(asked)
      const plain = yield* serve(answers)
      const secure = yield* tlsServer(authority.sign("DNS:there.invalid,IP:127.0.0.1"))
      const [plainPort, securePort] = [plain, secure].map((url) => new URL(url).port)
      // Names that only the proxy knows.
      const far = [`http://there.invalid:${plainPort}/ok`, `https://there.invalid:${securePort}/`]
      const through = [`CONNECT there.invalid:${plainPort}`, `CONNECT there.invalid:${securePort}`]
      const trusting = { SSL_CERT_FILE: authority.path }
      const unset = "failed: name not found (there.invalid): " + network
      for (
        const [variables, outcomes, requests] of [
          [{ http_proxy: proxy, https_proxy: proxy }, ["plain", "secure /"], through],
          [{ HTTP_PROXY: proxy, HTTPS_PROXY: proxy }, [
            "plain",
            "secure /"
          ], through],
          [
            {
              all_proxy: proxy,
              http_proxy: undefined,
              https_proxy: undefined,
              HTTP_PROXY: undefined,
              HTTPS_PROXY: undefined
            },
            ["plain", "secure /"],
            through
          ],
          [{ http_proxy: proxy }, ["plain", "secure /"], through],
          [{ https_proxy: proxy }, [unset, "secure /"], through.slice(1)],
          [{ http_proxy: proxy, https_proxy: proxy, no_proxy: "a.test, .invalid" }, [unset, unset], []],
          [{ http_proxy: proxy, NO_PROXY: "invalid" }, [unset, unset], []],
          [{ http_proxy: proxy, no_proxy: "there.invalid:1" }, ["plain", "secure /"], through],
          [{ http_proxy: proxy, no_proxy: `there.invalid:${plainPort}` }, [unset, "secure /"], through.slice(1)],
          [{ http_proxy: proxy, https_proxy: proxy, no_proxy: "*" }, [unset, unset], []]
        ] as ReadonlyArray<
          readonly [Readonly<Record<string, string>>, ReadonlyArray<string>, ReadonlyArray<string>]
        >
      ) {
        asked.length = 0
        const message = JSON.stringify(variables)
        assert.deepStrictEqual(
          yield* fetched(far, { ...trusting, ...variables }),
          outcomes,
          message
        )
        assert.deepStrictEqual(asked, [...requests, ...requests], message)
      }
      const port = yield* freePort
      assert.deepStrictEqual(yield* fetched(far, { http_proxy: `http://127.0.0.1:${port}` }), [
        `failed: connection refused (127.0.0.1:${port}): ${network}`,
        `failed: connection refused (127.0.0.1:${port}): ${network}`
      ])
      const [refused] = yield* fetched(["http://refused.invalid/"], { http_proxy: proxy })
      assert.strictEqual(
        refused,
        "failed: the proxy failed: it answered with 403: check http_proxy, https_proxy and no_proxy"
      )
      const [strange] = yield* fetched(["http://there.invalid/"], { http_proxy: "ftp://name:secret@127.0.0.1" })
      assert.strictEqual(
        strange,
        "failed: the proxy failed: its variable is not http://HOST:PORT: check http_proxy, https_proxy and no_proxy"
      )
    }), 120_000)
})
