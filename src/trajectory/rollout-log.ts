/**
 * The steps of one rollout while it runs. A step is opened when a call begins, completed when it ends, and then gets
 * the memory operations that its tool calls lead to.
 *
 * Owns order, the link from tool calls to steps, and what counts as trainable. Leaves out callbacks (`recorder.ts`).
 */
import type { AIMessage, BaseMessage } from "@langchain/core/messages";
import { reportedTokens } from "../lib/call-usage.js";
import { FORMAT_ERROR_KEY, type TokenCounter, type ToolSchema } from "../types.js";
import { fields, type RunFacts } from "./call-facts.js";
import { compareContexts } from "./context-edit.js";
import { toResponseRecord } from "./message-records.js";
import { type StepRecord, TRAJECTORY_SCHEMA } from "./schema.js";
import type {
  EngineRecord,
  MemoryOpRecord,
  MessageRecord,
  SamplingRecord,
  ToolRunRecord,
} from "./schema-parts.js";
import { extractTokens } from "./token-ids.js";

/** What is known when a call begins. */
interface CallStart {
  runId: string;
  rootRunId: string;
  facts: RunFacts;
  model: string | null;
  engine: EngineRecord | null;
  sampling: SamplingRecord;
  tools: Record<string, unknown>[];
  messages: MessageRecord[];
  /** Counts messages and tools, if the server reports no usage; null without a counter. */
  count: () => number | null;
  /** Unix time in milliseconds. */
  at: number;
}

/** What is known when a call ends. */
interface CallResult {
  message: BaseMessage;
  generationInfo: Record<string, unknown>;
  tokenUsage: Record<string, unknown>;
  at: number;
}

interface Draft {
  step: StepRecord;
  count: CallStart["count"];
  startedAt: number;
  done: boolean;
  /** Id of the response in the graph's state. */
  messageId: string | undefined;
}

export class RolloutLog {
  private readonly drafts: Draft[] = [];
  private readonly byRun = new Map<string, Draft>();
  private lastPolicy: Draft | null = null;
  private emitted = 0;
  /** Operations of the overflow guard since the last policy call; they go to the next one. */
  private guardOps: MemoryOpRecord[] = [];
  /** Steps by id of tool calls that no response names, because a graph's output may repeat their answers later. */
  private readonly unnamed = new Map<string, StepRecord>();

  constructor(readonly rolloutId: string) {}

  /** Opens a step, with its index and how its prompt relates to the previous policy step. */
  start(call: CallStart): void {
    const { facts } = call;
    const state = { stage: facts.stage, messages: call.messages, tools: call.tools };
    const policy = facts.callRole === "policy";
    const previous = policy ? (this.lastPolicy?.step ?? null) : null;
    const guardOps = policy ? this.guardOps.splice(0) : [];
    const step: StepRecord = {
      kind: "step",
      schema: TRAJECTORY_SCHEMA,
      task_id: facts.taskId,
      group_id: facts.groupId,
      rollout_id: this.rolloutId,
      rollout_index: facts.rolloutIndex,
      attempt: facts.attempt,
      stage: facts.stage,
      step_index: this.drafts.length,
      run_id: call.runId,
      root_run_id: call.rootRunId,
      response_id: null,
      call_role: facts.callRole,
      trainable: false,
      advantage: null,
      drop_reason: "error",
      model: call.model,
      policy_version: facts.policyVersion,
      engine: call.engine,
      protocol: facts.protocol,
      sampling: call.sampling,
      messages: call.messages,
      tools: call.tools,
      response: null,
      prompt_token_ids: null,
      response_token_ids: null,
      response_logprobs: null,
      response_mask: null,
      token_source: "none",
      finish_reason: null,
      stop_reason: null,
      truncated: false,
      format_error: null,
      ...compareContexts(
        previous && { ...previous, memory_ops: [...previous.memory_ops, ...guardOps] },
        state,
      ),
      memory_ops: guardOps,
      tool_runs: [],
      revision_before: facts.revision,
      revision_after: facts.revision,
      context_tokens: null,
      usage: null,
      error: null,
      langgraph: facts.langgraph,
      ts: new Date(call.at).toISOString(),
      latency_ms: 0,
    };
    const draft: Draft = { step, count: call.count, startedAt: call.at, done: false, messageId: undefined };
    this.drafts.push(draft);
    this.byRun.set(call.runId, draft);
    if (policy) this.lastPolicy = draft;
  }

