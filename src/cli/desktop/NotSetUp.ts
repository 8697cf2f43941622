import { CommandError } from "../config/CommandError.ts"

/** There is nothing to enable, show or remove before an image was set up. */
export const notSetUp = new CommandError({
  text: "Empty json data",
  hint: "'fim-desktop setup <file.json>' says what the desktop is to show",
  context: "Could not read the desktop integration"
})
