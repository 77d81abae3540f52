/** The parts of the local chat model that need no model. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { resolveChatModel } from "../../../src/models/chat-model.js";
import { jsonGrammar, toolGrammar } from "../../../src/models/gguf/grammar.js";
import { logProbabilities, scoreItems } from "../../../src/models/gguf/log-probabilities.js";
import { stopAt, TextStream, toMessage, visiblePart } from "../../../src/models/gguf/response.js";
import { commonPrefix, SequencePool } from "../../../src/models/gguf/sequence-pool.js";
import { checkFile, parseGgufName } from "../../../src/models/gguf/spec.js";
import { extractTokens } from "../../../src/trajectory/token-ids.js";
import { codeOf, facts, reading, tool } from "../../support/gguf-response.js";

describe("the length of a response", () => {
  const file = join(mkdtempSync(join(tmpdir(), "agemem-gguf-")), "a.gguf");
  writeFileSync(file, "GGUF");
  const limitOf = (name: string) =>
    (resolveChatModel(`gguf:${name}`).invocationParams() as Record<string, unknown>).max_tokens;

  it("has a limit by default, since a small model may never end", () => {
    expect(limitOf(file)).toBe(2048);
    expect(limitOf(`${file}?maxTokens=60`)).toBe(60);
  });
});

describe("gguf: names", () => {
  it("reads a file and settings", () => {
    expect(parseGgufName("a.gguf")).toEqual({ file: resolve("a.gguf") });
    expect(
      parseGgufName("d/a.GGUF?sequences=4&contextSize=2048&constrainTools=true&chatTemplate=gemma"),
    ).toEqual({
      file: resolve("d/a.GGUF"),
      sequences: 4,
      contextSize: 2048,
      constrainTools: true,
      chatTemplate: "gemma",
    });
    expect(parseGgufName("a.gguf?stop=%0A%0A&stop=User:").stop).toEqual(["\n\n", "User:"]);
  });

  it.each([
    "",
    "a.gguf?speed=9",
    "a.gguf?sequences=0",
    "a.gguf?sequences=2.5",
    "a.gguf?contextSize=x",
    "a.gguf?maxTokens=0",
    "a.gguf?stop=",
  ])("refuses %j", (name) => {
    expect(codeOf(() => parseGgufName(name))).toBe("AGEMEM_CONFIG_INVALID");
  });

  it("tells a file that is none", () => {
    const folder = mkdtempSync(join(tmpdir(), "agemem-gguf-"));
    writeFileSync(join(folder, "a.gguf"), "GGUF and so on");
    writeFileSync(join(folder, "b.gguf"), "no");
    expect(codeOf(() => checkFile(join(folder, "a.gguf")))).toBeUndefined();
    expect(codeOf(() => checkFile(join(folder, "b.gguf")))).toBe("AGEMEM_CONFIG_INVALID");
    expect(codeOf(() => checkFile(join(folder, "c.gguf")))).toBe("AGEMEM_CONFIG_INVALID");
    rmSync(folder, { recursive: true });
  });
});

describe("gguf: sequences", () => {
  const sequence = (...contextTokens: number[]) => ({ contextTokens });

  it("gives the one that begins most like the prompt, and says how much is reused", async () => {
    const [a, b, c] = [sequence(1, 2, 9), sequence(1, 2, 3, 4), sequence()];
    const pool = new SequencePool([a, b, c]);
    const first = await pool.acquire([1, 2, 3, 5]);
    expect([first.sequence, first.reused()]).toEqual([b, 3]);
    const second = await pool.acquire([7]);
    expect([second.sequence, second.reused()]).toEqual([c, 0]);
    expect(commonPrefix([1, 2], [1, 2, 3])).toBe(2);
  });

  it("reads at least the last token of the prompt anew", async () => {
    const pool = new SequencePool([sequence(1, 2, 3)]);
    expect((await pool.acquire([1, 2, 3])).reused()).toBe(2);
  });

  it("lets requests wait in order, and forget those that were aborted", async () => {
    const only = sequence();
    const pool = new SequencePool([only]);
    const lease = await pool.acquire([1]);
    const order: string[] = [];
    const abort = new AbortController();
    const gone = pool.acquire([2], abort.signal).catch((reason: unknown) => reason);
    const next = pool.acquire([3]).then((given) => {
      order.push("next");
      return given;
    });
    expect(pool.waiting).toBe(2);
    abort.abort(new Error("enough"));
    expect(await gone).toMatchObject({ message: "enough" });
    lease.release();
    lease.release();
    (await next).release();
    expect(order).toEqual(["next"]);
    expect(pool.waiting).toBe(0);
    await expect(pool.acquire([1], abort.signal)).rejects.toThrow("enough");
    expect((await pool.acquire([1])).sequence).toBe(only);
  });
});

describe("gguf: log-probabilities", () => {
  it("asks at each position for the token that follows", () => {
    const items = scoreItems(7, [8, 9]);
    expect(items.map(([token]) => token)).toEqual([7, 8]);
    expect(items.map(([, item]) => item.generateNext.logits.filter.tokens)).toEqual([[8], [9]]);
    expect(items[0]?.[1].generateNext.options).toMatchObject({ temperature: 1, topK: 0, topP: 1, minP: 0 });
  });

  it("is the logarithm of the softmax", () => {
    const logits = [2, 1, -1];
    const total = logits.reduce((sum, logit) => sum + Math.exp(logit - 2), 0);
    const score = {
      next: {
        logits: new Map([
          [0, 2],
          [2, -1],
        ]),
        totalLogitWeight: total,
      },
    };
    const direct = Math.log(Math.exp(-1) / logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
    expect(logProbabilities([2], [score])[0]).toBeCloseTo(direct, 12);
    expect(() => logProbabilities([5], [score])).toThrow(/no logit/);
    expect(() => logProbabilities([5], [undefined])).toThrow(/no logit/);
  });
});

describe("gguf: responses", () => {
  const decoder = {
    detokenize: (tokens: readonly number[]) => Buffer.from(tokens as number[]).toString("utf8"),
  };
  it("holds back the bytes of an unfinished character", () => {
    const stream = new TextStream(decoder);
    const seen = [...Buffer.from("aé☕")].map((byte) => {
      stream.push(byte);
      return stream.text;
    });
    expect(seen).toEqual(["a", "a", "aé", "aé", "aé", "aé☕"]);
    stream.push(0xc3);
    expect(stream.text).toBe("aé☕");
    expect(stream.end()).toBe("aé☕\ufffd");
  });

  it("streams nothing that may be part of a call, a stop string or reasoning", () => {
    expect(visiblePart("Hello <tool_c", reading)).toBe("Hello");
    expect(visiblePart("Hello <tool_call>{", reading)).toBe("Hello");
    expect(visiblePart('{"name"', reading)).toBe("");
    expect(visiblePart('{"name"', { ...reading, names: new Set() })).toBe('{"name"');
    expect(visiblePart("one ST", { ...reading, stop: ["STOP"] })).toBe("one");
    expect(visiblePart("hm", { ...reading, thinking: true })).toBe("");
    expect(visiblePart("a < b", reading)).toBe("a < b");
  });

  it("finds the stop string that comes first", () => {
    expect(stopAt("a b c", ["c", "b", ""])).toEqual({ at: 2, by: "b" });
    expect(stopAt("a", ["b"])).toBeUndefined();
  });

  it("gives calls, usage, and tokens where recordings look for them", () => {
    const message = toMessage(facts, reading);
    expect(message.tool_calls).toMatchObject([{ name: "add", args: { content: "x" } }]);
    expect(message.response_metadata.finish_reason).toBe("tool_calls");
    expect(message.usage_metadata).toMatchObject({
      input_tokens: 2,
      output_tokens: 2,
      input_token_details: { cache_read: 1 },
    });
    expect(
      extractTokens({ raw: message.additional_kwargs.__raw_response, promptTokens: 2, completionTokens: 2 }),
    ).toEqual({
      promptTokenIds: [1, 2],
      responseTokenIds: [3, 4],
      logprobs: [-0.5, -1],
      source: "server",
      policyVersion: null,
      mismatch: null,
    });
    expect(toMessage({ ...facts, recordTokens: false }, reading).additional_kwargs).toEqual({});
    expect(toMessage(facts, reading).tool_calls?.[0]?.id).toBe(message.tool_calls?.[0]?.id);
  });

  it("never takes a broken call for the answer", () => {
    const message = toMessage({ ...facts, text: "<tool_call>{oops</tool_call>" }, reading);
    expect(message.invalid_tool_calls).toHaveLength(1);
    expect(message.tool_calls).toEqual([]);
    expect(message.content).toBe("");
  });

  it("reads no calls where no tools were offered, cuts at the stop string and sets reasoning apart", () => {
    const none = { ...reading, names: new Set<string>() };
    expect(toMessage(facts, none)).toMatchObject({ content: facts.text, tool_calls: [] });
    const cut = toMessage({ ...facts, text: "yes STOP no", finish: "told" }, { ...none, stop: ["STOP"] });
    expect(cut.content).toBe("yes");
    const thought = toMessage({ ...facts, text: "hm</think>yes" }, { ...none, thinking: true });
    expect(thought).toMatchObject({ content: "yes", additional_kwargs: { reasoning_content: "hm" } });
  });
});

describe("gguf: grammars", () => {
  it("has a rule for each part of a schema", () => {
    const grammar = jsonGrammar({
      type: "object",
      properties: {
        kind: { enum: ["a", "b"] },
        tags: { type: "array", items: { type: "string" }, minItems: 1 },
        n: { type: ["integer", "null"] },
        short: { type: "string", maxLength: 80 },
      },
      required: ["kind"],
    });
    expect(grammar).toContain('answer-0 ::= "\\"a\\"" | "\\"b\\""');
    expect(grammar).toContain('answer-1 ::= "[" ws string ("," ws string)* ws "]"');
    expect(grammar).toContain("answer-2 ::= integer | null");
    expect(grammar).toContain('answer-3 ::= "\\"" character{0,80} "\\""');
    expect(grammar.split("\n")[0]).toBe("root ::= answer");
  });

  it("follows references, also to the schema's own parts, and refuses others", () => {
    const node = { type: "object", properties: { next: { $ref: "#/$defs/node" } } };
    expect(jsonGrammar({ $ref: "#/$defs/node", $defs: { node } })).toContain("answer-ref ::= answer-target");
    expect(codeOf(() => jsonGrammar({ $ref: "other.json#/a" }))).toBe("AGEMEM_CONFIG_INVALID");
  });

  it("lets a model answer in plain words unless a call is required", () => {
    expect(toolGrammar([tool], "hermes", false).split("\n")[0]).toBe("root ::= calls | answer");
    const required = toolGrammar([tool], "hermes", true);
    expect(required.split("\n")[0]).toBe("root ::= calls");
    expect(required).toContain('"</tool_call>" "\\n"?){1,1}');
    expect(toolGrammar([tool], "llama3", true)).toContain('"\\"parameters\\""');
  });
});
