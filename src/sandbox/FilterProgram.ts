/**
 * Programs of the kernel's classic packet filter as seccomp runs them, put together from parts whose jumps are computed
 * from the parts' lengths: none can lead outside of a program or backwards.
 */

/** As in `struct sock_filter`: operation, steps to jump over if the test is true, and if it is not, operand. */
export type Instruction = readonly [code: number, jumpTrue: number, jumpFalse: number, operand: number]

export type Program = ReadonlyArray<Instruction>

/** Operations, from the kernel's `<linux/bpf_common.h>`. */
const operations = {
  load: 0x20,
  jump: 0x05,
  jumpEqual: 0x15,
  jumpAtLeast: 0x35,
  jumpAnyBit: 0x45,
  answer: 0x06
} as const

/** Places in `struct seccomp_data`. Of an argument's 64 bits the lower half, on machines of either width. */
export const places = { number: 0, architecture: 4, argument: (index: number) => 16 + 8 * index } as const

/** What a program answers. Beside an error, the kernel's `SECCOMP_RET_ALLOW` and `SECCOMP_RET_KILL_PROCESS`. */
export const answers = {
  allow: 0x7fff_0000,
  kill: 0x8000_0000,
  error: (number: number) => 0x0005_0000 | number
} as const

/** The longest way of a conditional jump. */
const reach = 255

/** Puts 32 bits of the call's data into the accumulator. */
export const load = (place: number): Program => [[operations.load, 0, 0, place]]

/** Ends the program. */
export const answer = (value: number): Program => [[operations.answer, 0, 0, value]]

const when = (test: number, operand: number, body: Program): Program =>
  body.length <= reach
    ? [[test, 0, body.length, operand], ...body]
    : [[test, 1, 0, operand], [operations.jump, 0, 0, body.length], ...body]

/** Goes through the body where the accumulator equals a number, and passes over it where not. */
export const whenEqual = (operand: number, body: Program): Program => when(operations.jumpEqual, operand, body)

/** The same where the accumulator, taken as unsigned, is a number or more. */
export const whenAtLeast = (operand: number, body: Program): Program => when(operations.jumpAtLeast, operand, body)

/** The same where the accumulator has any of these bits. */
export const whenAnyBit = (mask: number, body: Program): Program => when(operations.jumpAnyBit, mask, body)

/** The same where the accumulator equals one of these numbers. */
export const whenOneOf = (operands: ReadonlyArray<number>, body: Program): Program => {
  if (operands.length === 0) return []
  if (operands.length > reach || body.length > reach) return operands.flatMap((operand) => whenEqual(operand, body))
  const last = operands.length - 1
  const tests = operands.map((operand, index): Instruction =>
    index === last
      ? [operations.jumpEqual, 0, body.length, operand]
      : [operations.jumpEqual, last - index, 0, operand]
  )
  return [...tests, ...body]
}

/** The same where it equals none of them. */
export const whenNoneOf = (operands: ReadonlyArray<number>, body: Program): Program => [
  ...whenOneOf(operands, [[operations.jump, 0, 0, body.length]]),
  ...body
]
