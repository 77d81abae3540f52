/**
 * The three stages of one trajectory (AgeMem, alg. 3-5).
 *
 * Owns what the policy is shown when, and when a stage ends. The agent behaves as the deployed one does, but by default
 * makes only one model call per message in stages 1 and 2. Leaves out recording and scoring (`rollout.ts`).
 */
import type { BaseCallbackHandler } from "@langchain/core/callbacks/base";
import { type BaseMessage, HumanMessage } from "@langchain/core/messages";
import { retrieveMemory } from "../tools/operations/short-term.js";
import type { MemoryToolkit } from "../tools/toolkit.js";
import { keepsLongTerm, METADATA, type MemoryTask, type MessageFacts, type Stage } from "../types.js";
import type { AgentDriver } from "./driver/agent-driver.js";
import type { RolloutIdentity } from "./options.js";
import { stageMessages } from "./presets/messages.js";
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
  /** The final answer; null when the turns ran out or the last response could not be read. */
  answer: string | null;
  /** Messages shown in stages 1 and 2; model calls in stage 3, or N_max + 1 when the limit stopped it. */
  rounds: [number, number, number];
}

/** The context carried from one invocation to the next, because the agent runs without a checkpointer. */
interface Carried {
  messages: BaseMessage[];
  contextFacts: MessageFacts;
}

/** The user of all rollouts. Their forks isolate them, so that they may share a name. */
const ROLLOUT_USER = "learner";
export const ROLLOUT_NAMESPACE = ["memories", ROLLOUT_USER];

const EMPTY: Carried = { messages: [], contextFacts: {} };

/**
 * Runs the stages one after the other.
 *
 * 1. Each passage of I_q is one message, followed by what long-term memory holds about it (introspective retrieval).
 * 2. The context is emptied, long-term memory stays. Each distractor is one message.
 * 3. The context of stage 2 stays. The question is asked, with up to N_max model calls.
 *
 * In stages 1 and 2 a message gets one model call, or up to `messageRounds` until a response calls no tool. Such a
 * response ends the stage, as in the paper, or with `earlyAnswer: "message"` only the message's calls. At most N_max
 * passages are shown per stage. If no offered operation can store anything, nothing is retrieved in stage 1, and the
 * context is kept for stage 2. What the messages are is the setting `told`.
 */
export async function runStages(run: StageRun): Promise<StagesResult> {
  const messages = stageMessages(run.task, run.settings);
  const first = await tell(run, 1, messages.first, EMPTY);
  // What could not be stored would be gone with the context.
  const between = keepsLongTerm(run.settings.operations) ? EMPTY : first.carried;
  const second = await tell(run, 2, messages.second, between);
  const { maxTurns } = run.settings;
  const question = humanMessage(run, 3, 0, run.task.question);
  const result = await invoke(run, 3, 0, append(second.carried, question), maxTurns);
  const turns = result.status === "max_steps" ? maxTurns + 1 : result.steps;
  return { answer: result.finalAnswer, rounds: [first.turns, second.turns, turns] };
}

async function tell(
  run: StageRun,
  stage: 1 | 2,
  texts: readonly string[],
  start: Carried,
): Promise<{ carried: Carried; turns: number }> {
  let carried = start;
  let turns = 0;
  const looksUp = stage === 1 && run.settings.introspection && keepsLongTerm(run.settings.operations);
  for (const [turn, text] of texts.entries()) {
    const shown = looksUp ? await introspect(run, text, carried.contextFacts) : undefined;
    const message = humanMessage(run, stage, turn, shown ? `${text}\n\n${shown.text}` : text);
    const result = await invoke(run, stage, turn, append(carried, message), run.settings.messageRounds);
    turns++;
    carried = { messages: result.messages, contextFacts: result.contextFacts };
    if (result.status === "answered" && run.settings.earlyAnswer === "stage") break;
  }
  return { carried, turns };
}

/** Retrieval of stage 1, with the message itself as query. It is not an action of the policy. */
function introspect(run: StageRun, text: string, facts: MessageFacts) {
  const { kit, settings } = run;
  return retrieveMemory(kit, { query: text, top_k: settings.topK }, { namespace: ROLLOUT_NAMESPACE, facts });
}

/** Ids are derived, so that two runs with the same seed are identical. */
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
