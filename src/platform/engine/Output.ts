/** The standard streams of the caller. Writes are complete when they return, because the process may end right after. */
import * as host from "fim:host"
import { make } from "../Printing.ts"
import { codeOf } from "./SystemError.ts"

/** The caller's own: their flags belong to the caller, and nobody here changes them. */
export const [input, output, error] = [0, 1, 2] as const

/** Writes text or bytes. Returns the code of what the system refused it with, if it did. */
export const put = (descriptor: number, content: string | Uint8Array): string | undefined => {
  const bytes = typeof content === "string" ? new Uint8Array(host.encode(content)) : content
  const refused = host.writeWhole(descriptor, bytes)
  return refused === 0 ? undefined : codeOf(refused)
}

export const { exitCode, layer, write } = make(put, output, error)
