import { defineConfig } from "vitest/config"

const e2e = "test/e2e/**/*.test.ts"

// Where `bin/test` reads how many tests there were.
const results = process.env["VITEST_RESULTS"]

export default defineConfig({
  test: {
    // What stays mounted after a run would count as left behind: only tests about that want it.
    env: { FIM_LINGER: "0" },
    reporters: results === undefined ? ["default"] : ["default", ["json", { outputFile: results }]],
    projects: [
      { test: { name: "unit", include: ["test/**/*.test.ts"], exclude: [e2e], testTimeout: 30_000 } },
      {
        test: {
          name: "e2e",
          include: [e2e],
          // After the unit tests, and one file after the other: these tests measure time and count processes.
          sequence: { groupOrder: 1 },
          fileParallelism: false,
          globalSetup: ["test/support/BuildImages.ts"],
          testTimeout: 120_000,
          hookTimeout: 60_000
        }
      }
    ]
  }
})
