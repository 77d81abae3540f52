import { describe, expect, it } from "vitest";
import { extractTokens } from "../../src/trajectory/token-ids.js";

const content = (tokens: [string, number][]) =>
  tokens.map(([token, logprob]) => ({ token, logprob, bytes: [] }));

describe("extractTokens", () => {
  it("reads vLLM: prompt ids on the body, response ids on the choice", () => {
    const raw = {
      prompt_token_ids: [1, 2],
      choices: [
        {
          token_ids: [3, 4],
          logprobs: {
            content: content([
              ["a", -0.5],
              ["b", -9999],
            ]),
          },
        },
      ],
    };
    expect(extractTokens({ raw, promptTokens: 2, completionTokens: 2 })).toEqual({
      promptTokenIds: [1, 2],
      responseTokenIds: [3, 4],
      logprobs: [-0.5, -9999],
      source: "server",
      policyVersion: null,
      mismatch: null,
    });
  });

  it("reads vLLM's token_id:N strings when there are no ids", () => {
    const logprobs = {
      content: content([
        ["token_id:7", -1],
        ["token_id:8", -2],
      ]),
    };
    expect(extractTokens({ raw: {}, logprobs })).toEqual({
      promptTokenIds: null,
      responseTokenIds: [7, 8],
      logprobs: [-1, -2],
      source: "token_id_string",
      policyVersion: null,
      mismatch: null,
    });
  });

  it("reads the version of the weights that the server says it served", () => {
    expect(extractTokens({ raw: { policy_version: 7 } }).policyVersion).toBe(7);
    for (const wrong of [-1, 1.5, "7", null]) {
      expect(extractTokens({ raw: { policy_version: wrong } }).policyVersion).toBeNull();
    }
  });

  it("reads SGLang: ids per choice", () => {
    const raw = {
      choices: [{ prompt_token_ids: [1], token_ids: [2], logprobs: { content: content([["x", -1]]) } }],
    };
    expect(extractTokens({ raw })).toMatchObject({
      promptTokenIds: [1],
      responseTokenIds: [2],
      logprobs: [-1],
    });
  });

  it("reads SGLang: meta_info with [logprob, id, text]", () => {
    const raw = {
      choices: [
        {
          prompt_token_ids: [1],
          meta_info: {
            output_token_logprobs: [
              [-0.1, 5, "a"],
              [-0.2, 6, "b"],
            ],
          },
        },
      ],
    };
    expect(extractTokens({ raw })).toMatchObject({
      responseTokenIds: [5, 6],
      logprobs: [-0.1, -0.2],
      source: "server",
    });
  });

  it("reads SGLang: the sglext block, one list per choice or flat", () => {
    for (const sglext of [
      { prompt_token_ids: [[1, 2]], token_ids: [[3]] },
      { prompt_token_ids: [1, 2], token_ids: [3] },
    ]) {
      const found = extractTokens({ raw: { choices: [{}], sglext } });
      expect(found).toMatchObject({ promptTokenIds: [1, 2], responseTokenIds: [3], source: "server" });
    }
  });

  it("reads completions' token_logprobs", () => {
    const raw = {
      choices: [{ prompt_token_ids: [1], token_ids: [2, 3], logprobs: { token_logprobs: [-1, -2] } }],
    };
    expect(extractTokens({ raw }).logprobs).toEqual([-1, -2]);
  });

  it.each(["the body", "LangChain's copy"])(
    "takes the whole log-probabilities where %s lacks chunks",
    (part) => {
      const whole = {
        content: content([
          ["a", -1],
          ["b", -2],
        ]),
      };
      const cut = { content: content([["b", -2]]) };
      const [inBody, logprobs] = part === "the body" ? [cut, whole] : [whole, cut];
      const raw = { prompt_token_ids: [1], choices: [{ token_ids: [2, 3], logprobs: inBody }] };
      expect(extractTokens({ raw, logprobs }).logprobs).toEqual([-1, -2]);
    },
  );

  it("makes nothing up", () => {
    const none = {
      promptTokenIds: null,
      responseTokenIds: null,
      logprobs: null,
      source: "none",
      policyVersion: null,
      mismatch: null,
    };
    for (const raw of [undefined, null, "x", {}, { choices: [] }, { choices: [{ logprobs: null }] }]) {
      expect(extractTokens({ raw })).toEqual(none);
    }
    const plain = { content: content([["Hello", -1]]) };
    expect(extractTokens({ raw: {}, logprobs: plain })).toEqual(none);
    expect(extractTokens({ raw: { choices: [{ token_ids: [1, -2] }] } }).responseTokenIds).toBeNull();
    expect(extractTokens({ raw: { choices: [{ token_ids: [1, "2"] }] } }).responseTokenIds).toBeNull();
  });

  it("does not mix tokens with and without an id", () => {
    const logprobs = {
      content: content([
        ["token_id:7", -1],
        ["word", -2],
      ]),
    };
    expect(extractTokens({ logprobs }).responseTokenIds).toBeNull();
  });

  it("says what does not fit: log-probabilities, usage of response and prompt", () => {
    const raw = {
      prompt_token_ids: [1, 2],
      choices: [{ token_ids: [3, 4], logprobs: { content: content([["a", -1]]) } }],
    };
    expect(extractTokens({ raw })).toMatchObject({
      logprobs: null,
      mismatch: "2 token ids and 1 log-probabilities",
    });
    const ids = { prompt_token_ids: [1, 2], choices: [{ token_ids: [3, 4] }] };
    expect(extractTokens({ raw: ids, completionTokens: 5 }).mismatch).toMatch(
      "2 token ids and 5 completion tokens",
    );
    expect(extractTokens({ raw: ids, promptTokens: 9 }).mismatch).toMatch(
      "2 prompt token ids and 9 prompt tokens",
    );
  });

  it("copies, so that the record does not change with the response", () => {
    const token_ids = [3, 4];
    const found = extractTokens({ raw: { choices: [{ token_ids }] } });
    token_ids.push(5);
    expect(found.responseTokenIds).toEqual([3, 4]);
  });
});
