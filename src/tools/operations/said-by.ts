/**
 * Who said what a memory holds: the user, a pasted document, a tool, or nobody but the model.
 *
 * Owns the rule, which looks at words and never asks the model: a tool result that says "the user wants …" is the tool's.
 * The first of user, document and tool whose text says the memory (`text/fact-match.ts`) counts; a memory in other words
 * than theirs is the assistant's. Memories shown in the context say nothing here: an UPDATE that only rewords one
 * keeps who said it. Pure.
 */
import type { BaseMessage } from "@langchain/core/messages";
import { originOf } from "../../context/messages.js";
import { createFactMatcher } from "../../text/fact-match.js";

/** `source.said_by` of a memory. */
export type SaidBy = "user" | "document" | "tool" | "assistant";

/** UTF-16 units from which a user's message is taken for a pasted text with a few own words around it. */
const PASTED = 1000;
/** The most that the own words before or after a pasted text have. */
const OWN = 300;

/**
 * @param before the memory that an UPDATE replaces
 * @returns undefined where nothing is known of the conversation
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

/** An answer of a memory tool repeats memories. */
function isOwnAnswer(message: BaseMessage): boolean {
  const { artifact } = message as { artifact?: { kind?: unknown } };
  return artifact?.kind === "agemem.op/1";
}

/** Fenced and tagged blocks and lines that begin with ">", apart from the rest; a block that is never closed goes on to the end. */
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
        // A fence opens with what closes it.
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

/** What a person wrote and what they pasted: in a long message only a short first or last paragraph is their own. */
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
