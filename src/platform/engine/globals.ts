/**
 * The global objects that Effect and our code expect and the engine lacks. The engine runs this module before the program,
 * and then calls `turn` until the program ends the process.
 */
import * as host from "fim:host"
import { AbortController, AbortSignal, EventTarget } from "./globals/Abort.ts"
import { console } from "./globals/Console.ts"
import { crypto } from "./globals/Crypto.ts"
import { fetch } from "./globals/Fetch.ts"
import { Segmenter } from "./globals/Segmenter.ts"
import { TextDecoder, TextEncoder } from "./globals/Text.ts"
import * as Timers from "./globals/Timers.ts"
import { URL, URLSearchParams } from "./globals/Url.ts"

export { turn } from "./Loop.ts"

/** The required version of the host functions: `VERSION` in `src/native/engine/src/host/mod.rs`. */
const version = 1

if (host.version !== version) {
  throw new Error(`the engine has version ${host.version} of the host functions, the program needs ${version}`)
}

Object.assign(globalThis, {
  AbortController,
  AbortSignal,
  EventTarget,
  Intl: { Segmenter },
  TextDecoder,
  TextEncoder,
  URL,
  URLSearchParams,
  console,
  crypto,
  fetch,
  ...Timers
})
