/** `fim-info` and `fim-doctor`. */
import { json, operation } from "../grammar/Command.ts"
import type { ImageCommand } from "./Services.ts"

export const info: ImageCommand = {
  ...operation({
    name: "fim-info",
    summary: "what this image is, keeps, and may use",
    options: [json],
    handler: () => import("../info/Info.ts").then(({ info }) => info)
  }),
  description: [
    "Prints size, distribution, layers, boot command, data directory, and each permission with what it opens on this host.",
    "Nothing of the image is run."
  ],
  examples: [{ command: "fim-info", description: "look before you run" }]
}

export const doctor: ImageCommand = {
  ...operation({
    name: "fim-doctor",
    summary: "what this host lets an image do",
    options: [json],
    handler: () => import("../info/Doctor.ts").then(({ doctor }) => doctor)
  }),
  description: [
    "Tries what a start needs: namespaces, FUSE, the kernel's overlay, limits, memory and room on disk. Each line is ok,",
    "limited (an image starts in another way) or fails (none starts), with what helps below it."
  ],
  examples: [{ command: "fim-doctor", description: "why an image does not start, or starts slowly" }],
  exitCodes: [["1", "an image cannot start on this host"]]
}
