/**
 * A policy server in vLLM's shape over a real chat template and a real tokenizer.
 *
 * The prompt is rendered from the request's messages and tools by a Jinja template of ChatML's kind, as Qwen's models
 * have it, and encoded by a byte-pair encoding with special tokens. The "model" writes what a test tells it to, in
 * tokens that the encoder would not choose for the same text, as sampling does. Tool calls are parsed out of the text.
 */
import { Template } from "@huggingface/jinja";
import { Tiktoken } from "js-tiktoken/lite";
import o200k from "js-tiktoken/ranks/o200k_base";
import { startOpenAIServer } from "../../src/testing/openai-server.js";
import type { WireReply, WireRequest, WireToken } from "../../src/testing/openai-wire.js";

const SPECIAL = ["<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>", "<think>", "</think>"];
const tokenizer = new Tiktoken(o200k, Object.fromEntries(SPECIAL.map((text, i) => [text, 210_000 + i])));
const encode = (text: string): number[] => tokenizer.encode(text, "all");
const decode = (ids: readonly number[]): string => tokenizer.decode([...ids]);

/** Drops earlier thoughts and writes calls anew, as such templates do: prompts are not continuations of each other. */
const template = new Template(`
{%- if tools %}
{{- '<|im_start|>system\\n' }}
{%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{%- endif %}
{{- '# Tools\\n<tools>' }}
{%- for tool in tools %}{{- '\\n' + (tool | tojson) }}{%- endfor %}
{{- '\\n</tools>\\nFor each call return <tool_call>{"name": ..., "arguments": ...}</tool_call><|im_end|>\\n' }}
{%- elif messages[0].role == 'system' %}
{{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
{%- if message.role == 'user' %}
{{- '<|im_start|>user\\n' + message.content + '<|im_end|>\\n' }}
{%- elif message.role == 'assistant' %}
{{- '<|im_start|>assistant\\n' }}
{%- if message.content %}{{- message.content.split('</think>')[-1] }}{%- endif %}
{%- for call in message.tool_calls or [] %}
{{- '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' + (call.function.arguments | tojson) + '}\\n</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- elif message.role == 'tool' %}
{{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}
{%- endif %}
{%- endfor %}
{{- '<|im_start|>assistant\\n' }}
`);

type Call = { function: { name: string; arguments: unknown } };

/** Token ids of a prompt: arguments are objects to the template, as vLLM hands them over. */
export function promptIds(messages: readonly Record<string, unknown>[], tools?: unknown): number[] {
  const shown = messages.map((message) => ({
    ...message,
    tool_calls: (message.tool_calls as Call[] | undefined)?.map(
      ({ function: { name, arguments: text } }) => ({
        function: { name, arguments: JSON.parse(String(text)) },
      }),
    ),
  }));
  return encode(template.render({ messages: shown, tools: tools ?? null }));
}

/** What the server saw and sampled at one call. */
export interface Sampled {
  promptIds: number[];
  ids: number[];
  logprobs: number[];
  /** Text with special tokens, as the ids say. */
  text: string;
}

/** Text cut where no encoder would cut it: ids that say the same, and mostly others than its own. */
function sample(text: string, seed: number): WireToken[] {
  const pieces = text.split(/(<\|im_end\|>|<\/?(?:tool_call|think)>)/).flatMap((part) => {
    if (SPECIAL.includes(part)) return [part];
    const points = [...part];
    const width = 3 + (seed % 3);
    return Array.from({ length: Math.ceil(points.length / width) }, (_, i) =>
      points.slice(i * width, (i + 1) * width).join(""),
    );
  });
  return pieces
    .flatMap(encode)
    .map((id, i) => ({ id, text: decode([id]), logprob: -((i % 7) + 1) / 2 ** (1 + (seed % 3)) }));
}

/** As vLLM's Hermes parser: the calls of a text, and what stands before them. Arguments stay as they were written. */
function parse(text: string): WireReply {
  const calls = [
    ...text.matchAll(/<tool_call>\n?\{"name": "([^"]+)", "arguments": ([\s\S]*?)\}\n?<\/tool_call>/g),
  ];
  const content = text.split("<tool_call>")[0]?.trim() ?? "";
  return {
    ...(content ? { content } : {}),
    tool_calls: calls.map(([, name = "", args = ""], i) => ({
      name,
      args,
      id: `call_${i}_${content.length}`,
    })),
  };
}

/** What the model writes: texts in order, or one made from the request, cut at the length limit or not. */
type Says = readonly string[] | ((request: WireRequest) => string | { cut: string });

/** Starts it. `hermes` parses tool calls; without it the text is the content, as for the text protocol. */
export async function startTemplatedServer(says: Says, hermes: boolean) {
  const sampled: Sampled[] = [];
  const server = await startOpenAIServer((request: WireRequest): WireReply => {
    const said = typeof says === "function" ? says(request) : says[sampled.length];
    if (said === undefined) throw new Error(`The script has ${says.length} responses`);
    const text = typeof said === "string" ? said : said.cut;
    const ending = typeof said === "string" ? "<|im_end|>" : "";
    const tokens = sample(text + ending, sampled.length);
    const prompt = promptIds((request.messages ?? []) as Record<string, unknown>[], request.tools);
    sampled.push({
      promptIds: prompt,
      ids: tokens.map(({ id }) => id),
      logprobs: tokens.map(({ logprob }) => logprob),
      text: text + ending,
    });
    return {
      ...(hermes ? parse(text) : { content: text }),
      ...(ending ? {} : { finish_reason: "length" }),
      tokens,
      promptTokenIds: prompt,
    };
  });
  return { ...server, sampled };
}

export { decode, encode };
