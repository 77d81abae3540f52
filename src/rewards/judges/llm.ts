/**
 * A judge that asks a chat model, with a cache, retries and a count of calls and tokens.
 *
 * Owns asking and the strict reading of replies; the questions are in `prompts.ts`. A reply without the JSON that was
 * asked for is a failed attempt; no score is guessed from it.
 */
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { type AIMessage, HumanMessage, SystemMessage } from "@langchain/core/messages";
import pLimit from "p-limit";
import pRetry from "p-retry";
import { z } from "zod";
import { ModelError, messageOf } from "../../errors.js";
import { addTokens, NO_CALLS, reportedTokens } from "../../lib/call-usage.js";
import { sha256 } from "../../lib/hash.js";
import { GgufChatModel } from "../../models/gguf/chat-model.js";
import { withoutFence } from "../../text/text.js";
import { type CallUsage, METADATA } from "../../types.js";
import type { Judge } from "../judge.js";
import {
  answerPrompt,
  JUDGE_PROMPT_VERSION,
  JUDGE_SYSTEM_PROMPT,
  memoryQualityPrompt,
  relevancePrompt,
  storagePrompt,
} from "./prompts.js";

/** Keeps verdicts by a hash of the model and everything it was asked. See `disk-cache.ts`. */
export interface JudgeCache {
  get(key: string): Promise<unknown> | unknown;
  set(key: string, value: unknown): Promise<void> | void;
}

/** Options of {@link createLlmJudge}. */
export interface LlmJudgeOptions {
  model: BaseChatModel;
  /** Name of the model for the cache key and the record. Default: the model's own name, else that of its class. */
  modelName?: string;
  /** Default: none. */
  cache?: JudgeCache;
  /** Retries after the first attempt. Default 2. */
  retries?: number;
  /** Wait before the first retry in milliseconds, doubled each time. Default 500. */
  retryDelayMs?: number;
  /** Concurrent calls. Default 8. */
  concurrency?: number;
}

const unit = z.number().min(0).max(1);
const scoreReply = z.strictObject({ score: unit });
const labelsReply = z.strictObject({ labels: z.array(z.union([z.literal(0), z.literal(1)])) });

/**
 * A judge that asks a LangChain chat model; set its temperature to 0. Its calls are marked as auxiliary, so that a
 * recorder does not mistake them for the policy's.
 *
 * Its methods raise ModelError `AGEMEM_MODEL_FAILED` when no attempt gives a readable verdict.
 *
 * @example
 * const judge = createLlmJudge({ model: new ChatOpenAI({ model: "qwen-max", temperature: 0 }), cache });
 */
export function createLlmJudge(options: LlmJudgeOptions): Judge {
  const asker = new Asker(options);
  const score = async (prompt: string): Promise<number> => (await asker.ask(prompt, scoreReply)).score;
  return {
    name: `LLM judge (${asker.modelName})`,
    usage: asker.usage,
    answer: (question, gold, predicted) => score(answerPrompt(question, gold, predicted)),
    relevance: async (question, items) => (items.length === 0 ? 0 : score(relevancePrompt(question, items))),
    memoryQuality: async (goldFacts, items, asked) =>
      goldFacts.length === 0 || items.length === 0 ? 0 : score(memoryQualityPrompt(goldFacts, items, asked)),
    storage: async (question, gold, items, goldFacts = []) => {
      if (items.length === 0) return [];
      const reply = labelsReply.refine(({ labels }) => labels.length === items.length, {
        message: `not ${items.length} labels`,
      });
      const { labels } = await asker.ask(storagePrompt(question, gold, items, goldFacts), reply);
      return labels.map((label) => label === 1);
    },
  };
}

class Asker {
  readonly usage: CallUsage = { ...NO_CALLS };
  readonly modelName: string;
  private readonly limit: ReturnType<typeof pLimit>;

  constructor(private readonly options: LlmJudgeOptions) {
    this.modelName = options.modelName ?? nameOf(options.model);
    this.limit = pLimit(options.concurrency ?? 8);
  }

  async ask<T>(prompt: string, schema: z.ZodType<T>): Promise<T> {
    const key = sha256(JSON.stringify([JUDGE_PROMPT_VERSION, this.modelName, JUDGE_SYSTEM_PROMPT, prompt]));
    const known = schema.safeParse(await this.options.cache?.get(key));
    if (known.success) return known.data;
    const verdict = await this.limit(() => this.askModel(prompt, schema));
    await this.options.cache?.set(key, verdict);
    return verdict;
  }

  private async askModel<T>(prompt: string, schema: z.ZodType<T>): Promise<T> {
    try {
      return await pRetry(() => this.attempt(prompt, schema), {
        retries: this.options.retries ?? 2,
        minTimeout: this.options.retryDelayMs ?? 500,
      });
    } catch (cause) {
      throw new ModelError("AGEMEM_MODEL_FAILED", `The judge gave no verdict: ${messageOf(cause)}`, {
        cause,
        remedy: "Check the judge's endpoint, or score with the offline judge.",
        details: { model: this.modelName },
      });
    }
  }

  private async attempt<T>(prompt: string, schema: z.ZodType<T>): Promise<T> {
    const started = performance.now();
    const { model } = this.options;
    this.usage.calls++;
    try {
      const reply = await model.invoke([new SystemMessage(JUDGE_SYSTEM_PROMPT), new HumanMessage(prompt)], {
        runName: "agemem_judge",
        metadata: { [METADATA.callRole]: "aux" },
        ...grammarFor(model, schema),
      });
      this.count(reply as AIMessage);
      return parseReply(reply.text, schema);
    } finally {
      this.usage.latencyMs += performance.now() - started;
    }
  }

  private count(reply: AIMessage): void {
    // `attempt` has counted the call itself, so that failed ones count too.
    Object.assign(this.usage, addTokens(this.usage, { ...reportedTokens(reply), calls: 0 }));
  }
}

/** A local model writes only the JSON asked for; a served one is told to by the prompt. */
function grammarFor(model: BaseChatModel, schema: z.ZodType): Record<string, unknown> {
  return model instanceof GgufChatModel ? { responseSchema: z.toJSONSchema(schema) } : {};
}

/** Parses the reply's JSON object; reasoning before it and a code fence around it are tolerated. */
function parseReply<T>(text: string, schema: z.ZodType<T>): T {
  const body = text.replace(/^[\s\S]*<\/think>/, "").trim();
  const fenced = withoutFence(body);
  let value: unknown;
  try {
    value = JSON.parse(fenced);
  } catch (cause) {
    throw new Error(`the reply is not the JSON asked for: ${fenced.slice(0, 80)}`, { cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new Error(`the reply ${fenced.slice(0, 80)} is not valid: ${issue?.message ?? "unknown form"}`);
}

function nameOf(model: BaseChatModel): string {
  const named = model as { model?: unknown; modelName?: unknown };
  const name = named.model ?? named.modelName;
  return typeof name === "string" && name ? name : model.getName();
}
