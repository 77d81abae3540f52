/**
 * From messages and tools to token ids, such that text of messages cannot speak as the template.
 *
 * A user's "<|im_end|>" would end the turn if it were read as the token of that name. Such text in messages is swapped for
 * private-use characters before rendering and read as plain text afterwards. Leaves out templates (`template.ts`).
 */
import type { BaseMessage } from "@langchain/core/messages";
import type { LlamaModel } from "./llama-api.js";
import type { ChatTemplate, TemplateMessage } from "./template.js";
import { addTools, type OpenAITool, templateMessages } from "./template-messages.js";

/** What is needed of a model's vocabulary. */
export interface Vocabulary {
  tokenize(text: string, specialTokens: boolean, options?: "trimLeadingSpace"): number[];
}

/** Messages without text that a vocabulary takes for a special token, and what was taken out. */
export interface Guarded {
  messages: TemplateMessage[];
  /** By the character that stands for it. */
  swapped: ReadonlyMap<string, string>;
}

/** A prompt as the model reads it. */
export interface Prompt {
  /** Its tokens. */
  prompt: number[];
  /** It ends inside of reasoning. */
  thinking: boolean;
}

/** Messages and tools as tokens. Pure: the same messages give the same tokens, so that recordings can be checked. */
export function promptOf(
  { model, template }: { model: Pick<LlamaModel, "tokenize" | "tokens">; template: ChatTemplate },
  messages: readonly BaseMessage[],
  tools: readonly OpenAITool[],
): Prompt {
  // Only what others wrote is guarded: tools come from the application, and teach marks that are tokens to some models.
  const guarded = guardMessages(templateMessages(messages, template), model);
  const withTools = template.knowsTools ? guarded.messages : addTools(guarded.messages, tools);
  const rendered = template.render({
    messages: withTools,
    tools: template.knowsTools ? [...tools] : [],
    bos: model.tokens.bosString ?? "",
    eos: model.tokens.eosString ?? "",
  });
  const bos = model.tokens.shouldPrependBosToken ? model.tokens.bos : null;
  return {
    prompt: promptTokens(rendered, guarded.swapped, model, bos),
    thinking: /<think>\s*$/.test(rendered),
  };
}

const FIRST = 0xe000;
const LAST = 0xf8ff;
/** What special tokens look like in all known vocabularies. */
const CANDIDATE = /<[^\s<>]{1,40}>|\[\/?[A-Z_]{2,30}\]|[\ue000-\uf8ff]/g;

/** Swaps special tokens in the messages' text; private-use characters that were there before stay as text too. */
export function guardMessages(messages: readonly TemplateMessage[], vocabulary: Vocabulary): Guarded {
  const swapped = new Map<string, string>();
  const byText = new Map<string, string>();
  const swap = (text: string): string =>
    text.replace(CANDIDATE, (found) => {
      const known = byText.get(found);
      if (known) return known;
      const own = found.length === 1;
      if ((!own && !isSpecial(found, vocabulary)) || FIRST + swapped.size > LAST) return found;
      const mark = String.fromCharCode(FIRST + swapped.size);
      swapped.set(mark, found);
      byText.set(found, mark);
      return mark;
    });
  return { messages: messages.map((message) => swapText(message, swap)), swapped };
}

function isSpecial(text: string, vocabulary: Vocabulary): boolean {
  const special = vocabulary.tokenize(text, true);
  const plain = vocabulary.tokenize(text, false);
  return special.length !== plain.length || special.some((token, at) => token !== plain[at]);
}

function swapText(message: TemplateMessage, swap: (text: string) => string): TemplateMessage {
  const calls = message.tool_calls?.map((call) => ({
    ...call,
    function: {
      ...call.function,
      arguments: swapDeep(call.function.arguments, swap) as Record<string, unknown>,
    },
  }));
  return { ...message, content: swap(message.content), ...(calls ? { tool_calls: calls } : {}) };
}

function swapDeep(value: unknown, swap: (text: string) => string): unknown {
  if (typeof value === "string") return swap(value);
  if (Array.isArray(value)) return value.map((each) => swapDeep(each, swap));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, swapDeep(inner, swap)]));
}

/** The prompt's tokens, begun with `bos` where the vocabulary wants one and the template wrote none. */
export function promptTokens(
  rendered: string,
  swapped: Guarded["swapped"],
  vocabulary: Vocabulary,
  bos: number | null,
): number[] {
  const out: number[] = [];
  for (const part of split(rendered, swapped)) {
    const options = out.length > 0 ? ["trimLeadingSpace" as const] : [];
    out.push(...vocabulary.tokenize(part.text, part.special, ...options));
  }
  return bos !== null && out[0] !== bos ? [bos, ...out] : out;
}

function split(rendered: string, swapped: Guarded["swapped"]): { text: string; special: boolean }[] {
  const parts: { text: string; special: boolean }[] = [];
  let text = "";
  const flush = () => {
    if (text) parts.push({ text, special: true });
    text = "";
  };
  for (const char of rendered) {
    const original = swapped.get(char);
    if (original === undefined) {
      text += char;
      continue;
    }
    flush();
    parts.push({ text: original, special: false });
  }
  flush();
  return parts;
}
