/**
 * Strict parser of the tag protocol (AgeMem, appendix):
 * `<think>…</think>`, then exactly one of `<tool_call>[…]</tool_call>` or `<answer>…</answer>`.
 *
 * Owns what counts as well-formed. It tolerates what models often do and what cannot change the meaning: a missing
 * think block, white space and a code fence around the JSON, a single call without array brackets. Anything else is an
 * error with a reason. Never throws.
 */
import { withoutFence } from "../../text/text.js";

/** A tool call as written by the model. */
export interface ParsedCall {
  name: string;
  arguments: Record<string, unknown>;
}

export type ParsedResponse =
  | { kind: "calls"; think: string; calls: ParsedCall[] }
  | { kind: "answer"; think: string; answer: string }
  | { kind: "error"; think: string; problem: string };

const TAGS = ["think", "tool_call", "answer"] as const;
type Tag = (typeof TAGS)[number];

/**
 * Reads one response.
 *
 * @example
 * parseTextResponse("<think>easy</think><answer>4</answer>"); // { kind: "answer", think: "easy", answer: "4" }
 */
export function parseTextResponse(text: string): ParsedResponse {
  const blocks = readBlocks(text);
  if (typeof blocks === "string") return { kind: "error", think: "", problem: blocks };
  const think = blocks.filter((block) => block.tag === "think").map((block) => block.body.trim());
  const acts = blocks.filter((block) => block.tag !== "think");
  const thought = think.join("\n");
  const fail = (problem: string): ParsedResponse => ({ kind: "error", think: thought, problem });
  if (think.length > 1) return fail("it has more than one <think> block");
  const [act] = acts;
  if (!act) return fail("it has neither <tool_call> nor <answer>");
  if (acts.length > 1) return fail("it must have exactly one of <tool_call> and <answer>");
  if (think.length === 1 && blocks[0]?.tag !== "think") return fail("<think> must come first");
  if (act.tag === "answer") {
    const answer = act.body.trim();
    if (answer.includes("</answer>")) return fail("it has more than one </answer>");
    return answer ? { kind: "answer", think: thought, answer } : fail("<answer> is empty");
  }
  const calls = parseCalls(act.body);
  return typeof calls === "string" ? fail(calls) : { kind: "calls", think: thought, calls };
}

/** The top-level blocks in order, or what is wrong. */
function readBlocks(text: string): { tag: Tag; body: string }[] | string {
  const blocks: { tag: Tag; body: string }[] = [];
  let rest = text.trim();
  while (rest) {
    const tag = TAGS.find((name) => rest.startsWith(`<${name}>`));
    if (!tag) return `there is text outside the tags ("${rest.slice(0, 40)}")`;
    const start = tag.length + 2;
    const end = closingTag(rest, tag, start);
    if (end === -1) return `<${tag}> is not closed`;
    blocks.push({ tag, body: rest.slice(start, end) });
    rest = rest.slice(end + tag.length + 3).trim();
  }
  return blocks;
}

/**
 * Where a block ends. A think block ends at its first closing tag. A call or answer is the last block of a response and
 * may mention the tags itself, so it ends at the last closing tag.
 */
function closingTag(text: string, tag: Tag, start: number): number {
  const close = `</${tag}>`;
  return tag === "think" ? text.indexOf(close, start) : text.lastIndexOf(close);
}

function parseCalls(body: string): ParsedCall[] | string {
  let value: unknown;
  try {
    value = JSON.parse(withoutFence(body));
  } catch {
    return "<tool_call> does not hold a JSON array";
  }
  const list = Array.isArray(value) ? value : [value];
  if (list.length === 0) return "<tool_call> holds an empty array";
  const calls: ParsedCall[] = [];
  for (const [index, entry] of list.entries()) {
    if (!isRecord(entry)) return `call ${index + 1} is not an object`;
    if (typeof entry.name !== "string" || !entry.name) return `call ${index + 1} has no "name"`;
    if (!isRecord(entry.arguments)) return `call ${index + 1} has no "arguments" object`;
    calls.push({ name: entry.name, arguments: entry.arguments });
  }
  return calls;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
