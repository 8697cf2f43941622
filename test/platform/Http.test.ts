/** Requests on the platform of the boot program have the outcomes that they have on Node. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll } from "vitest"
import { prepare } from "./Engine.ts"
import { outcomes } from "./HttpCases.ts"

const directory = mkdtempSync(join(tmpdir(), "fim-http-"))

const server = createServer((request, response) => {
  const path = request.url?.split("?")[0] ?? ""
  if (path === "/text") {
    response.setHeader("x-twice", ["one", "two"])
    response.setHeader("content-type", "text/plain; charset=utf-8").end(`ä ${request.method} ${request.url}`)
  } else if (path === "/none") response.writeHead(204).end()
  else if (path === "/error") response.writeHead(500).end("no")
  else if (path === "/moved") response.writeHead(302, { location: "/text" }).end()
  else if (path === "/large") response.end(Buffer.alloc(8 << 20, "x"))
  else if (path === "/pieces") {
    for (let piece = 0; piece < 50; piece++) response.write("x".repeat(piece * 100))
    response.end()
  } else if (path === "/cut") {
    response.writeHead(200, { "content-length": 100 }).write("x".repeat(50), () => response.destroy())
  } else if (path === "/endless") response.write("x".repeat(1000))
})

let base = ""
let ours: ReadonlyArray<readonly [string, unknown]> = []
let nodes: ReadonlyArray<readonly [string, unknown]> = []

beforeAll(async () => {
  const run = prepare("test/platform/HttpMain.ts", directory)
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  ours = JSON.parse(await run([base])) as typeof ours
  nodes = JSON.parse(JSON.stringify(await Effect.runPromise(outcomes(base)))) as typeof nodes
}, 600_000)

afterAll(() => {
  server.closeAllConnections()
  server.close()
  rmSync(directory, { recursive: true, force: true })
})

describe("requests on the platform of the boot program", () => {
  it("have the outcomes that they have on Node", () => {
    assert.strictEqual(nodes.length, 13)
    assert.deepStrictEqual(ours, nodes)
  })

  it("are what they are meant to be", () => {
    assert.include(String(nodes[0]?.[1]), "ä GET /text?a=%C3%A4%20b&c=1+2")
    assert.notInclude(nodes.map(([, value]) => value), "it failed")
  })
})