  /** Completes a step with the response and the server's tokens. Ignores unknown runs. */
  end(runId: string, result: CallResult): void {
    const draft = this.close(runId, result.at);
    if (!draft) return;
    const { step } = draft;
    const { message, generationInfo } = result;
    const metadata = fields(message.response_metadata);
    const raw = fields(message.additional_kwargs.__raw_response);
    const choice = fields(Array.isArray(raw.choices) ? raw.choices[0] : undefined);
    const usage = usageOf(message, result.tokenUsage);
    const tokens = extractTokens({
      raw,
      logprobs: metadata.logprobs ?? generationInfo.logprobs,
      promptTokens: usage?.prompt_tokens ?? null,
      completionTokens: usage?.completion_tokens ?? null,
    });
    const finish = metadata.finish_reason ?? generationInfo.finish_reason ?? choice.finish_reason;
    const stop = choice.stop_reason ?? choice.matched_stop;
    draft.messageId = message.id;
    step.response = toResponseRecord(message);
    step.response_id = message.id && !message.id.startsWith("run-") ? message.id : null;
    step.model ??= typeof metadata.model_name === "string" ? metadata.model_name : null;
    // The server knows which weights answered; the number given beforehand is only what was expected.
    step.policy_version = tokens.policyVersion ?? step.policy_version;
    step.prompt_token_ids = tokens.promptTokenIds;
    step.response_token_ids = tokens.responseTokenIds;
    step.response_logprobs = tokens.logprobs;
    step.response_mask = tokens.responseTokenIds?.map(() => 1 as const) ?? null;
    step.token_source = tokens.source;
    step.finish_reason = typeof finish === "string" ? finish : null;
    step.stop_reason = typeof stop === "string" || Number.isInteger(stop) ? (stop as string | number) : null;
    step.truncated = step.finish_reason === "length";
    step.usage = usage;
    step.context_tokens = usage?.prompt_tokens ?? draft.count();
    step.drop_reason = dropReason(step, tokens.mismatch);
    step.trainable = step.drop_reason === null;
    this.noteFormatError(message);
  }

  /** Completes a step whose call failed. */
  fail(runId: string, error: { code: string | null; message: string }, at: number): void {
    const draft = this.close(runId, at);
    if (!draft) return;
    draft.step.context_tokens = draft.count();
    draft.step.error = error;
  }

  /** Adds a memory operation to the step that asked for it. If a tool runs again (a retry), its outcome is replaced. */
  addOp(op: MemoryOpRecord): void {
    const step = this.stepOfCall(op.tool_call_id);
    if (!step) return;
    const earlier = step.memory_ops.findIndex((o) => o.tool_call_id === op.tool_call_id && o.op === op.op);
    const known = step.memory_ops[earlier];
    if (earlier === -1) step.memory_ops.push(op);
    else step.memory_ops[earlier] = { ...op, arguments: op.arguments ?? known?.arguments ?? null };
    step.revision_before ??= op.revision_before;
    step.revision_after = op.revision_after ?? step.revision_after;
  }

  /** Keeps an operation of the overflow guard, which the model did not ask for, for the next policy call. */
  addGuardOp(op: MemoryOpRecord): void {
    this.guardOps.push(op);
  }

  addToolRun(run: ToolRunRecord): void {
    if (run.tool_call_id !== null) this.stepOfCall(run.tool_call_id)?.tool_runs.push(run);
  }

