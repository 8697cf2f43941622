/** An HTTP server on the loopback, with what tests want it to answer. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createReadStream, existsSync, statSync } from "node:fs"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

export type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** The files below a directory. */
export const filesOf = (directory: string): Answer => (request, response) => {
  const path = `${directory}${decodeURIComponent(new URL(request.url ?? "/", "http://x").pathname)}`
  if (path.includes("..") || !existsSync(path) || !statSync(path).isFile()) {
    response.writeHead(404).end("not here")
    return
  }
  response.writeHead(200, { "content-length": statSync(path).size })
  createReadStream(path).pipe(response)
}

/** The URL of a server that lives as long as the scope; `asked` gets the path of each request. */
export const serve = (answer: Answer, asked: Array<string> = []): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
      const server = createServer((request, response) => {
        asked.push(request.url ?? "")
        answer(request, response)
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        const close = () => {
          server.closeAllConnections()
          server.close()
        }
        resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map(({ url }) => url))
