import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/testing/TestClock"
import { constants } from "node:os"
import { attend, type Deliver, forwarded, numbers, Signals } from "../src/Signals.ts"

/** Attends to signals that a test sends, and notes what the program is told. */
const attending = Effect.fnUntraced(function*(options: { readonly running?: boolean } = {}) {
  const queue = yield* Queue.make<number>()
  const told: Array<readonly [signal: number, spareGroup: boolean]> = []
  const deliver: Deliver = (signal, spareGroup) => Effect.sync(() => void told.push([signal, spareGroup]))
  const signals = Layer.succeed(Signals, Signals.of({ next: Queue.take(queue) }))
  const deliverer = Effect.succeed(options.running === false ? undefined : deliver)
  const fiber = yield* attend(deliverer).pipe(Effect.provide(signals), Effect.forkChild)
  const send = (signal: number) => Queue.offer(queue, signal).pipe(Effect.andThen(TestClock.adjust(1)))
  return { fiber, send, told }
})

/** What a terminal or a shell sends to the whole process group. */
const toGroup: ReadonlySet<number> = new Set([2, 3, 18, 20, 28])
/** What no program ends by. */
const harmless: ReadonlySet<number> = new Set([18, 20, 23, 28])

describe("a signal", () => {
  it("has the number that this machine gives it", () => {
    for (const [name, number] of Object.entries(numbers)) {
      assert.strictEqual(number, constants.signals[name as NodeJS.Signals], name)
    }
  })

  it.effect("before there is a program ends the run with 128 + n, unless it ends no program", () =>
    Effect.gen(function*() {
      for (const number of forwarded.filter((number) => !harmless.has(number))) {
        const { fiber, send } = yield* attending({ running: false })
        for (const other of harmless) yield* send(other)
        yield* send(number)
        assert.strictEqual(yield* Fiber.join(fiber), 128 + number)
      }
    }))

  it.effect("of any kind is told to the program, with whether its group may have got it", () =>
    Effect.gen(function*() {
      for (const number of forwarded) {
        const { fiber, send, told } = yield* attending()
        yield* send(number)
        assert.deepStrictEqual(told, [[number, toGroup.has(number)]])
        yield* Fiber.interrupt(fiber)
      }
    }))

  it.effect("is told as often as it comes, and nothing else follows however long the program takes", () =>
    Effect.gen(function*() {
      const { fiber, send, told } = yield* attending()
      for (const signal of [numbers.SIGTERM, numbers.SIGHUP, numbers.SIGTERM]) {
        yield* send(signal)
        yield* TestClock.adjust("1 hour")
      }
      assert.deepStrictEqual(told, [[15, false], [1, false], [15, false]])
      yield* Fiber.interrupt(fiber)
    }))
})
