import { configDefaults, defineConfig } from "vitest/config";

// They need models, environments or other projects' memories, which their own commands get and name the folder of.
const real = [
  ["tests/models/real/**", "AGEMEM_TEST_MODELS"],
  ["tests/evaluation/environments/real/**", "AGEMEM_TEST_ENVIRONMENTS"],
  ["tests/evaluation/systems/real/**", "AGEMEM_TEST_BASELINES"],
]
  .filter(([, variable = ""]) => process.env[variable] === undefined)
  .map(([files = ""]) => files);

export default defineConfig({
  test: {
    include: ["tests/**/*.test.ts"],
    exclude: [...configDefaults.exclude, ...real],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: "forks",
    // Vitest leaves one core free by default, which on two means one file at a time.
    maxWorkers: 2,
    env: { LANGSMITH_TRACING: "false" },
    coverage: { provider: "v8", include: ["src/**/*.ts"], reporter: ["text-summary", "html"] },
  },
});
