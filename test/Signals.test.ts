import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/testing/TestClock"
import { constants } from "node:os"
import { attend, type Deliver, forwarded, numbers, Signals } from "../src/Signals.ts"

/** Attends to signals that a test sends, and notes what the program is told. */
const attending = Effect.fnUntraced(function*(
  options: { readonly running?: boolean; readonly ignored?: ReadonlyArray<number>; readonly patience?: number } = {}
) {
  const queue = yield* Queue.make<number>()
  const told: Array<readonly [signal: number, spareGroup: boolean]> = []
  const deliver: Deliver = (signal, spareGroup) => Effect.sync(() => void told.push([signal, spareGroup]))
  const signals = Layer.succeed(Signals, Signals.of({ next: Queue.take(queue), ignored: new Set(options.ignored) }))
  const deliverer = Effect.succeed(options.running === false ? undefined : deliver)
  const fiber = yield* attend(deliverer, options.patience).pipe(Effect.provide(signals), Effect.forkChild)
  const send = (signal: number) => Queue.offer(queue, signal).pipe(Effect.andThen(TestClock.adjust(1)))
  return { fiber, send, told }
})

/** What no program ends by. */
const harmless: ReadonlySet<number> = new Set([17, 18, 20, 21, 22, 23, 28])

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

  it.effect("that the caller ignores does not end the run before there is a program", () =>
    Effect.gen(function*() {
      const { fiber, send } = yield* attending({ running: false, ignored: [1, 2] })
      for (const number of [1, 2, 15]) yield* send(number)
      assert.strictEqual(yield* Fiber.join(fiber), 143)
    }))

  it.effect("of any kind is told to the program, unless its group has got it", () =>
    Effect.gen(function*() {
      for (const number of forwarded) {
        const { fiber, send, told } = yield* attending()
        yield* send(number)
        assert.deepStrictEqual(told, [[number, true]])
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
      assert.deepStrictEqual(told, [[15, true], [1, true], [15, true]])
      yield* Fiber.interrupt(fiber)
    }))

  it.effect("to end is followed by SIGKILL after the time that the caller has chosen, and only then", () =>
    Effect.gen(function*() {
      const { fiber, send, told } = yield* attending({ patience: 3 })
      yield* send(numbers.SIGHUP)
      yield* TestClock.adjust("1 hour")
      yield* send(numbers.SIGTERM)
      yield* send(numbers.SIGTERM)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(told, [[1, true], [15, true], [15, true]])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(told.at(-1), [9, false])
      yield* TestClock.adjust("1 hour")
      assert.lengthOf(told, 4)
      yield* Fiber.interrupt(fiber)
    }))
})
