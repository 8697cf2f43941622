/** Reads the terminal on Node. */
import * as NodeTerminal from "@effect/platform-node/NodeTerminal"
import * as Effect from "effect/Effect"
import { read } from "./TerminalCases.ts"

await Effect.runPromise(Effect.provide(read(process.argv[2] ?? ""), NodeTerminal.layer))
process.exit(0)
