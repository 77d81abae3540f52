/**
 * Who said what a memory states: the user, a pasted document, a tool, or only the model.
 *
 * Owns the rule, which compares words and never asks the model, so that a tool result "the user wants …" stays the
 * tool's. The first of user, document and tool whose text states the memory (`text/fact-match.ts`) said it; if none
 * does, the assistant did. Memories shown in the context do not count as anyone's words, but an UPDATE that only
 * rewords a memory keeps who said it. Pure.
 */
import type { BaseMessage } from "@langchain/core/messages";
import { originOf } from "../../context/messages.js";
import { createFactMatcher } from "../../text/fact-match.js";

/** `source.said_by` of a memory. */
export type SaidBy = "user" | "document" | "tool" | "assistant";

/** A longer user message, in UTF-16 units, is taken for a pasted text framed by a few words of the user's own. */
const PASTED = 1000;
/** The longest first or last paragraph of such a message, in UTF-16 units, that counts as the user's own words. */
const OWN = 300;

/**
 * @param before the memory that an UPDATE replaces
 * @returns undefined if there are no messages
 * @example
 * saidBy("User is vegetarian.", [new HumanMessage("I am vegetarian.")]); // "user"
 */
export function saidBy(
  content: string,
  messages: readonly BaseMessage[],
  before?: { content?: string; source?: Record<string, string> },
): SaidBy | undefined {
  if (messages.length === 0) return undefined;
  const texts: Record<"user" | "document" | "tool", string[]> = { user: [], document: [], tool: [] };
  for (const message of messages) {
    const origin = originOf(message);
    if (isOwnAnswer(message) || (origin !== "user" && origin !== "tool")) continue;
    const { plain, quoted } = blocksOf(message.text);
    if (origin === "tool") texts.tool.push(plain, quoted);
    else {
      const { own, pasted } = apart(plain);
      texts.user.push(own);
      texts.document.push(pasted, quoted);
    }
  }
  const { says } = createFactMatcher();
  for (const who of ["user", "document", "tool"] as const) {
    if (texts[who].some((text) => says(text, content))) return who;
  }
  const known = before?.source?.said_by;
  const reworded = isSaidBy(known) && before?.content !== undefined && says(before.content, content);
  return reworded ? known : "assistant";
}

/** Whether it is an answer of a memory tool, which only repeats memories. */
function isOwnAnswer(message: BaseMessage): boolean {
  const { artifact } = message as { artifact?: { kind?: unknown } };
  return artifact?.kind === "agemem.op/1";
}

/**
 * Separates quoted text (fenced and tagged blocks, lines that begin with ">") from the rest. A block that is never
 * closed extends to the end; blocks of retrieved memories are dropped.
 */
function blocksOf(text: string): { plain: string; quoted: string } {
  const [plain, quoted]: [string[], string[]] = [[], []];
  let end: string | undefined;
  let dropped = false;
  for (const line of text.split("\n")) {
    let into = end === undefined ? plain : quoted;
    if (end === undefined) {
      const start = /^\s{0,3}(?:(`{3,}|~{3,})|<([a-z][\w-]*)[\s>])/i.exec(line);
      if (start || /^\s{0,3}>/.test(line)) into = quoted;
      if (start) {
        end = start[1] ?? `</${start[2]}>`;
        dropped = start[2] === "retrieved_memories";
        // A fence is closed by what opens it, so its first line must not close it.
        if (start[1] !== undefined || !line.includes(end)) {
          if (!dropped) into.push(line);
          continue;
        }
      }
    }
    if (!(end !== undefined && dropped)) into.push(line.replace(/^\s{0,3}>/, ""));
    if (end !== undefined && line.includes(end)) end = undefined;
  }
  return { plain: plain.join("\n"), quoted: quoted.join("\n") };
}

/** Separates what a person wrote from what they pasted: in a long message only a short first or last paragraph is theirs. */
function apart(text: string): { own: string; pasted: string } {
  if (text.length <= PASTED) return { own: text, pasted: "" };
  const paragraphs = text.split("\n").filter((each) => each.trim() !== "");
  const isOwn = (i: number): boolean =>
    (i === 0 || i === paragraphs.length - 1) && (paragraphs[i]?.length ?? 0) <= OWN;
  return {
    own: paragraphs.filter((_, i) => isOwn(i)).join("\n"),
    pasted: paragraphs.filter((_, i) => !isOwn(i)).join("\n"),
  };
}

function isSaidBy(value: unknown): value is SaidBy {
  return value === "user" || value === "document" || value === "tool" || value === "assistant";
}
