/** More computing threads than cores make llama.cpp wait for itself: what the engine asks for when it is told nothing. */
import { availableParallelism } from "node:os";
import { expect, it } from "vitest";
import { defaultThreads, GgufEngine } from "../../../src/models/gguf/engine.js";
import type { LlamaModule } from "../../../src/models/gguf/llama-api.js";

async function threadsAskedFor(threads?: number): Promise<unknown> {
  const asked: { threads?: number }[] = [];
  const model = {
    trainContextSize: 512,
    createContext: async (options: { threads?: number }) => {
      asked.push(options);
      return { getSequence: () => ({ contextSize: 512 }), dispose: async () => undefined };
    },
  };
  const module = {
    getLlama: async () => ({ cpuMathCores: 64, loadModel: async () => model }),
    LlamaLogLevel: { error: "error" },
  } as unknown as LlamaModule;
  const engine = new GgufEngine({ file: "fake.gguf", threads }, async () => module);
  await engine.open();
  return asked[0]?.threads;
}

it("leaves a core to Node, and takes no more than do mathematics well", () => {
  const cases = [
    [2, 2, 1],
    [1, 1, 1],
    [4, 8, 4],
    [8, 8, 7],
    [16, 4, 3],
  ] as const;
  for (const [math, cores, threads] of cases) expect(defaultThreads(math, cores)).toBe(threads);
});

it("asks for fewer threads than there are cores, whatever the package would take", async () => {
  expect(await threadsAskedFor()).toBe(Math.max(1, availableParallelism() - 1));
  expect(await threadsAskedFor(3)).toBe(3);
});
