/** How one prompt developed from the one before it. Pure. */
import type { RecordedEdit } from "./schema.js";
import type { MemoryOpRecord, MessageRecord, ResponseRecord } from "./schema-parts.js";

/** The prompt of a policy call. */
interface PromptState {
  stage: number;
  messages: readonly MessageRecord[];
  tools: readonly unknown[];
}

/** The prompt of the earlier call, with its response and the operations that followed. */
export interface EarlierPrompt extends PromptState {
  response: ResponseRecord | null;
  memory_ops: readonly MemoryOpRecord[];
}

/**
 * Compares the prompts of consecutive policy calls.
 *
 * `extends_previous` is exact: the same tools, and all earlier messages and the response unchanged, followed by at
 * least one more message. (Whether the token ids are a prefix too depends on the chat template; compare
 * `prompt_token_ids`.) `context_edit` ignores system messages, so that a changed budget line in the system prompt does
 * not hide an append: "append" or "retrieve" when the conversation grew, "stage_reset" when a new stage began without
 * the old one, "summary" or "filter" when such an edit explains the difference, else "other".
 */
export function compareContexts(
  previous: EarlierPrompt | null,
  current: PromptState,
): { extends_previous: boolean; context_edit: RecordedEdit } {
  if (!previous) return { extends_previous: false, context_edit: "start" };
  const expected = previous.response ? [...previous.messages, previous.response] : previous.messages;
  const extends_previous =
    sameTools(previous.tools, current.tools) &&
    current.messages.length > expected.length &&
    startsWith(current.messages, expected);
  const grew = startsWith(current.messages.filter(isTalk), expected.filter(isTalk));
  const did = (op: MemoryOpRecord["op"]): boolean => previous.memory_ops.some((o) => o.op === op && o.ok);
  if (grew) return { extends_previous, context_edit: did("RETRIEVE") ? "retrieve" : "append" };
  if (current.stage !== previous.stage && !sharesTalk(previous, current)) {
    return { extends_previous, context_edit: "stage_reset" };
  }
  if (did("SUMMARY")) return { extends_previous, context_edit: "summary" };
  if (did("FILTER")) return { extends_previous, context_edit: "filter" };
  return { extends_previous, context_edit: "other" };
}

type Comparable = MessageRecord | ResponseRecord;

function isTalk(message: Comparable): boolean {
  return message.role !== "system" && message.role !== "developer";
}

function startsWith(messages: readonly Comparable[], prefix: readonly Comparable[]): boolean {
  return messages.length >= prefix.length && prefix.every((message, i) => same(message, messages[i]));
}

function sharesTalk(previous: EarlierPrompt, current: PromptState): boolean {
  const before = new Set(previous.messages.filter(isTalk).map(key));
  return current.messages.some((message) => isTalk(message) && before.has(key(message)));
}

/** Equal for the model: ids in the graph's state do not count, and null, "" and absent text are the same. */
function same(a: Comparable, b: Comparable | undefined): boolean {
  if (b === undefined || a === b) return b !== undefined;
  return a.role === b.role && sameContent(a, b) && sameCalls(a, b) && answerTo(a) === answerTo(b);
}

function sameContent({ content: a }: Comparable, { content: b }: Comparable): boolean {
  const [one, other] = [a ?? "", b ?? ""];
  if (typeof one === "string" || typeof other === "string") return one === other;
  return JSON.stringify(one) === JSON.stringify(other);
}

function sameCalls({ tool_calls: a = [] }: Comparable, { tool_calls: b = [] }: Comparable): boolean {
  const equal = (i: number) =>
    a[i]?.id === b[i]?.id && a[i]?.name === b[i]?.name && a[i]?.arguments === b[i]?.arguments;
  return a.length === b.length && a.every((_, i) => equal(i));
}

function answerTo(message: Comparable): string | null {
  return ("tool_call_id" in message ? message.tool_call_id : undefined) ?? null;
}

function key(message: Comparable): string {
  const { role, content, tool_calls: calls = [] } = message;
  const named = calls.map((call) => [call.id, call.name, call.arguments]);
  return JSON.stringify([role, content ?? "", named, answerTo(message)]);
}

function sameTools(a: readonly unknown[], b: readonly unknown[]): boolean {
  const equal = a === b || (a.length === b.length && a.every((tool, i) => tool === b[i]));
  return equal || JSON.stringify(a) === JSON.stringify(b);
}
