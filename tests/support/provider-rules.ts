/**
 * What OpenAI (Chat Completions) and Anthropic (Messages) demand of the messages of a request, from their API references,
 * checked on the request's own form. Pure; knows nothing of agemem or LangChain. Each finding is one sentence.
 */

type Fields = Record<string, unknown>;

/** Names of functions and tools of both providers. */
const NAME = /^[a-zA-Z0-9_-]{1,64}$/;
const ROLES = new Set(["developer", "system", "user", "assistant", "tool"]);

/** Rules of `POST /v1/chat/completions` for `messages`. */
export function openAIProblems(messages: readonly Fields[]): string[] {
  const problems: string[] = [];
  if (messages.length === 0) problems.push("messages is empty");
  let waiting = new Set<string>();
  messages.forEach((message, i) => {
    const say = (problem: string) => problems.push(`messages[${i}] (${message.role}): ${problem}`);
    if (!ROLES.has(message.role as string)) say("unknown role");
    if (message.role === "tool") {
      const id = message.tool_call_id as string;
      if (!waiting.delete(id)) say(`does not answer a call of the assistant message before it (${id})`);
      if (typeof message.content !== "string" && !isParts(message.content)) say("has no content");
      return;
    }
    if (waiting.size > 0) say(`calls without an answer before it: ${[...waiting].join(", ")}`);
    waiting = new Set();
    if (message.role === "assistant") {
      const calls = message.tool_calls as Fields[] | undefined;
      if (calls === undefined && isEmpty(message.content)) say("has neither content nor tool_calls");
      if (Array.isArray(message.content) && message.content.length === 0) say("content is an empty array");
      if (calls?.length === 0) say("tool_calls is an empty array");
      for (const call of calls ?? []) {
        for (const problem of openAICallProblems(call, waiting)) say(problem);
        waiting.add(call.id as string);
      }
    } else if (typeof message.content !== "string" && !isParts(message.content)) say("has no content");
  });
  if (waiting.size > 0) problems.push(`the request ends with open calls: ${[...waiting].join(", ")}`);
  return problems;
}

function openAICallProblems(call: Fields, siblings: ReadonlySet<string>): string[] {
  const problems: string[] = [];
  const { name, arguments: args } = (call.function ?? {}) as Fields;
  if (call.type !== "function") problems.push("a call is not of type function");
  if (typeof call.id !== "string" || call.id === "") problems.push("a call has no id");
  else if (call.id.length > 40) problems.push(`the id of a call is longer than 40: ${call.id}`);
  else if (siblings.has(call.id)) problems.push(`two calls have the id ${call.id}`);
  if (typeof name !== "string" || !NAME.test(name)) problems.push(`a call has the name ${String(name)}`);
  if (typeof args !== "string" || !isObjectText(args)) problems.push(`arguments are no JSON object: ${args}`);
  return problems;
}

/** Rules of `POST /v1/messages` for `system` and `messages`. */
export function anthropicProblems(system: unknown, messages: readonly Fields[]): string[] {
  const problems: string[] = [];
  const blocks = Array.isArray(system) ? (system as Fields[]) : [{ type: "text", text: system ?? "-" }];
  if (blocks.some((block) => isBlank(block.text))) problems.push("system has an empty text block");
  if (messages.length === 0) return [...problems, "messages is empty"];
  const turns = combined(messages);
  if (turns[0]?.role !== "user") problems.push("the first message is not the user's");
  if (turns.at(-1)?.role !== "user") problems.push("the last message is a prefill of the assistant");
  const seen = new Set<string>();
  let waiting = new Set<string>();
  turns.forEach(({ role, content }, i) => {
    const say = (problem: string) => problems.push(`turn ${i} (${role}): ${problem}`);
    if (role !== "user" && role !== "assistant") say("unknown role");
    if (content.length === 0) say("has no content");
    for (const block of content)
      if (block.type === "text" && isBlank(block.text)) say("has an empty text block");
    const results = content.filter(({ type }) => type === "tool_result");
    for (const { tool_use_id: id, content: inner } of results) {
      if (role !== "user") say("has a tool_result");
      if (!waiting.delete(id as string)) say(`tool_result ${id} has no tool_use in the message before it`);
      if (Array.isArray(inner) && inner.some((b: Fields) => b.type === "text" && isBlank(b.text))) {
        say(`tool_result ${id} has an empty text block`);
      }
    }
    const front = content.findIndex(({ type }) => type !== "tool_result");
    if (front !== -1 && front < results.length) say("a tool_result stands behind other content");
    if (waiting.size > 0) say(`tool_use without a tool_result after it: ${[...waiting].join(", ")}`);
    waiting = new Set();
    for (const block of content.filter(({ type }) => type === "tool_use")) {
      if (role !== "assistant") say("has a tool_use");
      for (const problem of toolUseProblems(block, seen)) say(problem);
      seen.add(block.id as string);
      waiting.add(block.id as string);
    }
    if (role === "assistant" && /thinking/.test(String(content.at(-1)?.type))) say("ends with a thought");
  });
  if (waiting.size > 0) problems.push(`the request ends with open calls: ${[...waiting].join(", ")}`);
  return problems;
}

function toolUseProblems(block: Fields, seen: ReadonlySet<string>): string[] {
  const problems: string[] = [];
  const id = block.id as string;
  if (typeof id !== "string" || !/^[a-zA-Z0-9_-]+$/.test(id)) problems.push(`tool_use has the id ${id}`);
  else if (seen.has(id)) problems.push(`two tool_use blocks have the id ${id}`);
  if (typeof block.name !== "string" || !NAME.test(block.name))
    problems.push(`tool_use has the name ${block.name}`);
  if (!isObject(block.input)) problems.push(`tool_use ${id} has input ${JSON.stringify(block.input)}`);
  return problems;
}

/** "Consecutive user or assistant turns in your request will be combined into a single turn." */
function combined(messages: readonly Fields[]): { role: unknown; content: Fields[] }[] {
  const turns: { role: unknown; content: Fields[] }[] = [];
  for (const { role, content } of messages) {
    const blocks = typeof content === "string" ? [{ type: "text", text: content }] : (content as Fields[]);
    const last = turns.at(-1);
    if (last && last.role === role) last.content.push(...blocks);
    else turns.push({ role, content: [...blocks] });
  }
  return turns;
}

function isEmpty(content: unknown): boolean {
  return (
    content === null ||
    content === undefined ||
    content === "" ||
    (Array.isArray(content) && !isParts(content))
  );
}

function isParts(content: unknown): boolean {
  return Array.isArray(content) && content.length > 0;
}

function isBlank(text: unknown): boolean {
  return typeof text !== "string" || text.trim() === "";
}

function isObjectText(text: string): boolean {
  try {
    return isObject(JSON.parse(text));
  } catch {
    return false;
  }
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
