/** Aborts a running call. Events have only the fields that are used here. */

interface AbortEvent {
  readonly type: string
  readonly target: EventTarget
}

type Listener = ((event: AbortEvent) => void) | { readonly handleEvent: (event: AbortEvent) => void }

export class EventTarget {
  readonly #listeners = new Map<string, Map<Listener, boolean>>()

  addEventListener(type: string, listener: Listener, options?: { readonly once?: boolean } | boolean): void {
    const listeners = this.#listeners.get(type) ?? new Map<Listener, boolean>()
    this.#listeners.set(type, listeners)
    if (!listeners.has(listener)) listeners.set(listener, typeof options === "object" && options.once === true)
  }

  removeEventListener(type: string, listener: Listener): void {
    this.#listeners.get(type)?.delete(listener)
  }

  dispatchEvent(event: AbortEvent): boolean {
    const listeners = this.#listeners.get(event.type)
    // A copy: listeners may come and go while they are called.
    for (const [listener, once] of Array.from(listeners ?? [])) {
      if (once) listeners?.delete(listener)
      if (typeof listener === "function") listener.call(this, event)
      else listener.handleEvent(event)
    }
    return true
  }
}

export class AbortSignal extends EventTarget {
  aborted = false
  reason: unknown = undefined
  onabort: ((event: AbortEvent) => void) | null = null

  throwIfAborted(): void {
    if (this.aborted) throw this.reason
  }
}

export class AbortController {
  readonly signal = new AbortSignal()

  abort(reason: unknown = new DOMException("This operation was aborted", "AbortError")): void {
    const { signal } = this
    if (signal.aborted) return
    signal.aborted = true
    signal.reason = reason
    const event = { type: "abort", target: signal }
    signal.onabort?.(event)
    signal.dispatchEvent(event)
  }
}
