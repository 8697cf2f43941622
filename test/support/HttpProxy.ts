/** A proxy of HTTP on the loopback. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createServer } from "node:http"
import { type AddressInfo, connect, type Socket } from "node:net"

/** The address of a proxy that leads every name to this machine, but refuses those that begin with `refused`. `asked` gets its requests. */
export const proxyServer = (asked: Array<string>): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      const server = createServer((request, response) => {
        asked.push(`${request.method} ${request.url}`)
        response.writeHead(501).end()
      })
      server.on("connect", (request, client: Socket) => {
        asked.push(`CONNECT ${request.url}`)
        client.on("error", () => {})
        if (request.url?.startsWith("refused") === true) return void client.end("HTTP/1.1 403 Forbidden\r\n\r\n")
        const target = connect(Number(request.url?.split(":").at(-1)), "127.0.0.1", () => {
          client.write("HTTP/1.1 200 OK\r\n\r\n")
          target.pipe(client).pipe(target)
        })
        target.on("error", () => client.destroy())
        for (const socket of [client, target]) sockets.add(socket)
      })
      server.listen(0, "127.0.0.1", () =>
        resume(Effect.succeed({
          url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
          close: () => {
            for (const socket of sockets) socket.destroy()
            server.closeAllConnections()
            server.close()
          }
        })))
    }),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map(({ url }) => url))