  /** Notes the mark that the agent puts on a response that broke the protocol, after the call has ended. */
  noteFormatError(message: BaseMessage): void {
    const problem = message.additional_kwargs[FORMAT_ERROR_KEY];
    if (problem === undefined) return;
    const named = this.drafts.findLast((d) => d.messageId !== undefined && d.messageId === message.id);
    // A graph may give the message another id; then compare the text.
    const last = this.lastPolicy;
    const draft = named ?? (last?.done && last.step.response?.content === message.content ? last : undefined);
    if (draft) draft.step.format_error = typeof problem === "string" ? problem : JSON.stringify(problem);
  }

  /** Notes that the next policy call repeats the last one because its response broke the protocol. */
  noteRepair(): void {
    if (this.lastPolicy)
      this.lastPolicy.step.format_error ??= "the response broke the protocol and was asked for again";
  }

  /** Completed steps, in order. */
  steps(): StepRecord[] {
    return this.drafts.filter((draft) => draft.done).map((draft) => copy(draft.step));
  }

  /** Ends the calls still running, so that the step indexes have no gap. */
  abandon(at: number): void {
    for (const runId of [...this.byRun.keys()]) {
      this.fail(runId, { code: null, message: "The rollout was taken before the call ended." }, at);
    }
  }

  /** Passes steps that will not change any more to a sink, each once and in order. */
  emit(sink: (step: StepRecord) => void): void {
    while (this.drafts[this.emitted]?.done) {
      const draft = this.drafts[this.emitted++];
      if (draft) sink(copy(draft.step));
    }
  }

  get idle(): boolean {
    return this.byRun.size === 0;
  }

  private close(runId: string, at: number): Draft | undefined {
    const draft = this.byRun.get(runId);
    if (!draft) return undefined;
    this.byRun.delete(runId);
    draft.done = true;
    draft.step.latency_ms = Math.max(0, at - draft.startedAt);
    return draft;
  }

  /** The step of a tool call: the one whose response names it, else (the text protocol has no ids) the latest one. */
  private stepOfCall(toolCallId: string): StepRecord | undefined {
    const named = this.drafts.findLast((d) => d.step.response?.tool_calls.some((c) => c.id === toolCallId));
    if (named) return named.step;
    const known = this.unnamed.get(toolCallId);
    const last = this.lastPolicy;
    if (known || !last?.done || (last.step.response?.tool_calls.length ?? 0) > 0) return known;
    this.unnamed.set(toolCallId, last.step);
    return last.step;
  }
}

function dropReason(step: StepRecord, mismatch: string | null): string | null {
  if (step.call_role === "aux") return "aux";
  if (step.prompt_token_ids === null || step.response_token_ids === null) return "no_token_ids";
  return mismatch === null ? null : "token_mismatch";
}

function usageOf(message: BaseMessage, tokenUsage: Record<string, unknown>): StepRecord["usage"] {
  const known = reportedTokens(message as AIMessage);
  const prompt = known.promptTokens ?? (tokenUsage.promptTokens || tokenUsage.prompt_tokens);
  const completion = known.completionTokens ?? tokenUsage.completionTokens ?? tokenUsage.completion_tokens;
  if (typeof prompt !== "number" || typeof completion !== "number" || prompt === 0) return null;
  const cached = (message as AIMessage).usage_metadata?.input_token_details?.cache_read;
  return { prompt_tokens: prompt, completion_tokens: completion, cached_tokens: cached ?? null };
}

/** Tokens of a prompt, messages and tool schemas, by a counter. */
export function countPrompt(
  counter: TokenCounter,
  messages: readonly BaseMessage[],
  tools: readonly Record<string, unknown>[],
): number {
  const schemas = tools.map((tool) => (tool.function ?? tool) as ToolSchema);
  const text = messages.reduce((sum, message) => sum + counter.countMessage(message), 0);
  return text + (schemas.length > 0 ? counter.countTools(schemas) : 0);
}

/** A copy that does not change when operations arrive later. */
function copy(step: StepRecord): StepRecord {
  return { ...step, memory_ops: [...step.memory_ops], tool_runs: [...step.tool_runs] };
}
