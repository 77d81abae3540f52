import { AIMessage, HumanMessage, SystemMessage, ToolMessage } from "@langchain/core/messages";
import { Tiktoken } from "js-tiktoken/lite";
import cl100k from "js-tiktoken/ranks/cl100k_base";
import o200k from "js-tiktoken/ranks/o200k_base";
import { describe, expect, it } from "vitest";
import { createRandom } from "../../src/lib/random.js";
import { encodingOf } from "../../src/models/tokens/openai-tokens.js";
import { tokenCounter } from "../../src/models/tokens.js";

const SAMPLES = [
  "",
  "hello world",
  "The <b>quick</b> brown-fox's 12345.67\n\n\n  indent\t\tx",
  "日本語のテキスト ab\u{1F600}\ud800x 👩‍👩‍👧",
  "Здравствуйте, мир! Ελληνικά العربية हिन्दी 한국어",
  "supercalifragilisticexpialidocious".repeat(5),
  '{"name": "Add_memory", "arguments": {"content": "I\'ve moved"}}',
];
const ALPHABET = [..."aAeE tT\n.,'1:_-<|>éßя日😀"];

describe("text", () => {
  const references = { "gpt-4o": new Tiktoken(o200k), "gpt-4": new Tiktoken(cl100k) };
  it.each(Object.entries(references))("%s counts as js-tiktoken does", (model, reference) => {
    const counter = tokenCounter(model);
    for (const text of SAMPLES) {
      expect([text, counter.countText(text)]).toEqual([text, reference.encode(text).length]);
    }
    for (let seed = 0; seed < 200; seed++) {
      const random = createRandom(`tokens-${seed}`);
      const text = Array.from({ length: random.integer(120) }, () => random.pick(ALPHABET)).join("");
      expect([seed, counter.countText(text)]).toEqual([seed, reference.encode(text, [], []).length]);
    }
  });

  it("knows the published counts", () => {
    // The cookbook's example, and a sentence on which the two encodings differ.
    expect(tokenCounter("gpt-4").countText("tiktoken is great!")).toBe(6);
    expect(tokenCounter("gpt-4").countText("お誕生日おめでとう")).toBe(9);
    expect(tokenCounter("gpt-4o").countText("お誕生日おめでとう")).toBe(8);
  });

  it("takes long monotonous text and special-token text as ordinary text", () => {
    const counter = tokenCounter("gpt-4o");
    expect(counter.countText("a".repeat(100_000))).toBe(12_500);
    expect(counter.countText(" ".repeat(100_000))).toBeGreaterThan(100);
    expect(counter.countText("日".repeat(100_000))).toBe(50_000);
    expect(counter.countText("<|endoftext|>")).toBe(7);
  });
});

describe("models", () => {
  it.each([
    ["gpt-4o-mini-2024-07-18", "o200k_base"],
    ["openai:gpt-5-nano", "o200k_base"],
    ["openai/gpt-oss-20b", "o200k_base"],
    ["ft:gpt-4o-mini:acme::7p4lURel", "o200k_base"],
    ["o3-mini", "o200k_base"],
    ["gpt-4.1", "o200k_base"],
    ["gpt-4-turbo", "cl100k_base"],
    ["gpt-3.5-turbo", "cl100k_base"],
    ["Qwen/Qwen2.5-7B-Instruct", undefined],
    ["o1zzz", undefined],
  ])("%s uses %s", (model, name) => {
    expect(encodingOf(model)).toBe(name);
    expect(tokenCounter(model)).toMatchObject({ name: name ?? "o200k_base", exact: name !== undefined });
  });
});

