/**
 * What every chat model of agemem must do, as a suite: run it on each implementation.
 *
 * Owns the contract with LangChain (content, usage, tools, streaming, abort). Leaves out how good the answers are: a model of a
 * hundred million parameters passes.
 */
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import {
  AIMessage,
  AIMessageChunk,
  HumanMessage,
  SystemMessage,
  ToolMessage,
} from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { describe, expect, it } from "vitest";
import { z } from "zod";

/** What the suite needs of an implementation. */
export interface ChatModelCase {
  /** A model that answers the next call with text. */
  text: () => BaseChatModel;
  /** A model, bound to the tool, whose next response calls it. */
  calling: (
    tools: ReturnType<typeof conformanceTool>[],
  ) => ReturnType<NonNullable<BaseChatModel["bindTools"]>>;
  /** Does the model count its tokens? */
  usage: boolean;
  /** Does it heed a signal? A script takes no time that could be cut short. */
  aborts: boolean;
  timeoutMs?: number;
}

/** The tool of the suite. */
export function conformanceTool() {
  return tool(async () => "stored", {
    name: "add_memory",
    description: "Stores a fact about the user.",
    schema: z.object({ content: z.string().max(80), memory_type: z.enum(["fact", "event"]) }),
  });
}

const question = [new SystemMessage("You are brief."), new HumanMessage("What is the capital of Norway?")];

/** Runs the suite. */
export function chatModelConformance(
  name: string,
  { text, calling, usage, aborts, timeoutMs = 30_000 }: ChatModelCase,
): void {
  describe(`chat model: ${name}`, { timeout: timeoutMs }, () => {
    it("answers with text", async () => {
      const answer = await text().invoke(question);
      expect(AIMessage.isInstance(answer)).toBe(true);
      expect(answer.text).toMatch(/\w/);
      expect(answer.tool_calls ?? []).toEqual([]);
      if (!usage) return;
      const { input_tokens = 0, output_tokens = 0, total_tokens } = answer.usage_metadata ?? {};
      expect(input_tokens).toBeGreaterThan(8);
      expect(output_tokens).toBeGreaterThan(0);
      expect(total_tokens).toBe(input_tokens + output_tokens);
    });

    it("calls a tool with arguments that fit its schema, and takes its result", async () => {
      const add = conformanceTool();
      const response = (await calling([add]).invoke([
        new HumanMessage("Remember that Ada lives in Oslo."),
      ])) as AIMessage;
      const [call] = response.tool_calls ?? [];
      expect(call?.name).toBe("add_memory");
      expect(call?.id).toEqual(expect.any(String));
      expect(add.schema.safeParse(call?.args).success).toBe(true);
      const result = new ToolMessage({ content: "stored", tool_call_id: call?.id ?? "", name: "add_memory" });
      const answer = await text().invoke([...question, response, result]);
      expect(AIMessage.isInstance(answer)).toBe(true);
    });

    it("streams chunks that make the whole message", async () => {
      let whole: AIMessageChunk | undefined;
      let chunks = 0;
      for await (const chunk of await text().stream(question)) {
        expect(AIMessageChunk.isInstance(chunk)).toBe(true);
        whole = whole ? whole.concat(chunk as AIMessageChunk) : (chunk as AIMessageChunk);
        chunks++;
      }
      expect(chunks).toBeGreaterThan(1);
      expect(whole?.text).toMatch(/\w/);
    });

    it("streams calls as chunks too", async () => {
      let whole: AIMessageChunk | undefined;
      for await (const chunk of await calling([conformanceTool()]).stream([
        new HumanMessage("Ada lives in Oslo."),
      ])) {
        whole = whole ? whole.concat(chunk as AIMessageChunk) : (chunk as AIMessageChunk);
      }
      expect(whole?.tool_calls?.map((call) => call.name)).toEqual(["add_memory"]);
    });

    if (!aborts) return;
    it("stops for a signal that is aborted already", async () => {
      await expect(text().invoke(question, { signal: AbortSignal.abort() })).rejects.toThrow();
    });
  });
}
