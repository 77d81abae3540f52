import { HumanMessage, SystemMessage } from "@langchain/core/messages";
import { describe, expect, it } from "vitest";
import { OfflineSummarizer } from "../../src/offline/summarizer.js";

const MARK = "[extractive summary, not a language model]";
const element = (role: string, text: string) => `<message role="${role}">${text}</message>`;

async function summarize(transcript: string, share?: number): Promise<string> {
  const model = new OfflineSummarizer(share === undefined ? {} : { share });
  const response = await model.invoke([
    new SystemMessage("Condense."),
    new HumanMessage(`Transcript:\n${transcript}`),
  ]);
  return response.text;
}

const FILLER = "That is really very interesting, and one could go on about it for a while without an end.";

describe("the extractive summarizer", () => {
  it("says what it is, and keeps first-person facts before filler, in order", async () => {
    const transcript = [
      element("user", `I live in Porto. ${FILLER}`),
      element("assistant", `Noted. ${FILLER.replace("really", "truly")}`),
      element("user", "My flight AT 1873 leaves on 14 December at 07:25. Hello there!"),
      element("assistant", FILLER.replace("very", "rather").repeat(4)),
    ].join("\n");
    const text = await summarize(transcript);
    expect(text.startsWith(MARK)).toBe(true);
    expect(text).toMatch(/I live in Porto\.[\s\S]*AT 1873/);
    expect(text).not.toContain("Hello there");
    expect(text.length).toBeLessThan(transcript.length * 0.6);
  });

  it.each([0.1, 0.25, 0.5])(
    "never drops a first-person fact while filler is kept (share %d)",
    async (share) => {
      const facts = Array.from({ length: 12 }, (_, i) => `I bought item number ${i} in shop ${i * 7}.`);
      const transcript = facts.map((fact, i) =>
        element("user", `${fact} ${FILLER.replace("while", `while ${i}`)}`),
      );
      const text = await summarize(transcript.join("\n"), share);
      const missing = facts.filter((fact) => !text.includes(fact));
      expect(missing.length === 0 || !text.includes("without an end")).toBe(true);
    },
  );

  it("reads plain speaker labels and an earlier summary too", async () => {
    const text = await summarize("user: I am allergic to peanuts.\nassistant: ok");
    expect(text).toContain("allergic to peanuts");
    const again = await new OfflineSummarizer().invoke(
      `Summary of the parts before this one, to be carried over into yours:\n<previous_summary>\n${text}\n</previous_summary>\n\nTranscript:\nuser: I also live in Porto.`,
    );
    expect(again.text).toMatch(/peanuts[\s\S]*Porto/);
    expect(again.text.split(MARK)).toHaveLength(2);
  });

  it("does not carry on what the user asked to forget", async () => {
    const text = await summarize(
      [
        element("user", "My old flatmate Daniel has the spare key. I live in Porto."),
        element("user", "Please forget what I said about Daniel and the spare key."),
      ].join("\n"),
    );
    expect(text).not.toContain("flatmate Daniel has");
    expect(text).toContain("Porto");
  });

  it("stands empty and very long input", async () => {
    expect((await summarize("")).startsWith(MARK)).toBe(true);
    const long = await summarize(
      element("user", "I walked across the bridge number 5 in Porto. ".repeat(4000)),
    );
    expect(long.length).toBeLessThan(60_000);
  });

  it("refuses a share outside (0, 1]", () => {
    expect(() => new OfflineSummarizer({ share: 0 })).toThrow(RangeError);
    expect(() => new OfflineSummarizer({ share: 2 })).toThrow(RangeError);
  });
});
