/** What `agemem evaluate` opens before the first episode. */
import { join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { openParts } from "../../src/cli/evaluate/parts.js";
import { OfflinePolicy } from "../../src/offline/policy.js";
import { DiskJudgeCache } from "../../src/rewards/judges/disk-cache.js";
import { temporaryDirectory } from "./program.js";

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

it("closes the judge's file of verdicts where another project's memory is not installed", async () => {
  const folder = await temporaryDirectory();
  vi.stubEnv("AGEMEM_BASELINES", join(folder.path, "none"));
  vi.stubEnv("OPENAI_API_KEY", "key");
  vi.stubEnv("AGEMEM_EMBEDDINGS", "lexical");
  const close = vi.spyOn(DiskJudgeCache.prototype, "close");
  const opening = openParts(["keyword", "mem0"], {
    model: "offline",
    judge: "some-model",
    judgeCache: join(folder.path, "verdicts.jsonl"),
    protocol: "native",
    prompt: "full",
    temperature: 0,
    maxTokens: 9,
  });
  await expect(opening).rejects.toMatchObject({ code: "AGEMEM_PACKAGE_MISSING" });
  expect(close).toHaveBeenCalledOnce();
  await folder.remove();
});

it("takes the rules as the model before training too", async () => {
  const { baseModel, memories } = await openParts(["agemem-no-rl"], {
    model: "offline",
    baseModel: "offline",
    protocol: "native",
    prompt: "full",
    temperature: 0,
    maxTokens: 9,
  });
  expect(baseModel).toBeInstanceOf(OfflinePolicy);
  await memories.close();
});
