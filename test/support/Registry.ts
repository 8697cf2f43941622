/** A registry of containers on the loopback, of real HTTP, with the faults that a test asks for. */
import type { IncomingMessage, ServerResponse } from "node:http"
import { digestOf, type Made } from "./Containers.ts"
import type { Answer } from "./WebServer.ts"

export interface Asked {
  readonly method: string
  readonly path: string
  readonly authorization: string | undefined
  readonly range: string | undefined
}

export interface RegistryOptions {
  /** Containers by `NAME:TAG`. */
  readonly images: Readonly<Record<string, Made>>
  /** Other documents by their path below `/v2/`, with their type. */
  readonly documents?: Readonly<Record<string, { readonly type: string; readonly bytes: Buffer }>>
  /** All requests, in their order. */
  readonly asked?: Array<Asked>
  /** Answers a request itself by returning true. */
  readonly fault?: (
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    blob: Buffer | undefined
  ) => boolean
}

const send = (request: IncomingMessage, response: ServerResponse, bytes: Buffer, type: string) => {
  const from = /^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1]
  const start = from === undefined ? 0 : Number(from)
  response.writeHead(from === undefined ? 200 : 206, {
    "content-type": type,
    "content-length": bytes.length - start,
    "docker-content-digest": digestOf(bytes),
    ...(from === undefined ? {} : { "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` })
  })
  response.end(request.method === "HEAD" ? undefined : bytes.subarray(start))
}

/** What a registry answers, for `serve`. */
export const registry = ({ asked, documents = {}, fault, images }: RegistryOptions): Answer => (request, response) => {
  const path = new URL(request.url ?? "/", "http://x").pathname
  const { authorization, range } = request.headers
  asked?.push({ method: request.method ?? "", path, authorization, range })
  const digest = path.split("/").at(-1) ?? ""
  const blob = Object.values(images).map(({ blobs }) => blobs.get(digest)).find((bytes) => bytes !== undefined)
  if (fault?.(request, response, path, blob) === true) return
  if (path === "/v2/") return void response.writeHead(200).end("{}")
  const document = documents[path.slice("/v2/".length)]
  if (document !== undefined) return send(request, response, document.bytes, document.type)
  const [, name, version] = /^\/v2\/(.+)\/manifests\/(.+)$/.exec(path) ?? []
  if (name !== undefined && version !== undefined) {
    const made = images[`${name}:${version}`] ??
      Object.entries(images).find(([known, { manifest }]) =>
        known.startsWith(`${name}:`) && manifest.digest === version
      )?.[1]
    const bytes = made?.blobs.get(made.manifest.digest)
    if (bytes !== undefined && made !== undefined) return send(request, response, bytes, made.manifest.mediaType)
  }
  if (/^\/v2\/.+\/blobs\//.test(path) && blob !== undefined) {
    return send(request, response, blob, "application/octet-stream")
  }
  response.writeHead(404, { "content-type": "application/json" }).end("{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\"}]}")
}
