/**
 * A name server for one name, run as a program inside of a network namespace. In: the address, the name and its IPv4 address.
 * It says when it listens, and ends with its standard input.
 */
import { createSocket } from "node:dgram"

const [address = "127.0.0.53", known = "", answer = ""] = process.argv.slice(2)

/** The name of the first question, and where what is about it ends. */
const questionOf = (message: Buffer): { readonly name: string; readonly type: number; readonly end: number } => {
  const labels: Array<string> = []
  let at = 12
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.toString("latin1", at + 1, at + 1 + length))
    at += 1 + length
  }
  return { name: labels.join("."), type: message.readUInt16BE(at + 1), end: at + 5 }
}

const server = createSocket("udp4")
server.on("message", (message, sender) => {
  const { end, name, type } = questionOf(message)
  const isKnown = name.toLowerCase() === known
  const isAddress = isKnown && type === 1
  const reply = Buffer.from(message.subarray(0, end))
  reply.writeUInt16BE(isKnown ? 0x8180 : 0x8183, 2)
  reply.writeUInt16BE(1, 4)
  reply.writeUInt16BE(isAddress ? 1 : 0, 6)
  reply.writeUInt32BE(0, 8)
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...answer.split(".").map(Number)])
  server.send(isAddress ? Buffer.concat([reply, record]) : reply, sender.port, sender.address)
})
server.bind(53, address, () => void process.stdout.write("listens\n"))
process.stdin.on("end", () => process.exit(0)).resume()
