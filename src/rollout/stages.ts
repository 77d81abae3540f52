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
export interface StageRun {
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

/** A message that the task tells, in its place. */
interface ToldAt {
  stage: 1 | 2 | 3;
  turn: number;
  text: string;
}

/** Where a rollout stands between two model calls. */
export interface StageSnapshot {
  /** Index of the message that is under way or comes next. */
  at: number;
  /** Model calls made for it; 0 when it has not been told. */
  calls: number;
  /** The context. */
  carried: Carried;
  rounds: [number, number, number];
}

/** Either the end of the three stages, or where they were left. */
type Played =
  | { result: StagesResult; snapshot?: undefined }
  | { result?: undefined; snapshot: StageSnapshot };

const START: StageSnapshot = { at: 0, calls: 0, carried: EMPTY, rounds: [0, 0, 0] };

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
 *
 * @param from a rollout that was left (`runStagesUntil`), to go on with
 */
export async function runStages(run: StageRun, from: StageSnapshot = START): Promise<StagesResult> {
  const { result } = await play(run, from, Number.POSITIVE_INFINITY);
  return result as StagesResult;
}

/**
 * Runs the stages up to a number of model calls.
 *
 * @param onQuestion told where the rollout stands before the question
 * @returns where it stands; undefined when it ended before
 */
export async function runStagesUntil(
  run: StageRun,
  calls: number,
  onQuestion: (snapshot: StageSnapshot) => void,
): Promise<StageSnapshot | undefined> {
  return (await play(run, START, calls, onQuestion)).snapshot;
}

async function play(
  run: StageRun,
  from: StageSnapshot,
  most: number,
  onQuestion?: (snapshot: StageSnapshot) => void,
): Promise<Played> {
  const plan = planOf(run);
  const rounds: StageSnapshot["rounds"] = [...from.rounds];
  let { at, calls, carried } = from;
  let left = most;
  for (;;) {
    const told = plan[at] as ToldAt;
    const before: StageSnapshot = { at, calls, carried, rounds: [...rounds] };
    if (calls === 0 && told.stage === 3) onQuestion?.(before);
    if (left <= 0) return { snapshot: before };
    if (calls === 0) carried = await tell(run, told, startOf(run, plan, at, carried));
    const { maxTurns, messageRounds, earlyAnswer } = run.settings;
    const allowed = told.stage === 3 ? maxTurns : messageRounds;
    const result = await invoke(run, told.stage, told.turn, carried, Math.min(allowed - calls, left));
    carried = { messages: result.messages, contextFacts: result.contextFacts };
    calls += result.steps;
    left -= result.steps;
    const stopped = result.status === "max_steps";
    if (stopped && calls < allowed) continue;
    if (told.stage === 3) {
      rounds[2] = stopped ? maxTurns + 1 : calls;
      return { result: { answer: result.finalAnswer, rounds } };
    }
    rounds[told.stage - 1] = (rounds[told.stage - 1] as number) + 1;
    const ended = result.status === "answered" && earlyAnswer === "stage";
    at = ended ? plan.findIndex(({ stage }) => stage > told.stage) : at + 1;
    calls = 0;
  }
}

function planOf(run: StageRun): ToldAt[] {
  const { first, second } = stageMessages(run.task, run.settings);
  return [
    ...first.map((text, turn): ToldAt => ({ stage: 1, turn, text })),
    ...second.map((text, turn): ToldAt => ({ stage: 2, turn, text })),
    { stage: 3, turn: 0, text: run.task.question },
  ];
}

/** The context that a message is told in: emptied after stage 1, unless what could not be stored would be gone with it. */
function startOf(run: StageRun, plan: readonly ToldAt[], at: number, carried: Carried): Carried {
  const { stage } = plan[at] as ToldAt;
  const isFirst = stage > 1 && plan.findIndex((told) => told.stage > 1) === at;
  return isFirst && keepsLongTerm(run.settings.operations) ? EMPTY : carried;
}

async function tell(run: StageRun, { stage, turn, text }: ToldAt, carried: Carried): Promise<Carried> {
  const looksUp = stage === 1 && run.settings.introspection && keepsLongTerm(run.settings.operations);
  const shown = looksUp ? await introspect(run, text, carried.contextFacts) : undefined;
  const message = humanMessage(run, stage, turn, shown ? `${text}\n\n${shown.text}` : text);
  return { ...carried, messages: [...carried.messages, message] };
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