describe("messages", () => {
  const counter = tokenCounter("gpt-4o");
  const text = (value: string) => counter.countText(value);

  it("adds role and overhead, and the name where there is one", () => {
    expect(counter.countMessage(new SystemMessage("Be brief."))).toBe(3 + 1 + 3);
    const named = new HumanMessage({ content: "hi", name: "ada" });
    expect(counter.countMessage(named)).toBe(3 + 1 + 1 + 1 + text("ada"));
    expect(counter.countMessage(new ToolMessage({ content: "ok", tool_call_id: "call_1" }))).toBe(5);
  });

  it("reproduces the total that OpenAI's cookbook reports for its example", () => {
    const old = tokenCounter("gpt-3.5-turbo-0613");
    const system = (content: string, name?: string) => new SystemMessage({ content, ...(name && { name }) });
    const messages = [
      system(
        "You are a helpful, pattern-following assistant that translates corporate jargon into plain English.",
      ),
      system("New synergies will help drive top-line growth.", "example_user"),
      system("Things working well together will increase revenue.", "example_assistant"),
      system(
        "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
        "example_user",
      ),
      system("Let's talk later when we're less busy about how to do better.", "example_assistant"),
      new HumanMessage(
        "This late pivot means we don't have time to boil the ocean for the client deliverable.",
      ),
    ];
    const total = messages.reduce((sum, message) => sum + old.countMessage(message), 3);
    expect(total).toBe(129);
  });

  it("counts tool calls with name and arguments, once", () => {
    const calls = [{ type: "tool_call" as const, id: "c1", name: "Add_memory", args: { content: "x" } }];
    const plain = counter.countMessage(new AIMessage({ content: "", tool_calls: calls }));
    expect(plain).toBe(3 + 1 + 3 + text("Add_memory") + text('{"content":"x"}'));
    const repeated = [{ type: "tool_use", id: "c1", name: "Add_memory", input: { content: "x" } }];
    expect(counter.countMessage(new AIMessage({ content: repeated, tool_calls: calls }))).toBe(plain);
    const broken = new AIMessage({ content: "", invalid_tool_calls: [{ name: "Add_memory", args: "{" }] });
    expect(counter.countMessage(broken)).toBe(3 + 1 + 3 + text("Add_memory") + 1);
  });

  it.each([
    [[{ type: "image_url", image_url: { url: "https://a.b/c.png", detail: "low" } }], 85],
    [[{ type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }], 765],
    [[{ type: "image", url: "https://a.b/c.png" }], 765],
    [[{ type: "audio", data: "A".repeat(64_000), mimeType: "audio/mp3" }], 30],
    [[{ type: "input_audio", input_audio: { data: "A".repeat(64_000), format: "mp3" } }], 30],
    [[{ type: "audio", url: "https://a.b/c.mp3" }], 600],
    [[{ type: "file", data: "A".repeat(64_000), mimeType: "application/pdf" }], 6000],
    [[{ type: "file", fileId: "file-1" }], 1500],
    [[{ type: "video", url: "https://a.b/c.mp4" }], 3000],
  ])("estimates %j", (content, tokens) => {
    const empty = counter.countMessage(new HumanMessage(""));
    expect(counter.countMessage(new HumanMessage({ content })) - empty).toBe(tokens);
  });

  it("counts text in blocks, reasoning, text files and unknown blocks as text", () => {
    const empty = counter.countMessage(new HumanMessage(""));
    const count = (block: Record<string, unknown> & { type: string }) =>
      counter.countMessage(new HumanMessage({ content: [block] })) - empty;
    expect(count({ type: "text", text: "hello world" })).toBe(2);
    expect(count({ type: "reasoning", reasoning: "hello world" })).toBe(2);
    expect(count({ type: "thinking", thinking: "hello world" })).toBe(2);
    expect(count({ type: "text-plain", text: "hello world" })).toBe(2);
    expect(count({ type: "reasoning" })).toBeGreaterThan(0);
    expect(count({ type: "marvel", payload: "hello world" })).toBeGreaterThan(2);
  });
});

describe("tool schemas", () => {
  // The tool of OpenAI's cookbook ("Counting tokens for tool calls"), of which it says that the API reports 101 tokens
  // for gpt-4o and 105 for gpt-4 together with the two messages below.
  const weather = {
    name: "get_current_weather",
    description: "Get the current weather in a given location",
    parameters: {
      type: "object",
      properties: {
        location: { type: "string", description: "The city and state, e.g. San Francisco, CA" },
        unit: {
          type: "string",
          description: "The unit of temperature to return",
          enum: ["celsius", "fahrenheit"],
        },
      },
      required: ["location"],
    },
  };
  const messages = [
    new SystemMessage("You are a helpful assistant that can answer to questions about the weather."),
    new HumanMessage("What's the weather like in San Francisco?"),
  ];

  it.each([
    ["gpt-4o", 101],
    ["gpt-4", 105],
  ])("%s: the cookbook's request has %d tokens", (model, expected) => {
    const counter = tokenCounter(model);
    const total = messages.reduce((sum, message) => sum + counter.countMessage(message), 3);
    expect(total + counter.countTools([weather])).toBe(expected);
  });

  it("counts nested parameters and nothing for no tools", () => {
    const counter = tokenCounter("gpt-4o");
    expect(counter.countTools([])).toBe(0);
    const flat = counter.countTools([weather]);
    const filter = { type: "object", properties: { city: { type: "string", description: "City" } } };
    const nested = {
      ...weather,
      parameters: { ...weather.parameters, properties: { ...weather.parameters.properties, filter } },
    };
    const inner = 3 + 3 + counter.countText("city:string:City");
    expect(counter.countTools([nested])).toBe(flat + 3 + counter.countText("filter:object:") + inner);
  });
});
