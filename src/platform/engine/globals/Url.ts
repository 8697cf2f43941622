import * as host from "fim:host"

type Init = string | Iterable<readonly [string, string]> | Readonly<Record<string, string>> | undefined

const decode = (part: string): string =>
  host.decode(
    new Uint8Array(host.fromLatin1(
      host.toLatin1(new Uint8Array(host.encode(part.replaceAll("+", " ")))).replaceAll(
        /%([0-9a-f]{2})/gi,
        (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16))
      )
    )),
    false
  ) ?? ""

const encode = (part: string): string =>
  encodeURIComponent(part.toWellFormed()).replaceAll(
    /[!'()~]|%20/g,
    (character) => character === "%20" ? "+" : `%${character.charCodeAt(0).toString(16).toUpperCase()}`
  )

const pairsOf = (init: Init): Array<[string, string]> => {
  if (init === undefined) return []
  if (typeof init === "string") {
    return init.replace(/^\?/, "").split("&").filter((part) => part !== "").map((part) => {
      const at = part.indexOf("=")
      return at < 0 ? [decode(part), ""] : [decode(part.slice(0, at)), decode(part.slice(at + 1))]
    })
  }
  const pairs = Symbol.iterator in init ? [...init] : Object.entries(init)
  return pairs.map(([name, value]) => [String(name), String(value)])
}

export class URLSearchParams {
  #pairs: Array<[string, string]>
  readonly #changed: (search: string) => void

  constructor(init?: Init, changed: (search: string) => void = () => {}) {
    this.#pairs = pairsOf(init)
    this.#changed = changed
  }

  #become(pairs: Array<[string, string]>): void {
    this.#pairs = pairs
    this.#changed(this.toString())
  }

  get size(): number {
    return this.#pairs.length
  }

  append(name: string, value: string): void {
    this.#become([...this.#pairs, [name, String(value)]])
  }

  delete(name: string): void {
    this.#become(this.#pairs.filter(([other]) => other !== name))
  }

  get(name: string): string | null {
    return this.#pairs.find(([other]) => other === name)?.[1] ?? null
  }

  getAll(name: string): Array<string> {
    return this.#pairs.filter(([other]) => other === name).map(([, value]) => value)
  }

  has(name: string): boolean {
    return this.#pairs.some(([other]) => other === name)
  }

  set(name: string, value: string): void {
    const at = this.#pairs.findIndex(([other]) => other === name)
    const rest = this.#pairs.filter(([other], index) => other !== name || index === at)
    this.#become(
      at < 0 ? [...rest, [name, value]] : rest.map(([other, old]) => [other, other === name ? String(value) : old])
    )
  }

  forEach(call: (value: string, name: string, params: this) => void): void {
    for (const [name, value] of this.#pairs) call(value, name, this)
  }

  entries(): IterableIterator<[string, string]> {
    return this.#pairs.values()
  }

  [Symbol.iterator](): IterableIterator<[string, string]> {
    return this.entries()
  }

  toString(): string {
    return this.#pairs.map(([name, value]) => `${encode(name)}=${encode(value)}`).join("&")
  }
}

const partsOf = (text: string | URL, base: string | URL | undefined): host.UrlParts | undefined =>
  base === undefined ? host.parseUrl(String(text)) : host.parseUrl(String(text), String(base))

export class URL {
  #parts: host.UrlParts
  #params: URLSearchParams | undefined

  constructor(text: string | URL, base?: string | URL) {
    const parts = partsOf(text, base)
    if (parts === undefined) throw new TypeError(`'${String(text)}' cannot be parsed as a URL`)
    this.#parts = parts
  }

  static parse(text: string | URL, base?: string | URL): URL | null {
    return URL.canParse(text, base) ? new URL(text, base) : null
  }

  static canParse(text: string | URL, base?: string | URL): boolean {
    return partsOf(text, base) !== undefined
  }

  #change(part: keyof host.UrlParts, value: string): void {
    this.#parts = host.changeUrl(this.#parts.href, part, value)
    if (part === "search") this.#params = undefined
  }

  get searchParams(): URLSearchParams {
    return this.#params ??= new URLSearchParams(this.search, (search) => {
      this.#parts = host.changeUrl(this.#parts.href, "search", search)
    })
  }

  get href(): string {
    return this.#parts.href
  }
  get origin(): string {
    return this.#parts.origin
  }
  get hash(): string {
    return this.#parts.hash
  }
  set hash(value: string) {
    this.#change("hash", value)
  }
  get host(): string {
    return this.#parts.host
  }
  set host(value: string) {
    this.#change("host", value)
  }
  get hostname(): string {
    return this.#parts.hostname
  }
  set hostname(value: string) {
    this.#change("hostname", value)
  }
  get password(): string {
    return this.#parts.password
  }
  set password(value: string) {
    this.#change("password", value)
  }
  get pathname(): string {
    return this.#parts.pathname
  }
  set pathname(value: string) {
    this.#change("pathname", value)
  }
  get port(): string {
    return this.#parts.port
  }
  set port(value: string) {
    this.#change("port", value)
  }
  get protocol(): string {
    return this.#parts.protocol
  }
  set protocol(value: string) {
    this.#change("protocol", value)
  }
  get search(): string {
    return this.#parts.search
  }
  set search(value: string) {
    this.#change("search", value)
  }
  get username(): string {
    return this.#parts.username
  }
  set username(value: string) {
    this.#change("username", value)
  }

  toString(): string {
    return this.href
  }
  toJSON(): string {
    return this.href
  }
}
