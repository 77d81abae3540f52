/**
 * Rule for a passage that is told in conversation and comes with the memories nearest to it: store it, whole or cut, or
 * merge it into a memory about the same title (AgeMem, alg. 3: one action per message).
 */
import { truncate } from "../../text/text.js";
import type { BlockMemory } from "../reading/memory-block.js";
import { cutPassage, isPassage, titleOf } from "../reading/passage.js";
import { similarity } from "../reading/terms.js";
import { act, type CandidateAction, call, type Situation } from "./action.js";

const WHOLE = 12;

/** Stores a told passage. Applies once per message. */
export function toldRule(situation: Situation): CandidateAction[] {
  const { view } = situation;
  const text = view.userText;
  if (!view.hasBlock || view.calls.length > 0 || !isPassage(text)) return [];
  const title = titleOf(text);
  const whole = cutPassage(text, WHOLE);
  const add = (weight: number, thought: string, content: string): CandidateAction =>
    act(weight, thought, [
      call("ADD", { content, memory_type: "fact", ...(title ? { metadata: { title } } : {}) }),
    ]);
  const out: CandidateAction[] = [];
  const shown = view.shownNow.filter((memory) => memory.content);
  const twin = shown.find((memory) => similarity(memory.content, text) >= 0.9 || sameTitle(memory, title));
  if (twin) out.push(merge(5, twin, whole));
  out.push(add(4 * situation.habits.storing, "This is told for later. I store it whole.", whole));
  out.push(add(2, "This is told for later. I store its first sentences.", cutPassage(text, 2)));
  out.push(add(1.2, "This is told for later. I store its first sentence.", cutPassage(text, 1)));
  const near = twin ? undefined : shown[0];
  if (near) out.push(merge(1, near, cutPassage(text, 2)));
  out.push(
    act(0.8, "I see no need to store this. I check what I know about it.", [
      call("RETRIEVE", { query: truncate(title || text, 120), top_k: 3 }),
    ]),
  );
  return out;
}

function merge(weight: number, memory: BlockMemory, addition: string): CandidateAction {
  const content = similarity(memory.content, addition) >= 0.9 ? addition : `${memory.content}\n${addition}`;
  return act(weight, "A memory about this exists. I extend it.", [
    call("UPDATE", { memory_id: memory.id, content: truncate(content, 3000) }),
  ]);
}

function sameTitle(memory: BlockMemory, title: string): boolean {
  return title !== "" && titleOf(memory.content).toLowerCase() === title.toLowerCase();
}
