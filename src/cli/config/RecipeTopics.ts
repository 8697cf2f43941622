/** Help for recipes, and for where they come from. */
import type { Topic } from "./HelpTopics.ts"

export const recipeTopics: ReadonlyArray<Topic> = [
  {
    name: "recipe",
    summary: "sets of packages by name",
    description: [
      "A recipe names packages of the image's distribution, and other recipes that it depends on. fetch brings recipes and",
      "all that they depend on from where fim-remote says; install fetches only what is not there, and has the package",
      "manager of the guest, as root, install the packages. A list is separated by commas, without spaces."
    ],
    operations: [
      { name: "fetch", words: "<recipe,...>", summary: "fetch anew, all or none" },
      { name: "info", words: "[--json] <recipe,...>", summary: "print what fetched recipes say", json: true },
      {
        name: "install",
        words: "<recipe,...>",
        summary: "install packages, and set up the desktop if a recipe says how"
      },
      { name: "list", words: "[--json]", summary: "print the names of fetched recipes, one per line", json: true }
    ],
    examples: [
      { command: "fim-perms add network", description: "packages come from the network" },
      { command: "fim-recipe install gpu,audio", description: "two recipes, and what they depend on" },
      { command: "fim-layer commit binary", description: "keep the packages in the image itself" }
    ],
    exitCodes: [["other", "exit code of the package manager"]]
  },
  {
    name: "remote",
    summary: "where recipes come from",
    description: [
      "A URL that begins with http://, https:// or file://. The recipe R for Debian is at <url>/debian/latest/R.json."
    ],
    operations: [
      { name: "set", words: "<url>", summary: "choose the URL" },
      { name: "show", words: "[--json]", summary: "print it", json: true },
      { name: "get", words: "[--json]", summary: "the same as show", json: true },
      { name: "clear", words: "", summary: "remove it" }
    ],
    examples: [{ command: "fim-remote set https://example.org/recipes", description: "use your own recipes" }]
  }
]
