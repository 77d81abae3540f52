/** What a command says while a model loads or an endpoint does not answer. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { waitFor, watchEndpoint } from "../../src/cli/waiting.js";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("waitFor", () => {
  it("says at once what is opened, again every ten seconds, and nothing once it is there", async () => {
    const said: string[] = [];
    const loading = waitFor(
      "embeddings (hf:big)",
      new Promise<string>((resolve) => setTimeout(() => resolve("model"), 25_000)),
      (line) => said.push(line),
    );
    expect(said).toEqual(["opening embeddings (hf:big)"]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(await loading).toBe("model");
    expect(said.slice(1)).toEqual([
      "still opening embeddings (hf:big) after 10 s",
      "still opening embeddings (hf:big) after 20 s",
    ]);
  });

  it("ends with what it waited for", async () => {
    await expect(waitFor("it", Promise.reject(new Error("gone")), () => undefined)).rejects.toThrow("gone");
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("watchEndpoint", () => {
  it("tells silence, then retries with their cause, then nothing while rollouts end", async () => {
    const stats = { requests: 4, retries: 0, throttled: 0, waitedMs: 0, lastProblem: "" };
    const said: string[] = [];
    let done = 0;
    const end = watchEndpoint(
      "policy",
      () => ({ done, stats }),
      (line) => said.push(line),
    );
    await vi.advanceTimersByTimeAsync(10_000);
    Object.assign(stats, { retries: 3, lastProblem: "HTTP 503" });
    await vi.advanceTimersByTimeAsync(10_000);
    done = 2;
    await vi.advanceTimersByTimeAsync(30_000);
    end();
    stats.retries = 9;
    await vi.advanceTimersByTimeAsync(30_000);
    expect(said).toEqual([
      "waiting for policy: no rollout has ended after 10 s",
      "waiting for policy: 3 of its requests were sent again in the last 10 s (the last: HTTP 503)",
    ]);
  });
});
