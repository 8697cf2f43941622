/** The standard streams of the caller. A write is complete when it returns, because the process may end right after it. */
import * as host from "fim:host"
import { make } from "../Printing.ts"
import { codeOf } from "./SystemError.ts"

/** The caller's own descriptors. Their flags belong to the caller, and we do not change them. */
export const [input, output, error] = [0, 1, 2] as const

/** Writes text or bytes. Returns the code of the system's error, if there was one. */
export const put = (descriptor: number, content: string | Uint8Array): string | undefined => {
  const bytes = typeof content === "string" ? new Uint8Array(host.encode(content)) : content
  const refused = host.writeWhole(descriptor, bytes)
  return refused === 0 ? undefined : codeOf(refused)
}

export const { exitCode, layer, write } = make(put, output, error)
