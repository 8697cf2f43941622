/** A server on the loopback interface with recipes for one distribution, good ones and bad ones. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Answer, serve } from "./WebServer.ts"

export interface RecipeServer {
  /** What `fim-remote` is set to. */
  readonly url: string
  /** Names of the recipes that it was asked for, in order. */
  readonly asked: () => ReadonlyArray<string>
  /** In place of what the name stands for. */
  readonly recipes: Map<string, Answer | object | string>
}

const json = (value: unknown): Answer => (_, response) => void response.end(JSON.stringify(value))

/** What a server may do wrong, by the name of the recipe. */
const bad: Readonly<Record<string, Answer>> = {
  cut: (_, response) => {
    response.writeHead(200, { "content-length": "200" })
    response.write("{\"description\":\"cut\",\"packages\":[]", () => response.destroy())
  },
  "cut-in-pieces": (_, response) => void response.write("{\"description\":\"cut\"", () => response.destroy()),
  huge: (_, response) => void response.writeHead(200, { "content-length": "1000000000" }).write(" "),
  endless: (_, response) => {
    const piece = Buffer.alloc(65_536, " ")
    const more = (): void => {
      while (!response.destroyed && response.write(piece));
    }
    response.on("drain", more)
    more()
  },
  slow: (_, response) => void response.write("{"),
  silent: () => {},
  moved: (_, response) => void response.writeHead(302, { location: "good.json" }).end(),
  loop: (_, response) => void response.writeHead(302, { location: "loop.json" }).end(),
  secret: (_, response) => void response.writeHead(302, { location: "file:///etc/hostname" }).end(),
  broken: (_, response) => void response.writeHead(500).end("{\"description\":\"x\",\"packages\":[]}"),
  empty: (_, response) => void response.end(),
  page: (_, response) => void response.end("<html>Log in to this network</html>"),
  bytes: (_, response) => void response.end(Buffer.from("{\"description\":\"\xff\",\"packages\":[]}", "latin1")),
  deep: (_, response) => void response.end("[".repeat(200_000)),
  inside: (_, response) =>
    void response.end(`{"description":"x","packages":${"[".repeat(80_000)}${"]".repeat(80_000)}}`),
  option: json({ description: "x", packages: ["-o", "APT::Update::Pre-Invoke::=sh"] }),
  outside: json({ description: "x", packages: [], dependencies: ["../../../../../outside"] }),
  good: json({ description: "a good one", packages: ["bash"] })
}

export const recipeServer = (
  recipes: Readonly<Record<string, Answer | object | string>> = {},
  distribution = "debian"
): Effect.Effect<RecipeServer, never, Scope.Scope> => {
  const own = new Map(Object.entries(recipes))
  const asked: Array<string> = []
  const nameIn = (path: string) => new RegExp(`^/${distribution}/latest/(.*)\\.json$`).exec(path)?.[1]
  return serve((request, response) => {
    const name = nameIn(request.url ?? "")
    const answer = own.get(name ?? request.url ?? "") ?? (name === undefined ? undefined : bad[name])
    if (answer === undefined) return void response.writeHead(404).end("there is no such recipe")
    if (typeof answer === "function") return answer(request, response)
    response.end(typeof answer === "string" ? answer : JSON.stringify(answer))
  }, asked).pipe(
    Effect.map((url) => ({ url, recipes: own, asked: () => asked.flatMap((path) => nameIn(path) ?? []) }))
  )
}
