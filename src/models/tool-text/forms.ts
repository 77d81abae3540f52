/**
 * Parsers for the forms in which models write tool calls as text. Pure.
 *
 * Owns Hermes (`<tool_call>`), Llama 3 (bare JSON, `<|python_tag|>`), Mistral (`[TOOL_CALLS]`) and fenced JSON. JSON is
 * parsed strictly: malformed calls go back to the model, because guessed arguments would store wrong memories.
 */

/** A call as it was written. */
export interface FoundCall {
  name: string;
  args: Record<string, unknown>;
}

/** What a parser found. */
export interface FoundCalls {
  calls: FoundCall[];
  /** The text without the calls. */
  content: string;
  /** What is wrong with a malformed call. */
  broken: string | null;
  /** What a server's own parser would refuse in calls that can be read here. */
  unusual?: string;
}

export type ToolTextForm = "hermes" | "llama3" | "mistral" | "fenced";

type Read = (text: string, names: ReadonlySet<string>) => FoundCalls;

/** Marked forms first: a mark is an unambiguous call. */
export const FORMS: Readonly<Record<ToolTextForm, Read>> = {
  hermes: readHermes,
  mistral: readMistral,
  llama3: readLlama3,
  fenced: readFenced,
};

const NOTHING = (text: string): FoundCalls => ({ calls: [], content: text, broken: null });

/** `<tool_call>{"name": …, "arguments": {…}}</tool_call>`; may hold a list, and the last tag may be unclosed. */
function readHermes(text: string): FoundCalls {
  const calls: FoundCall[] = [];
  const problem = 'what is in <tool_call> is not JSON with "name" and "arguments"';
  let broken: string | null = null;
  let unusual = false;
  const content = text.replace(/<tool_call>([\s\S]*?)(?:<\/tool_call>|$)/g, (_whole, body: string) => {
    const value = parse(body.trim());
    const found = callsOf(value);
    if (found) calls.push(...found);
    else broken ??= problem;
    unusual ||= !(isRecord(value) && typeof value.name === "string" && isRecord(value.arguments));
    return "";
  });
  return { calls, content, broken, ...(unusual ? { unusual: problem } : {}) };
}

/** `[TOOL_CALLS][{"name": …, "arguments": {…}}]`, or `[TOOL_CALLS]name[ARGS]{…}` from newer models. */
function readMistral(text: string): FoundCalls {
  const at = text.indexOf("[TOOL_CALLS]");
  if (at < 0) return NOTHING(text);
  const content = text.slice(0, at);
  const body = text.slice(at + "[TOOL_CALLS]".length).trim();
  const listed = callsOf(parse(body));
  if (listed) return { calls: listed, content, broken: null };
  const calls: FoundCall[] = [];
  for (const part of body.split("[TOOL_CALLS]")) {
    const [, name, json] =
      /^([\w.-]+)\s*(?:\[CALL_ID\][\w-]+\s*)?(?:\[ARGS\]\s*)?(\{[\s\S]*\})$/.exec(part.trim()) ?? [];
    const args = json === undefined ? undefined : parse(json);
    if (name === undefined || !isRecord(args)) {
      return { calls: [], content, broken: "what follows [TOOL_CALLS] is not a JSON list of calls" };
    }
    calls.push({ name, args });
  }
  return { calls, content, broken: null };
}

/** `{"name": …, "parameters": {…}}` as the whole text; several are separated by ";" or newlines. */
function readLlama3(text: string, names: ReadonlySet<string>): FoundCalls {
  const marked = text.includes("<|python_tag|>");
  const body = text.replace(/<\|python_tag\|>|<\|eom_id\|>/g, "").trim();
  if (!/^[[{]/.test(body)) {
    return marked
      ? { calls: [], content: "", broken: "what follows <|python_tag|> is not JSON" }
      : NOTHING(text);
  }
  const values = jsonValues(body);
  const calls = values?.map((value) => callsOf(value));
  if (calls?.length && calls.every((each) => each !== undefined)) {
    const found = calls.flat();
    if (marked || found.every((call) => names.has(call.name)))
      return { calls: found, content: "", broken: null };
    return NOTHING(text);
  }
  if (marked || namesTool(body, names)) {
    return { calls: [], content: "", broken: 'the call is not JSON with "name" and "parameters"' };
  }
  return NOTHING(text);
}

/** Fenced blocks whose JSON names a tool; other blocks are part of the answer. */
function readFenced(text: string, names: ReadonlySet<string>): FoundCalls {
  const calls: FoundCall[] = [];
  let broken: string | null = null;
  const content = text.replace(/```[\w-]*[ \t]*\n([\s\S]*?)(?:```|$)/g, (whole, body: string) => {
    const found = callsOf(parse(body.trim()));
    if (found?.every((call) => names.has(call.name))) {
      calls.push(...found);
      return "";
    }
    if (!found && /^[[{]/.test(body.trim()) && namesTool(body, names)) {
      broken ??= 'the fenced call is not JSON with "name" and "arguments"';
    }
    return whole;
  });
  return { calls, content, broken };
}

function namesTool(text: string, names: ReadonlySet<string>): boolean {
  const [, name] = /"(?:name|function)"\s*:\s*"([^"]+)"/.exec(text) ?? [];
  return name !== undefined && names.has(name);
}

/** The calls a JSON value stands for; undefined if it is not a call. */
function callsOf(value: unknown): FoundCall[] | undefined {
  if (Array.isArray(value)) {
    const calls = value.map((each) => callsOf(each));
    return calls.length > 0 && calls.every((each) => each?.length === 1)
      ? (calls as FoundCall[][]).flat()
      : undefined;
  }
  if (!isRecord(value)) return undefined;
  const inner = isRecord(value.function) ? value.function : value;
  const name = inner.name ?? value.tool;
  const given = inner.arguments ?? inner.parameters ?? inner.args;
  const args = typeof given === "string" ? parse(given) : given;
  return typeof name === "string" && name !== "" && isRecord(args) ? [{ name, args }] : undefined;
}

/** Values separated by ";", "," or white space; undefined if one is malformed. */
function jsonValues(text: string): unknown[] | undefined {
  const whole = parse(text);
  if (whole !== undefined) return [whole];
  const parts: string[] = [];
  let depth = 0;
  let quoted = false;
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (quoted) {
      if (char === "\\") at++;
      else if (char === '"') quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === "{" || char === "[") depth++;
    else if ((char === "}" || char === "]") && --depth === 0) {
      parts.push(text.slice(from, at + 1).replace(/^[\s;,]+/, ""));
      from = at + 1;
    }
  }
  if (text.slice(from).trim() !== "") return undefined;
  const values = parts.map(parse);
  return values.every((value) => value !== undefined) ? values : undefined;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // Text that is not JSON is expected here.
    return undefined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
