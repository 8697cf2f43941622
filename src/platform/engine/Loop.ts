/**
 * The event loop of the boot program: descriptors, timers, and immediates. The engine calls {@link turn} until there is
 * nothing to wait for.
 */
import * as host from "fim:host"

interface Timer {
  /** Milliseconds since the start of the process. */
  due: number
  readonly every: number | undefined
  readonly call: () => void
}

const timers = new Map<number, Timer>()
const watched = new Map<number, () => void>()
let immediates = new Map<number, () => void>()
let lastId = 0

/** The most consecutive turns for immediates before descriptors are polled. */
const maxImmediateTurns = 16
let immediateTurns = 0

/** Milliseconds of a wait that is long enough to collect garbage. */
const rest = 200
let rested = false

/** Calls a function once after this many milliseconds, or repeatedly. Returns an id to cancel it. */
export const startTimer = (milliseconds: number, repeat: boolean, call: () => void): number => {
  const delay = milliseconds > 0 ? milliseconds : 0
  timers.set(++lastId, { due: host.now() + delay, every: repeat ? delay : undefined, call })
  return lastId
}

/** Cancels a timer. */
export const stopTimer = (id: number): void => void timers.delete(id)

/** Calls a function after the current one has returned. Returns an id to cancel it. */
export const callSoon = (call: () => void): number => {
  immediates.set(++lastId, call)
  return lastId
}

/** Cancels an immediate. */
export const forget = (id: number): void => void immediates.delete(id)

const watch = (entry: number, call: () => void) => {
  watched.set(entry, call)
  return () => {
    if (watched.get(entry) === call) watched.delete(entry)
  }
}

/** Calls a function whenever a descriptor is readable or at its end. Returns a function that stops this. */
export const whenReadable = (descriptor: number, call: () => void): () => void => watch(descriptor, call)

/** Calls a function whenever a descriptor is writable or its reader is gone. Returns a function that stops this. */
export const whenWritable = (descriptor: number, call: () => void): () => void => watch(-1 - descriptor, call)

const runImmediates = () => {
  const due = immediates
  immediates = new Map()
  for (const [id, call] of due) {
    if (due.delete(id)) call()
  }
}

const runTimers = () => {
  const now = host.now()
  const due = [...timers].filter(([, timer]) => timer.due <= now).sort(([, left], [, right]) => left.due - right.due)
  for (const [id, timer] of due) {
    // An earlier one may have cancelled it.
    if (!timers.has(id)) continue
    if (timer.every === undefined) timers.delete(id)
    else timer.due = now + timer.every
    timer.call()
  }
}

/** Effect keeps a loop alive by a timer that is due in 24 days. If there is nothing else, the loop ends. */
const never = 2 ** 31 - 1

const isWaiting = (): boolean => {
  for (const { every } of timers.values()) {
    if (every !== never) return true
  }
  return watched.size > 0
}

/** Milliseconds until the next timer. */
const untilTimer = (): number | undefined => {
  let due = Infinity
  for (const timer of timers.values()) due = Math.min(due, timer.due)
  return due === Infinity ? undefined : Math.max(0, due - host.now())
}

/** Calls the functions of ready descriptors. Returns whether there were any. */
const pollDescriptors = (milliseconds: number | undefined): boolean => {
  const all = [...watched.keys()]
  // The host function accepts no `undefined` argument.
  const ready = milliseconds === undefined ? host.poll(all) : host.poll(all, milliseconds)
  for (const entry of ready) watched.get(entry)?.()
  return ready.length > 0
}

/**
 * Calls what is due, or waits for it. Called functions may leave promises to settle, which the engine does before the next
 * turn. Returns whether to call it again.
 */
export const turn = (): boolean => {
  if (immediates.size > 0) {
    runImmediates()
    if (++immediateTurns < maxImmediateTurns) return true
    immediateTurns = 0
    pollDescriptors(0)
    runTimers()
    return true
  }
  if (!isWaiting()) return false
  const soon = untilTimer()
  const isRest = !rested && (soon === undefined || soon > rest)
  const found = pollDescriptors(isRest ? rest : soon)
  if (isRest && !found) host.collectGarbage()
  rested = isRest && !found
  runTimers()
  return true
}
