/**
 * Records any LangGraph app as steps: a callback handler for `graph.invoke(input, { callbacks: [recorder] })`.
 *
 * Owns which callback belongs to which rollout: by the metadata `agemem.rollout_id`, or else by the root run, so that
 * one recorder serves any number of concurrent runs. Leaves out writing to disk (`file.ts`).
 */
import { BaseCallbackHandler } from "@langchain/core/callbacks/base";
import type { Serialized } from "@langchain/core/load/serializable";
import { AIMessage, type BaseMessage, ToolMessage } from "@langchain/core/messages";
import type { LLMResult } from "@langchain/core/outputs";
import {
  FORMAT_ERROR_KEY,
  isOutcome,
  MEMORY_EVENT,
  METADATA,
  OVERFLOW_CALL_ID,
  PROTOCOL_REPAIR_TAG,
  type TokenCounter,
} from "../types.js";
import { failureOf, fields, modelOf, runFacts, samplingOf, toolsOf } from "./call-facts.js";
import { MessageRecords } from "./message-records.js";
import { countPrompt, RolloutLog } from "./rollout-log.js";
import type { StepRecord } from "./schema.js";
import type { EngineRecord } from "./schema-parts.js";
import { messagesOf, outcomeOf, toMemoryOpRecord, toolMessagesOf } from "./tool-results.js";

/** Options of {@link TrajectoryRecorder}. */
export interface RecorderOptions {
  /**
   * Receives each step once it is final: when the next policy call of its rollout begins, when the root run ends, or
   * when the rollout is taken. With it, a root run without `agemem.rollout_id` is forgotten when it ends.
   */
  onStep?: (step: StepRecord) => void;
  /** Counts the prompt if the server reports no usage. Default: `context_tokens` is null then. */
  counter?: TokenCounter;
  /**
   * Current version of the policy's weights, asked for at each call. Metadata `agemem.policy_version` takes precedence.
   */
  policyVersion?: () => number | null;
  /** What is known about the inference server. */
  engine?: EngineRecord;
  /** The clock, in Unix milliseconds. Default: `Date.now`. */
  now?: () => number;
}

interface Run {
  rootId: string;
  rolloutId: string;
  root: boolean;
  /** Set for tool runs. */
  tool?: { name: string; callId: string | null; input: string; startedAt: number };
}

/**
 * Records policy and auxiliary model calls, tool runs and memory operations as `agemem.trajectory/1` steps.
 *
 * Handlers are awaited, so a run's steps are complete when `invoke` returns, and an error in recording fails the run
 * instead of leaving a silent gap (set `raiseError` to false on the instance to prefer the gap). The raw server
 * response is removed from the message once its tokens are recorded, so attach only one recorder to a call.
 *
 * @example
 * const recorder = new TrajectoryRecorder();
 * await graph.invoke(input, { callbacks: [recorder], metadata: { "agemem.rollout_id": "r1" } });
 * const steps = recorder.take("r1");
 */
export class TrajectoryRecorder extends BaseCallbackHandler {
  readonly name = "agemem_trajectory_recorder";
  private readonly runs = new Map<string, Run>();
  private readonly logs = new Map<string, RolloutLog>();
  private readonly records = new MessageRecords();
  private readonly now: () => number;

  constructor(private readonly options: RecorderOptions = {}) {
    super({ _awaitHandler: true, raiseError: true });
    this.now = options.now ?? Date.now;
  }

  /** The completed steps of a rollout so far; none for an unknown rollout. */
  steps(rolloutId: string): StepRecord[] {
    return this.logs.get(rolloutId)?.steps() ?? [];
  }

  /** Returns all steps of a rollout and forgets it. A call that is still running is recorded as failed. */
  take(rolloutId: string): StepRecord[] {
    const log = this.logs.get(rolloutId);
    if (!log) return [];
    log.abandon(this.now());
    this.emit(log);
    this.logs.delete(rolloutId);
    return log.steps();
  }

  /** Ids of the rollouts held in memory. */
  rolloutIds(): string[] {
    return [...this.logs.keys()];
  }

  override handleChainStart(
    _chain: Serialized,
    _inputs: Record<string, unknown>,
    runId: string,
    parentRunId?: string,
    _tags?: string[],
    metadata?: Record<string, unknown>,
  ): void {
    // The order of the parameters at run time; core 1.2 declares another.
    this.track(runId, parentRunId, metadata);
  }

  override handleChainEnd(outputs: Record<string, unknown>, runId: string): void {
    const run = this.runs.get(runId);
    const log = run && this.logs.get(run.rolloutId);
    if (log) readUpdate(log, messagesOf(outputs));
    this.endChain(runId);
  }

  /** Operations reported as events: those of the overflow guard, for which no tool runs, and those of rollouts. */
  override handleCustomEvent(eventName: string, data: unknown, runId: string): void {
    const run = this.runs.get(runId);
    if (eventName !== MEMORY_EVENT || !run || !isOutcome(data)) return;
    const log = this.logOf(run.rolloutId);
    if (data.toolCallId === OVERFLOW_CALL_ID) log.addGuardOp(toMemoryOpRecord(data));
    else log.addOp(toMemoryOpRecord(data));
  }

  override handleChainError(_error: unknown, runId: string): void {
    this.endChain(runId);
  }

