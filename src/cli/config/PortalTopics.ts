/** Help for commands across the wall between guest and host. */
import type { Topic } from "./HelpTopics.ts"

export const portalTopics: ReadonlyArray<Topic> = [
  {
    name: "portal",
    summary: "programs of the host that the guest may run",
    description: [
      "A new image may run none. In the guest, 'fim_portal <program> [argument...]' runs an allowed one on the host, as its",
      "own user and outside of the sandbox. Programs are names, looked up in the host's PATH, absolute paths, or * for",
      "all. A program is allowed only by the name it is called with. Changes take effect at the next start."
    ],
    operations: [
      { name: "allow", words: "<program>...", summary: "allow these too" },
      { name: "deny", words: "<program>...", summary: "not these any more" },
      { name: "list", words: "[--json]", summary: "print what is allowed, one per line", json: true },
      { name: "clear", words: "", summary: "allow none" }
    ],
    examples: [
      { command: "fim-portal allow xdg-open notify-send", description: "open links and show messages on the host" },
      { command: "fim-exec fim_portal xdg-open https://example.org", description: "what a program in the guest does" },
      { command: "fim-portal clear", description: "close the portal again" }
    ]
  },
  {
    name: "instance",
    summary: "running instances of this build, and commands in them",
    description: [
      "Instances are counted from 0 in the order of their pids, anew at each call. Only those of the caller are seen. A",
      "command runs with identity, environment and sandbox of its instance, which goes on until the command has ended."
    ],
    operations: [
      { name: "list", words: "[--json]", summary: "print index:pid of each", json: true },
      { name: "exec", words: "<id> <command> [argument...]", summary: "run a command in one" }
    ],
    examples: [
      { command: "fim-instance list", description: "what runs" },
      { command: "fim-instance exec 0 ps", description: "look into the first" }
    ],
    exitCodes: [
      ["126", "the command cannot be executed"],
      ["127", "the command was not found"],
      ["128+n", "signal n ended the command"],
      ["other", "exit code of the command"]
    ]
  }
]
