/**
 * Makes modules of the boot program for the engine, or of another program in its place: bundle.mjs DIRECTORY [PROGRAM]. What is loaded
 * later is a module of its own. The build script of src/native/engine runs it.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { rolldown } from "rolldown"

const [directory, program = "bin/image.ts"] = process.argv.slice(2)
if (directory === undefined) throw new Error("usage: bundle.mjs DIRECTORY [PROGRAM]")
const root = resolve(import.meta.dirname, "..")

const bundle = await rolldown({
  cwd: root,
  input: { globals: "src/platform/engine/globals.ts", image: program },
  platform: "neutral",
  external: ["fim:host"],
  resolve: {
     mainFields: ["module", "main"], conditionNames: ["source", "import"] },
  transform: { target: "es2023", define: { "process.env.NODE_ENV": "\"production\"" } },
  treeshake: true,
  onLog: (level, log) => {
    // A module that is not found would be left out, and missed only when it is called.
    if (level === "warn") throw new Error(log.message)
  }
})
const { output } = await bundle.generate({
  format: "esm",
  entryFileNames: "[name].js",
  chunkFileNames: "[name]-[hash].js",
  // The names stay, for the traces of errors.
  minify: { compress: true, mangle: false, codegen: { removeWhitespace: true } },
  comments: false
})
await bundle.close()
mkdirSync(directory, { recursive: true })
for (const { code, fileName } of output) writeFileSync(join(directory, fileName), code)
