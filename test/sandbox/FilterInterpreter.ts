/** Classic packet filters as the kernel runs them for seccomp, written from its documentation and not from the assembler. */
import type { Program } from "../../src/sandbox/FilterProgram.ts"

/** A call, as the kernel shows it to a filter. Arguments have 64 bits. */
export interface Call {
  readonly architecture: number
  readonly number: number
  readonly arguments: ReadonlyArray<bigint>
}

/** `struct seccomp_data` in little-endian order. */
const dataOf = (call: Call): DataView => {
  const view = new DataView(new ArrayBuffer(64))
  view.setUint32(0, call.number, true)
  view.setUint32(4, call.architecture, true)
  for (let index = 0; index < 6; index++) {
    view.setBigUint64(16 + 8 * index, BigInt.asUintN(64, call.arguments[index] ?? 0n), true)
  }
  return view
}

/** What a program answers to a call. Throws where the kernel would not have taken the program. */
export const answerOf = (program: Program, call: Call): number => {
  const data = dataOf(call)
  let accumulator = 0
  for (let at = 0;; at++) {
    const instruction = program[at]
    if (instruction === undefined) throw new Error(`the program goes on behind its end, at ${at}`)
    const [code, jumpTrue, jumpFalse, operand] = instruction
    const branch = (isTrue: boolean) => {
      at += isTrue ? jumpTrue : jumpFalse
    }
    switch (code) {
      case 0x20:
        if (operand % 4 !== 0 || operand > 60) throw new Error(`nothing can be loaded from ${operand}`)
        accumulator = data.getUint32(operand, true)
        break
      case 0x05:
        at += operand
        break
      case 0x15:
        branch(accumulator === operand)
        break
      case 0x35:
        branch(accumulator >= operand)
        break
      case 0x45:
        branch((accumulator & operand) !== 0)
        break
      case 0x06:
        return operand
      default:
        throw new Error(`there is no operation ${code}`)
    }
  }
}

const hexadecimal = (value: number) => `0x${value.toString(16).padStart(8, "0")}`

const places: Readonly<Record<number, string>> = {
  0: "number",
  4: "architecture",
  16: "argument 0",
  24: "argument 1",
  32: "argument 2"
}

const answerName = (value: number): string => {
  if (value === 0x7fff0000) return "allow"
  if (value === 0x80000000) return "kill"
  return (value & 0xffff0000) === 0x50000 ? `error ${value & 0xffff}` : hexadecimal(value)
}

/** A program as text, with the place to which each jump leads. */
export const disassembly = (program: Program): string =>
  program.map(([code, jumpTrue, jumpFalse, operand], at) => {
    const test = (sign: string) =>
      `if ${sign} ${hexadecimal(operand)} then ${at + 1 + jumpTrue} else ${at + 1 + jumpFalse}`
    const texts: Readonly<Record<number, string>> = {
      0x20: `load ${places[operand] ?? operand}`,
      0x05: `go to ${at + 1 + operand}`,
      0x15: test("=="),
      0x35: test(">="),
      0x45: test("&"),
      0x06: answerName(operand)
    }
    return `${String(at).padStart(4)}  ${texts[code] ?? `unknown ${code}`}\n`
  }).join("")
