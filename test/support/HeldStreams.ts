/** Standard streams that somebody else holds as well, as a shell's are, and what a command does to them. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { chmodSync, chownSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs"
import { isRoot } from "./Needs.ts"
import type { Place } from "./Place.ts"
import { quoted } from "./Terminal.ts"

/** Runs a command on its own streams once they are watched, and writes down their flags before and after, and the modes of a terminal. */
const holder = `look() {
  for number in 7 8 9; do
    while read -r name value; do if [ "$name" = flags: ]; then echo "$value"; fi; done < /proc/$$/fdinfo/$number
  done
  stty -g <&7 2> /dev/null
}
place=$1; shift
# Copies share the flags. The shell itself leads 0, 1 and 2 elsewhere for a moment, as here.
exec 7<&0 8>&1 9>&2
echo $$ > "$place/number"; mv "$place/number" "$place/pid"
while [ ! -e "$place/watched" ]; do sleep 0.01; done
look > "$place/before"; "$@" 7<&- 8>&- 9>&-; code=$?; look > "$place/after"
echo $code > "$place/code"
`

/** Waits half a second before it takes anything. */
const slow = "{ sleep 0.5; cat > \"$place/received\"; }"
/** Says nothing, and lasts as long as the command. */
const quiet = "{ while [ ! -e \"$place/code\" ]; do sleep 0.02; done; }"
const hold = "sh \"$place/hold\" \"$place\" \"$@\""
/** What is typed goes nowhere, and lines end as the program ends them. */
const inTerminal = `script -qefc "stty -opost -echo; exec sh '$place/hold' '$place' $words" /dev/null`
const unblocked = "perl -MFcntl -e 'fcntl(STDIN, F_SETFL, O_NONBLOCK); exec @ARGV'"

/** Ways to lead the streams, each with a reader that is late. */
export const kinds = {
  "pipes": `${quiet} | ${hold} 2> "$place/errors" | ${slow}`,
  "one pipe for output and error": `${quiet} | ${hold} 2>&1 | ${slow}`,
  "an input that does not block": `${quiet} | ${unblocked} ${hold} 2> "$place/errors" | ${slow}`,
  "files": `${hold} < /etc/passwd >> "$place/received" 2>> "$place/errors"`,
  "a terminal": `${inTerminal} | ${slow}`,
  "sockets": `exec ${hold}`
} as const

export interface Held {
  readonly code: number
  readonly received: Buffer
  readonly errors: string
  /** Flags of 0, 1 and 2, and what `stty -g` says of a terminal. */
  readonly before: string
  readonly after: string
  /** Each state of the flags of 0, 1 and 2 that was seen while the command ran. */
  readonly during: ReadonlyArray<string>
}

const flagsOf = (pid: number): string | undefined => {
  try {
    const texts = [7, 8, 9].map((number) => readFileSync(`/proc/${pid}/fdinfo/${number}`, "utf8"))
    return texts.map((text) => /^flags:\s*(\d+)/m.exec(text)?.[1] ?? "").join("\n")
  } catch {
    return undefined
  }
}

/** Looks at the streams of the holder as often as it can, until it is interrupted. */
const watch = Effect.fnUntraced(function*(place: string, seen: Set<string>) {
  while (true) {
    const flags = existsSync(`${place}/pid`) ? flagsOf(Number(readFileSync(`${place}/pid`, "utf8"))) : undefined
    if (flags !== undefined) {
      if (seen.size === 0) writeFileSync(`${place}/watched`, "")
      seen.add(flags)
    }
    yield* Effect.sleep("1 millis")
  }
})

/** Runs a command, by default the image with these words, on streams of a kind. */
export const held = Effect.fnUntraced(function*(
  app: Place,
  kind: keyof typeof kinds,
  words: ReadonlyArray<string>,
  options: { readonly environment?: Readonly<Record<string, string>>; readonly program?: string } = {}
) {
  const place = mkdtempSync(`${app.directory}/held-`)
  writeFileSync(`${place}/hold`, holder)
  chmodSync(place, 0o755)
  if (isRoot) chownSync(place, app.user.uid, app.user.gid)
  const command = [options.program ?? app.image, ...words]
  const seen = new Set<string>()
  const watching = yield* Effect.forkScoped(watch(place, seen))
  const running = yield* app.start(["-c", kinds[kind], "sh", ...command], {
    program: "sh",
    environment: { ...app.environment, SHELL: "/bin/sh", ...options.environment, place, words: quoted(command) },
    interactive: true,
    patience: 60_000
  })
  if (kind === "sockets") {
    running.child.stdout?.pause()
    yield* Effect.sleep("500 millis")
    running.child.stdout?.resume()
  }
  const outcome = yield* running.outcome
  yield* Fiber.interrupt(watching)
  const read = (name: string) => existsSync(`${place}/${name}`) ? readFileSync(`${place}/${name}`) : Buffer.of()
  // A terminal on the other side of the wall ends lines as terminals do.
  const received = kind === "a terminal"
    ? Buffer.from(read("received").filter((byte) => byte !== 13))
    : read("received")
  return {
    code: Number(read("code").toString()),
    received: kind === "sockets" ? outcome.bytes : received,
    errors: kind === "sockets" ? outcome.stderr : read("errors").toString(),
    before: read("before").toString(),
    after: read("after").toString(),
    during: [...seen]
  } satisfies Held
})
