/** A server on the loopback interface whose pictures are good and bad ones. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createServer, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"

export interface PictureServer {
  /** The URL of a picture by its name. */
  readonly url: (name: string) => string
  /** How often it was asked. */
  readonly requests: () => number
}

const listener = (picture: Uint8Array): RequestListener => (request, response) => {
  const name = (request.url ?? "").replace(/^\/|\?.*$/g, "")
  switch (name) {
    case "good.png":
      return void response.end(picture)
    case "chunked.png":
      response.write(picture.subarray(0, 20))
      return void response.end(picture.subarray(20))
    case "moved.png":
      return void response.writeHead(302, { location: "/good.png?again" }).end()
    case "loop.png":
      return void response.writeHead(302, { location: "/loop.png" }).end()
    case "secret.png":
      return void response.writeHead(302, { location: "file:///etc/hostname" }).end()
    case "slow.png":
      // One byte, and then nothing more.
      return void response.write(picture.subarray(0, 1))
    case "silent.png":
      return
    case "cut.png":
      response.writeHead(200, { "content-length": String(picture.length) })
      return void response.write(picture.subarray(0, 20), () => response.destroy())
    case "huge.png":
      return void response.writeHead(200, { "content-length": "2000000" }).write(picture)
    case "endless.png": {
      const piece = Buffer.alloc(65_536)
      const more = (): void => {
        while (!response.destroyed && response.write(piece));
      }
      response.on("drain", more)
      return more()
    }
    case "empty.png":
      return void response.end()
    default:
      return void response.writeHead(404).end("there is no such picture")
  }
}

export const pictureServer = (picture: Uint8Array): Effect.Effect<PictureServer, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<{ readonly server: PictureServer; readonly close: () => void }>((resume) => {
      let requests = 0
      const answer = listener(picture)
      const server = createServer((request, response) => {
        requests++
        answer(request, response)
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        resume(Effect.succeed({
          server: { url: (name) => `http://127.0.0.1:${port}/${name}`, requests: () => requests },
          close: () => {
            server.closeAllConnections()
            server.close()
          }
        }))
      })
    }),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map(({ server }) => server))