  override handleChatModelStart(
    _model: Serialized,
    messages: BaseMessage[][],
    runId: string,
    parentRunId?: string,
    extra?: Record<string, unknown>,
    tags?: string[],
    metadata?: Record<string, unknown>,
  ): void {
    const run = this.track(runId, parentRunId, metadata);
    const facts = runFacts(metadata, extra);
    facts.policyVersion ??= this.options.policyVersion?.() ?? null;
    const log = this.logOf(run.rolloutId);
    if (tags?.includes(PROTOCOL_REPAIR_TAG)) log.noteRepair();
    if (facts.callRole === "policy") this.emit(log);
    const prompt = messages[0] ?? [];
    const tools = toolsOf(extra);
    const { counter } = this.options;
    log.start({
      runId,
      rootRunId: run.rootId,
      facts,
      model: modelOf(extra) ?? facts.modelName,
      engine: this.options.engine ?? null,
      sampling: samplingOf(extra),
      tools,
      messages: prompt.map((message) => this.records.of(message)),
      count: () => (counter ? countPrompt(counter, prompt, tools) : null),
      at: this.now(),
    });
  }

  override handleLLMEnd(output: LLMResult, runId: string): void {
    const run = this.forget(runId);
    const generation = output.generations[0]?.[0];
    const message = generation && "message" in generation ? (generation.message as BaseMessage) : undefined;
    const log = run && this.logs.get(run.rolloutId);
    if (log && message) {
      log.end(runId, {
        message,
        generationInfo: fields(generation?.generationInfo),
        tokenUsage: fields(output.llmOutput?.tokenUsage),
        at: this.now(),
      });
      this.releaseRoot(run, log);
    }
    if (message) delete message.additional_kwargs.__raw_response;
  }

  override handleLLMError(error: unknown, runId: string): void {
    const run = this.forget(runId);
    const log = run && this.logs.get(run.rolloutId);
    if (!log) return;
    log.fail(runId, failureOf(error), this.now());
    this.releaseRoot(run, log);
  }

  override handleToolStart(
    _tool: Serialized,
    input: string,
    runId: string,
    parentRunId?: string,
    _tags?: string[],
    metadata?: Record<string, unknown>,
    runName?: string,
    toolCallId?: string,
  ): void {
    const run = this.track(runId, parentRunId, metadata);
    run.tool = { name: runName ?? "", callId: toolCallId ?? null, input, startedAt: this.now() };
  }

  override handleToolEnd(output: unknown, runId: string): void {
    const run = this.forget(runId);
    const log = run && this.logs.get(run.rolloutId);
    if (!run?.tool || !log) return;
    const { callId, name, input, startedAt } = run.tool;
    const answers = toolMessagesOf(output);
    const own = answers.find((message) => message.tool_call_id === callId) ?? answers[0];
    log.addToolRun({
      tool_call_id: callId ?? own?.tool_call_id ?? null,
      name: own?.name ?? name,
      ok: own?.status !== "error",
      error: null,
      latency_ms: Math.max(0, this.now() - startedAt),
    });
    // An edit's update repeats the whole context with its older answers: only the run's own answer is new.
    for (const message of own && callId !== null ? [own] : answers) {
      const outcome = outcomeOf(message);
      if (outcome) log.addOp(toMemoryOpRecord(outcome, input));
    }
  }

  override handleToolError(error: unknown, runId: string): void {
    const run = this.forget(runId);
    if (!run?.tool) return;
    this.logs.get(run.rolloutId)?.addToolRun({
      tool_call_id: run.tool.callId,
      name: run.tool.name,
      ok: false,
      error: failureOf(error),
      latency_ms: Math.max(0, this.now() - run.tool.startedAt),
    });
  }

  /**
   * A run belongs to the rollout that its metadata names, else to its parent's, else to one named after the root run.
   */
  private track(runId: string, parentRunId?: string, metadata?: Record<string, unknown>): Run {
    const parent = parentRunId === undefined ? undefined : this.runs.get(parentRunId);
    const rootId = parent?.rootId ?? parentRunId ?? runId;
    const named = metadata?.[METADATA.rolloutId];
    const rolloutId = typeof named === "string" && named ? named : (parent?.rolloutId ?? rootId);
    const run: Run = { rootId, rolloutId, root: parentRunId === undefined };
    this.runs.set(runId, run);
    return run;
  }

  private forget(runId: string): Run | undefined {
    const run = this.runs.get(runId);
    this.runs.delete(runId);
    return run;
  }

  private endChain(runId: string): void {
    const run = this.forget(runId);
    const log = run && this.logs.get(run.rolloutId);
    if (log) this.releaseRoot(run, log);
  }

  /** When a root run ends, its steps are final, and with `onStep` an unnamed rollout need not be kept. */
  private releaseRoot(run: Run, log: RolloutLog): void {
    if (!run.root) return;
    this.emit(log);
    if (this.options.onStep && run.rolloutId === run.rootId && log.idle) this.logs.delete(run.rolloutId);
  }

  private logOf(rolloutId: string): RolloutLog {
    const known = this.logs.get(rolloutId);
    if (known) return known;
    const log = new RolloutLog(rolloutId);
    this.logs.set(rolloutId, log);
    return log;
  }

  private emit(log: RolloutLog): void {
    if (this.options.onStep) log.emit(this.options.onStep);
  }
}

/**
 * Reads from a node's update what no callback reports: responses marked as broken, and outcomes of calls whose
 * arguments were refused before the tool ran. Only the newest tool messages count, since updates repeat older ones.
 */
function readUpdate(log: RolloutLog, messages: readonly BaseMessage[]): void {
  for (const message of messages) {
    if (message?.additional_kwargs?.[FORMAT_ERROR_KEY] !== undefined) log.noteFormatError(message);
  }
  for (const message of [...messages].reverse()) {
    if (!message || AIMessage.isInstance(message)) return;
    const outcome = ToolMessage.isInstance(message) ? outcomeOf(message) : undefined;
    if (outcome) log.addOp(toMemoryOpRecord(outcome));
  }
}
