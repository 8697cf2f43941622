/**
 * The part of `fetch` that Effect's client needs: the response with its headers, and a body that is read piece by piece.
 * The host makes the request in a thread and reports it through a pipe, in the format of
 * `src/native/engine/src/host/fetch.rs`.
 */
import * as host from "fim:host"
import { whenReadable } from "./Loop.ts"

interface Head {
  readonly status: number
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>
}

type Piece = { readonly done: false; readonly value: Uint8Array } | { readonly done: true; readonly value: undefined }

interface Waiting {
  readonly resolve: (piece: Piece) => void
  readonly reject: (reason: unknown) => void
}

const letters = { head: 0x48, data: 0x44, error: 0x45, end: 0x5a }
const frameSize = 5

/** How many pieces may wait before reading pauses. */
const maxPieces = 16

/** Headers by name. Case does not matter. */
class ResponseHeaders {
  readonly #all: ReadonlyArray<readonly [string, string]>
  constructor(all: ReadonlyArray<readonly [string, string]>) {
    this.#all = all.map(([name, value]) => [name.toLowerCase(), value])
  }
  get(name: string): string | null {
    const values = this.#all.filter(([other]) => other === name.toLowerCase()).map(([, value]) => value)
    return values.length === 0 ? null : values.join(", ")
  }
  getSetCookie(): Array<string> {
    return this.#all.filter(([name]) => name === "set-cookie").map(([, value]) => value)
  }
  forEach(call: (value: string, name: string) => void): void {
    for (const name of new Set(this.#all.map(([name]) => name))) call(this.get(name) ?? "", name)
  }
  *[Symbol.iterator](): Generator<readonly [string, string]> {
    for (const name of new Set(this.#all.map(([name]) => name))) yield [name, this.get(name) ?? ""]
  }
}

/** The error of a request, with Node's code. */
const failureOf = (json: string): TypeError => {
  const { code, detail, peer } = JSON.parse(json) as {
    readonly code: string
    readonly detail: string
    readonly peer: string | null
  }
  return Object.assign(new TypeError(detail), { code, peer: peer ?? undefined })
}

/** One request. Calls `onHead` with the status and headers; `read` returns the rest. */
class Exchange {
  readonly #descriptor: number
  readonly #onHead: (head: Head) => void
  readonly #refused: (reason: unknown) => void
  readonly #space = new Uint8Array(64 * 1024)
  #rest = new Uint8Array(0)
  #cancel: (() => void) | undefined
  #pieces: Array<Uint8Array> = []
  #waiting: Array<Waiting> = []
  #over = false
  #failure: unknown = undefined

  constructor(descriptor: number, onHead: (head: Head) => void, refused: (reason: unknown) => void) {
    this.#descriptor = descriptor
    this.#onHead = onHead
    this.#refused = refused
    this.#watch()
  }

  #watch(): void {
    this.#cancel ??= whenReadable(this.#descriptor, () => this.#take())
  }

  #pause(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  /** Stops the request and closes the pipe. */
  stop(failure?: unknown): void {
    if (this.#over) return
    this.#over = true
    this.#failure = failure
    this.#pause()
    host.close(this.#descriptor)
    if (failure !== undefined) this.#refused(failure)
    this.#settle()
  }

  read(): Promise<Piece> {
    const { promise, reject, resolve } = Promise.withResolvers<Piece>()
    this.#waiting.push({ resolve, reject })
    this.#settle()
    return promise
  }

  /** The rest of the body. */
  readAll(pieces: Array<Uint8Array> = []): Promise<ArrayBuffer> {
    return this.read().then(({ value }) => {
      if (value !== undefined) {
        pieces.push(value)
        return this.readAll(pieces)
      }
      const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0))
      let at = 0
      for (const piece of pieces) {
        all.set(piece, at)
        at += piece.length
      }
      return all.buffer
    })
  }

  #settle(): void {
    while (this.#waiting.length > 0) {
      const value = this.#failure === undefined ? this.#pieces.shift() : undefined
      if (value === undefined && !this.#over) break
      const { reject, resolve } = this.#waiting.shift() as Waiting
      if (value !== undefined) resolve({ done: false, value })
      else if (this.#failure === undefined) resolve({ done: true, value: undefined })
      else reject(this.#failure)
    }
    if (!this.#over && this.#pieces.length < maxPieces) this.#watch()
  }

  #take(): void {
    const count = host.read(this.#descriptor, this.#space)
    if (count === 0) return this.stop(new TypeError("the connection was lost"))
    const joined = new Uint8Array(this.#rest.length + count)
    joined.set(this.#rest)
    joined.set(this.#space.subarray(0, count), this.#rest.length)
    const view = new DataView(joined.buffer)
    let at = 0
    while (!this.#over && joined.length - at >= frameSize) {
      const end = at + frameSize + view.getUint32(at + 1, true)
      if (end > joined.length) break
      this.#handle(joined[at] ?? 0, joined.slice(at + frameSize, end))
      at = end
    }
    this.#rest = joined.slice(at)
    if (this.#pieces.length >= maxPieces) this.#pause()
    this.#settle()
  }

  #handle(letter: number, content: Uint8Array): void {
    if (letter === letters.data) this.#pieces.push(content)
    else if (letter === letters.head) this.#onHead(JSON.parse(host.decode(content, false) ?? "") as Head)
    else if (letter === letters.error) this.stop(failureOf(host.decode(content, false) ?? ""))
    else this.stop()
  }
}

const response = (url: string, head: Head, exchange: Exchange) => ({
  status: head.status,
  statusText: "",
  ok: head.status >= 200 && head.status < 300,
  headers: new ResponseHeaders(head.headers),
  url,
  arrayBuffer: () => exchange.readAll(),
  body: {
    getReader: () => ({
      read: () => exchange.read(),
      cancel: () => Promise.resolve(exchange.stop()),
      releaseLock: () => {}
    }),
    cancel: () => Promise.resolve(exchange.stop())
  }
})

/** Requests have no bodies here, and redirects are returned unfollowed. */
export const fetch = ((input: string | URL, init?: RequestInit) => {
  const { promise, reject, resolve } = Promise.withResolvers<unknown>()
  const signal = init?.signal
  if (signal?.aborted === true) {
    reject(signal.reason)
    return promise
  }
  const url = String(input)
  const headers = Object.entries((init?.headers ?? {}) as Record<string, string>).flat()
  const exchange: Exchange = new Exchange(
    host.fetch(url, init?.method ?? "GET", headers),
    (head) => resolve(response(url, head, exchange)),
    reject
  )
  signal?.addEventListener("abort", () => exchange.stop(signal.reason), { once: true })
  return promise
}) as typeof globalThis.fetch
