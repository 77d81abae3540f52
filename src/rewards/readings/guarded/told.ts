/**
 * The messages of the task in a rollout, as they were first shown, without the policy's own text.
 *
 * Owns telling them from summaries, results and lookups, whose text comes from the policy or its memories. Pure.
 */
import type { StepRecord } from "../../../trajectory/schema.js";
import type { MessageRecord } from "../../../trajectory/schema-parts.js";
import { contentText } from "../../../trajectory/trace/context-text.js";
import { policySteps } from "../../scoring.js";

/** One message of the task. */
export interface ToldMessage {
  stage: number;
  /** The first policy call that saw it. */
  stepIndex: number;
  text: string;
}

/** Ids that the stages give their messages (`rollout/stages.ts`). */
const TOLD_ID = /-s\d-t\d+$/;
const FRAMED = /^\s*<(?:tool_result|context_summary|retrieved_memories)[\s>]/;
const LOOKED_UP = "\n\n<retrieved_memories ";

/** All messages that were told, in order. A message that was filtered later is returned as it was first shown. */
export function toldMessages(steps: readonly StepRecord[]): ToldMessage[] {
  const told = new Map<string, ToldMessage>();
  for (const step of policySteps(steps)) {
    const newest = toldPart(step.messages).at(-1);
    if (!newest) continue;
    const text = withoutLookUp(newest);
    const key = `${step.stage} ${newest.id ?? text}`;
    if (!told.has(key)) told.set(key, { stage: step.stage, stepIndex: step.step_index, text });
  }
  return [...told.values()];
}

/** The messages of a prompt that the task told. */
export function toldPart(messages: readonly MessageRecord[]): MessageRecord[] {
  const asked = messages.filter(({ role }) => role === "user");
  const marked = asked.filter(({ id }) => id !== undefined && TOLD_ID.test(id));
  // Recordings of other drivers name no stages in their ids.
  return marked.length > 0 ? marked : asked.filter(({ content }) => !FRAMED.test(contentText(content)));
}

/** A told message without the memories that stage 1 shows with it. */
export function withoutLookUp({ content }: Pick<MessageRecord, "content">): string {
  const text = contentText(content);
  const at = text.indexOf(LOOKED_UP);
  return at < 0 ? text : text.slice(0, at);
}
