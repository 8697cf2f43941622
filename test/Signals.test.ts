import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/testing/TestClock"
import { attend, type Deliver, numbers, Signals } from "../src/Signals.ts"

/** Attends to signals that a test sends, and notes what the program is told. `spared`: the terminal has sent it already. */
const attending = Effect.fnUntraced(function*(options: { readonly running?: boolean; readonly spared?: boolean } = {}) {
  const queue = yield* Queue.make<number>()
  const told: Array<readonly [signal: number, fromTerminal: boolean]> = []
  const deliver: Deliver = (signal, fromTerminal) =>
    Effect.sync(() => {
      told.push([signal, fromTerminal])
      return fromTerminal && options.spared === true
    })
  const signals = Layer.succeed(Signals, Signals.of({ next: Queue.take(queue) }))
  const deliverer = Effect.succeed(options.running === false ? undefined : deliver)
  const fiber = yield* attend(deliverer).pipe(Effect.provide(signals), Effect.forkChild)
  const send = (signal: number) => Queue.offer(queue, signal).pipe(Effect.andThen(TestClock.adjust(1)))
  return { fiber, send, told }
})

describe("a signal", () => {
  it.effect("before there is a program ends the run with 128 + n", () =>
    Effect.gen(function*() {
      for (const number of Object.values(numbers).filter((number) => number !== numbers.SIGTSTP)) {
        const { fiber, send } = yield* attending({ running: false })
        yield* send(number)
        assert.strictEqual(yield* Fiber.join(fiber), 128 + number)
      }
    }))

  it.effect("is told to the program, which is killed when it has not ended after some seconds", () =>
    Effect.gen(function*() {
      const { fiber, send, told } = yield* attending()
      yield* send(numbers.SIGTERM)
      assert.deepStrictEqual(told, [[15, false]])
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(told, [[15, false]])
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(told, [[15, false], [9, false]])
      yield* Fiber.interrupt(fiber)
    }))

  it.effect("kills the program when it is the second one", () =>
    Effect.gen(function*() {
      const { fiber, send, told } = yield* attending()
      yield* send(numbers.SIGHUP)
      yield* send(numbers.SIGTERM)
      assert.deepStrictEqual(told, [[1, false], [9, false]])
      yield* Fiber.interrupt(fiber)
    }))

  it.effect("of the terminal's keys is the program's own business, however often it comes", () =>
    Effect.gen(function*() {
      const { fiber, send, told } = yield* attending({ spared: true })
      for (const signal of [numbers.SIGINT, numbers.SIGQUIT, numbers.SIGINT]) yield* send(signal)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(told, [[2, true], [3, true], [2, true]])
      yield* send(numbers.SIGTERM)
      assert.deepStrictEqual(told.at(-1), [15, false])
      yield* Fiber.interrupt(fiber)
    }))

  it.effect("of those keys that no terminal has sent is told like any other", () =>
    Effect.gen(function*() {
      const { fiber, send, told } = yield* attending({ spared: false })
      yield* send(numbers.SIGINT)
      yield* TestClock.adjust("6 seconds")
      assert.deepStrictEqual(told, [[2, true], [9, false]])
      yield* Fiber.interrupt(fiber)
    }))

  it.effect("that asks to stop is told, and nothing is killed for it, nor does it end a run without a program", () =>
    Effect.gen(function*() {
      const { fiber, send, told } = yield* attending({ spared: false })
      yield* send(numbers.SIGTSTP)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(told, [[20, true]])
      yield* Fiber.interrupt(fiber)
      const early = yield* attending({ running: false })
      yield* early.send(numbers.SIGTSTP)
      yield* early.send(numbers.SIGTERM)
      assert.strictEqual(yield* Fiber.join(early.fiber), 143)
    }))
})
