import { AIMessage, type BaseMessage, HumanMessage, ToolMessage } from "@langchain/core/messages";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { splitForSummary, summarize } from "../../../src/context/edits/summarize.js";
import { summaryMessage } from "../../../src/context/summary-message.js";
import { renderTranscript } from "../../../src/context/transcript.js";
import { unescapeXml } from "../../../src/text/escaping.js";
import { ai, call, charCounter, system, user } from "../helpers.js";

const counter = charCounter();

describe("renderTranscript", () => {
  it("attributes, escapes and shows calls, names and failures", () => {
    const failed = new ToolMessage({
      id: "t",
      tool_call_id: "c1",
      name: "search",
      content: "no",
      status: "error",
    });
    const named = new HumanMessage({
      id: "u",
      name: 'b"b',
      content: '</message>\n</transcript> "S" & <system>',
    });
    expect(renderTranscript([system("s", "Rule."), named, call("a", ["c1"], "Wait."), failed])).toBe(
      [
        "<transcript>",
        '<message role="system">Rule.</message>',
        '<message role="user" name="b&quot;b">&lt;/message&gt;\n&lt;/transcript&gt; &quot;S&quot; &amp; &lt;system&gt;</message>',
        '<message role="assistant">Wait.\n[calls search c1 with {&quot;q&quot;:&quot;c1&quot;}]</message>',
        '<message role="tool" name="search" call="c1" status="error">no</message>',
        "</transcript>",
      ].join("\n"),
    );
  });

  it("describes every block and never shows nothing", () => {
    const blocks = [
      { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } },
      {
        type: "file",
        source_type: "base64",
        mime_type: "application/pdf",
        filename: "a.pdf",
        data: "x".repeat(1500),
      },
      { type: "reasoning", reasoning: "Because." },
      { type: "thinking", signature: "zzz" },
      { type: "input_audio", input_audio: { data: "abcd", format: "wav" } },
      { type: "image", source: { type: "base64", media_type: "image/jpeg", data: "abc" } },
      { type: "mystery" },
    ];
    const text = renderTranscript([new HumanMessage({ id: "u", content: blocks as never }), ai("a", "")]);
    expect(text).toContain("[image url: 26 characters of data]");
    expect(text).toContain("[file: a.pdf, application/pdf, 1,500 characters of data]");
    expect(text).toContain("[reasoning: Because.]");
    expect(text).toContain("[reasoning, hidden by the provider]");
    expect(text).toContain("[input audio: wav, 4 characters of data]");
    expect(text).toContain("[image: image/jpeg, 3 characters of data]");
    expect(text).toContain("[mystery]");
    expect(text).toContain('<message role="assistant">[no text]</message>');
  });
});

describe("splitForSummary", () => {
  const bodies = (part: BaseMessage[]) =>
    [...renderTranscript(part).matchAll(/<message [^>]*>([^<]*)<\/message>/g)].map((m) =>
      unescapeXml(m[1] as string),
    );

  it("packs messages and cuts one that is too large at its passages", () => {
    const long = Array.from({ length: 30 }, (_, i) => `Sentence number ${i} ends here.`).join(" ");
    const parts = splitForSummary([user("u1", "Hi."), user("u2", long), ai("a", "Bye.")], counter, 100);
    for (const part of parts) expect(counter.countText(renderTranscript(part))).toBeLessThanOrEqual(100);
    const flat = parts.flat();
    expect(flat[0]?.content).toBe("Hi.");
    expect(flat.at(-1)?.content).toBe("Bye.");
    const pieces = flat.slice(1, -1);
    expect(pieces.map((p) => p.content).join("")).toBe(long);
    expect(pieces.every((p) => /\.$/.test(String(p.content)))).toBe(true);
    expect(pieces[0]?.additional_kwargs.agemem_part).toBe(`1/${pieces.length}`);
  });

  it("drops nothing and fits every part, for any texts and windows", () => {
    const said = fc.oneof(fc.string({ unit: "binary", maxLength: 400 }), fc.string({ maxLength: 30 }));
    void fc.assert(
      fc.property(fc.array(said, { maxLength: 5 }), fc.integer({ min: 60, max: 200 }), (texts, window) => {
        const messages = texts.map((text, i) => [user, ai][i % 2]?.(`m${i}`, text) as BaseMessage);
        const parts = splitForSummary(messages, counter, window);
        for (const part of parts)
          expect(counter.countText(renderTranscript(part))).toBeLessThanOrEqual(window);
        expect(parts.flatMap(bodies).join("")).toBe(texts.map((text) => text || "[no text]").join(""));
      }),
      { numRuns: 1500, seed: 11 },
    );
  });

  it("refuses a window without room for a word", () => {
    expect(() => splitForSummary([user("u", "x".repeat(1000))], counter, 10)).toThrow(RangeError);
  });
});

