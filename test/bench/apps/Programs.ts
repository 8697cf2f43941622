/** What people start: each with the packages of Debian that it comes from. */

/** A tree of a distribution, from which several programs may be started. */
export interface Tree {
  readonly name: string
  /** On top of the smallest system. */
  readonly packages: ReadonlyArray<string>
}

export interface Program {
  readonly name: string
  readonly tree: Tree
  readonly argv: readonly [program: string, ...words: Array<string>]
}

const ffmpeg: Tree = { name: "ffmpeg", packages: ["ffmpeg"] }
const python: Tree = { name: "python", packages: ["python3", "python3-numpy", "httpie"] }
const node: Tree = { name: "node", packages: ["nodejs", "npm"] }
const gcc: Tree = { name: "gcc", packages: ["gcc", "libc6-dev"] }

/** Compiles 200 small files, each of which reads headers of the C library, one after the other. */
const compile = [
  "mkdir -p /tmp/compile && cd /tmp/compile || exit 1",
  "n=0",
  "while [ $n -lt 200 ]; do",
  "  printf '#include <stdio.h>\\n#include <stdlib.h>\\nint f%d(int a) { return printf(\"%%d\", a + rand()); }\\n' $n > $n.c",
  "  gcc -O1 -c $n.c || exit 1",
  "  n=$((n + 1))",
  "done"
].join("\n")

export const programs: ReadonlyArray<Program> = [
  { name: "ffmpeg -version", tree: ffmpeg, argv: ["ffmpeg", "-version"] },
  { name: "python3, numpy", tree: python, argv: ["python3", "-c", "import numpy; print(numpy.arange(9).sum())"] },
  { name: "http --version", tree: python, argv: ["http", "--version"] },
  { name: "node -e", tree: node, argv: ["node", "-e", "console.log(require('os').EOL.length)"] },
  { name: "npm --version", tree: node, argv: ["npm", "--version"] },
  { name: "gcc, 200 files", tree: gcc, argv: ["sh", "-c", compile] },
  { name: "true", tree: gcc, argv: ["true"] }
]
