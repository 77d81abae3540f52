/** The package's probabilities cost a sort of the vocabulary per token: they are asked for only where they are recorded. */
import { describe, expect, it } from "vitest";
import { engineOf } from "../../support/fake-llama.js";

const sampling = { temperature: 1, topK: 0, topP: 1, minP: 0, seed: 1 };

describe("gguf: probabilities of sampled tokens", () => {
  it("are not asked for where nothing records them, with a grammar or without", async () => {
    const { all, ask } = engineOf(1);
    expect((await ask([1, 2, 3])).logProbs).toBeNull();
    await ask([1, 2, 3], undefined, { grammar: 'root ::= "a"' });
    expect(all[0]?.asked).toEqual([false, false]);
    expect(all[0]?.scored).toEqual([]);
  });

  it("come with the response where they are the model's own", async () => {
    const { all, ask } = engineOf(1);
    const whole = await ask([1, 2, 3], undefined, { logProbs: true });
    const greedy = await ask([1, 2, 3], undefined, {
      logProbs: true,
      sampling: { ...sampling, temperature: 0 },
    });
    expect([whole.logProbs, greedy.logProbs]).toEqual([[Math.log(0.5)], [Math.log(0.5)]]);
    expect(all[0]?.asked).toEqual([true, true]);
    expect(all[0]?.scored).toEqual([]);
  });

  it("come from a second reading, and only from there, where sampling or a grammar narrows the choice", async () => {
    const { all, ask } = engineOf(1);
    const narrow = await ask([1, 2, 3], undefined, { logProbs: true, sampling: { ...sampling, topK: 5 } });
    const held = await ask([1, 2, 3], undefined, { logProbs: true, grammar: 'root ::= "a"' });
    expect(all[0]?.asked).toEqual([false, false]);
    expect(all[0]?.scored).toHaveLength(2);
    for (const { logProbs } of [narrow, held]) expect(logProbs?.[0]).toBeCloseTo(Math.log(0.25));
  });
});
