import { configDefaults, defineConfig } from "vitest/config";

// They need models; `npm run test:models` gets them and names their folder.
const realModels = process.env.AGEMEM_TEST_MODELS === undefined ? ["tests/models/real/**"] : [];

export default defineConfig({
  test: {
    include: ["tests/**/*.test.ts"],
    exclude: [...configDefaults.exclude, ...realModels],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: "forks",
    // Vitest leaves one core free by default, which on two means one file at a time.
    maxWorkers: 2,
    env: { LANGSMITH_TRACING: "false" },
    coverage: { provider: "v8", include: ["src/**/*.ts"], reporter: ["text-summary", "html"] },
  },
});