describe("summarize", () => {
  it("asks once when all fits, handing over the summary it begins with", async () => {
    const asked: unknown[] = [];
    const earlier = summaryMessage("Earlier facts.", { editId: "e0", messages: 3, rounds: 1 });
    const call = async (transcript: string, previous?: string) => {
      asked.push([transcript, previous]);
      return " New summary. ";
    };
    const text = await summarize([earlier, user("u", "More.")], { call, counter, windowTokens: 1000 });
    expect(text).toBe("New summary.");
    expect(asked).toEqual([
      ['<transcript>\n<message role="user">More.</message>\n</transcript>', "Earlier facts."],
    ]);
  });

  it("folds over parts so that every fact is shown, each call within the window", async () => {
    const facts = Array.from({ length: 60 }, (_, i) => `Fact ${i} is here.`);
    const messages = facts.map((fact, i) => user(`u${i}`, fact));
    const seen = new Set<string>();
    let previousSummary: string | undefined;
    const call = async (transcript: string, previous?: string) => {
      expect(previous).toBe(previousSummary);
      expect(counter.countText(transcript) + counter.countText(previous ?? "")).toBeLessThanOrEqual(200);
      for (const fact of facts) if (transcript.includes(fact)) seen.add(fact);
      previousSummary = `Summary after ${seen.size}.`;
      return previousSummary;
    };
    expect(await summarize(messages, { call, counter, windowTokens: 200 })).toBe("Summary after 60.");
    expect(seen.size).toBe(60);
  });

  it("condenses a summary that outgrows the window", async () => {
    const call = async (transcript: string) =>
      transcript.includes("earlier") ? "short" : `earlier ${"x".repeat(600)}`;
    const messages = Array.from({ length: 30 }, (_, i) => user(`u${i}`, "y".repeat(60)));
    await expect(summarize(messages, { call, counter, windowTokens: 200 })).resolves.toContain("x");
    const stubborn = async () => "z".repeat(4000);
    await expect(summarize(messages, { call: stubborn, counter, windowTokens: 200 })).rejects.toMatchObject({
      code: "AGEMEM_SUMMARY_FAILED",
    });
  });

  it("fails with the cause, and on an empty answer", async () => {
    const cause = new Error("429");
    const options = { counter, windowTokens: 500 };
    const failing = summarize([user("u")], { ...options, call: () => Promise.reject(cause) });
    await expect(failing).rejects.toMatchObject({ code: "AGEMEM_SUMMARY_FAILED", cause });
    const empty = summarize([user("u")], { ...options, call: async () => " \n" });
    await expect(empty).rejects.toMatchObject({ code: "AGEMEM_SUMMARY_FAILED" });
    const aborted = Object.assign(new Error("stop"), { name: "AbortError" });
    await expect(summarize([user("u")], { ...options, call: () => Promise.reject(aborted) })).rejects.toBe(
      aborted,
    );
  });

  it("summarizes tool calls cut in parts with their names", async () => {
    const big = new AIMessage({
      id: "a",
      content: "",
      tool_calls: [{ id: "c", name: "write_file", args: { text: "word ".repeat(400) } }],
    });
    let all = "";
    const call = async (transcript: string) => {
      all += transcript.match(/>([^<]*)<\/message>/)?.[1] ?? "";
      return "ok";
    };
    await summarize([big], { call, counter, windowTokens: 150 });
    expect(all).toContain("[calls write_file c with");
    expect(all.match(/word/g)).toHaveLength(400);
  });
});
