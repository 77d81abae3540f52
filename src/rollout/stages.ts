/**
 * The three stages of one trajectory (AgeMem, alg. 3-5).
 *
 * Owns what the policy is shown when, and when a stage ends. The agent does what the deployed one does, by default with
 * one model call per message in stages 1 and 2. Leaves out recording and scoring (`rollout.ts`).
 */
import type { BaseCallbackHandler } from "@langchain/core/callbacks/base";
import { type BaseMessage, HumanMessage } from "@langchain/core/messages";
import { retrieveMemory } from "../tools/operations/short-term.js";
import type { MemoryToolkit } from "../tools/toolkit.js";
import {
  keepsLongTerm,
  METADATA,
  type MemoryTask,
  type MessageFacts,
  type Passage,
  type Stage,
} from "../types.js";
import type { AgentDriver } from "./driver/agent-driver.js";
import type { RolloutIdentity } from "./options.js";
import type { RolloutSettings } from "./settings.js";

/** What the stages need. */
interface StageRun {
  agent: AgentDriver;
  kit: MemoryToolkit;
  task: MemoryTask;
  identity: RolloutIdentity;
  settings: RolloutSettings;
  callbacks: BaseCallbackHandler[];
  signal: AbortSignal;
}

/** How the three stages ended. */
export interface StagesResult {
  /** The final answer; null when the turns ran out or the response could not be read. */
  answer: string | null;
  /** Messages shown in stages 1 and 2, model calls in stage 3; N_max + 1 in stage 3 when the limit stopped it. */
  rounds: [number, number, number];
}

/** The context between invocations: the agent runs without a checkpointer. */
interface Carried {
  messages: BaseMessage[];
  contextFacts: MessageFacts;
}

/** User of all rollouts; isolation comes from the fork, not from the name. */
const ROLLOUT_USER = "learner";
export const ROLLOUT_NAMESPACE = ["memories", ROLLOUT_USER];

const EMPTY: Carried = { messages: [], contextFacts: {} };

/**
 * Runs the stages one after the other.
 *
 * 1. Each passage of I_q as one message, with what long-term memory holds about it shown (introspective retrieval).
 *    One call per turn.
 * 2. The context is emptied, long-term memory stays. Each distractor as one message. One call per turn.
 * 3. The context goes on; the question comes; up to N_max calls.
 *
 * A final answer in stages 1 and 2 ends the stage, as in the paper, or only its message's calls (`earlyAnswer`). With
 * `messageRounds` a message may take several calls, which end with a response that calls no tool. Passages beyond N_max are not shown.
 * Where no operation on offer can store anything, nothing is retrieved in stage 1, and the context stays for stage 2.
 */
export async function runStages(run: StageRun): Promise<StagesResult> {
  const first = await injectPassages(run, 1, run.task.context, EMPTY);
  // What could not be stored would be gone with the context.
  const between = keepsLongTerm(run.settings.operations) ? EMPTY : first.carried;
  const second = await injectPassages(run, 2, run.task.distractors, between);
  const { maxTurns } = run.settings;
  const question = humanMessage(run, 3, 0, run.task.question);
  const result = await invoke(run, 3, 0, append(second.carried, question), maxTurns);
  const turns = result.status === "max_steps" ? maxTurns + 1 : result.steps;
  return { answer: result.finalAnswer, rounds: [first.turns, second.turns, turns] };
}

async function injectPassages(
  run: StageRun,
  stage: 1 | 2,
  passages: readonly Passage[],
  start: Carried,
): Promise<{ carried: Carried; turns: number }> {
  let carried = start;
  let turns = 0;
  for (const [turn, passage] of passages.slice(0, run.settings.maxTurns).entries()) {
    const text = passage.title ? `${passage.title}: ${passage.text}` : passage.text;
    const remembers = stage === 1 && keepsLongTerm(run.settings.operations);
    const shown = remembers ? await introspect(run, text, carried.contextFacts) : undefined;
    const message = humanMessage(run, stage, turn, shown ? `${text}\n\n${shown.text}` : text);
    const result = await invoke(run, stage, turn, append(carried, message), run.settings.messageRounds);
    turns++;
    carried = { messages: result.messages, contextFacts: result.contextFacts };
    if (result.status === "answered" && run.settings.earlyAnswer === "stage") break;
  }
  return { carried, turns };
}

/** Retrieval of stage 1: by the message itself, not by any question. Not an action of the policy. */
function introspect(run: StageRun, text: string, facts: MessageFacts) {
  const { kit, settings } = run;
  return retrieveMemory(kit, { query: text, top_k: settings.topK }, { namespace: ROLLOUT_NAMESPACE, facts });
}

/** Derived ids keep two runs of the same seed identical. */
function humanMessage(run: StageRun, stage: Stage, turn: number, content: string): HumanMessage {
  return new HumanMessage({ id: `${run.identity.rolloutId}-s${stage}-t${turn}`, content });
}

function append(carried: Carried, message: BaseMessage): Carried {
  return { ...carried, messages: [...carried.messages, message] };
}

function invoke(run: StageRun, stage: Stage, turn: number, state: Carried, maxSteps: number) {
  const { identity } = run;
  const config = {
    context: { user_id: ROLLOUT_USER, max_steps: maxSteps, on_max_steps: "stop" as const },
    configurable: { agemem_run_key: `${identity.rolloutId}/s${stage}/t${turn}` },
    callbacks: run.callbacks,
    runName: `agemem.stage${stage}`,
    metadata: {
      [METADATA.stage]: stage,
      [METADATA.taskId]: identity.taskId,
      [METADATA.groupId]: identity.groupId,
      [METADATA.rolloutId]: identity.rolloutId,
      [METADATA.rolloutIndex]: identity.index,
      ...(run.settings.policyVersion === undefined
        ? {}
        : { [METADATA.policyVersion]: run.settings.policyVersion }),
    },
  };
  return run.agent.invoke(state, { ...config, signal: run.signal });
}
