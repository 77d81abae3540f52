/** Valid records to start from in tests of the feed; every field can be replaced. */
import type {
  EpisodeRecord,
  StepRecord,
  TrajectoryRecord,
  VerdictsRecord,
} from "../../src/trajectory/schema.js";
import type { MemoryOpRecord } from "../../src/trajectory/schema-parts.js";

export function step(over: Partial<StepRecord> = {}): StepRecord {
  return {
    kind: "step",
    schema: "agemem.trajectory/1",
    task_id: "t1",
    group_id: "g1",
    rollout_id: "r1",
    rollout_index: 0,
    attempt: 1,
    stage: 1,
    step_index: 0,
    run_id: "run-a",
    root_run_id: "run-root",
    response_id: "chatcmpl-1",
    call_role: "policy",
    trainable: true,
    advantage: null,
    drop_reason: null,
    model: "m",
    policy_version: 3,
    engine: null,
    protocol: "native",
    sampling: {
      temperature: 1,
      top_p: null,
      top_k: null,
      min_p: null,
      max_tokens: null,
      seed: null,
      stop: null,
      presence_penalty: null,
      frequency_penalty: null,
      chat_template_kwargs: null,
      tool_choice: null,
    },
    messages: [{ role: "user", content: "hello" }],
    tools: [],
    response: { role: "assistant", content: "hi", reasoning: null, tool_calls: [] },
    prompt_token_ids: [1, 2, 3],
    response_token_ids: [4, 5],
    response_logprobs: [-0.5, -0.25],
    response_mask: [1, 1],
    token_source: "server",
    finish_reason: "stop",
    stop_reason: null,
    truncated: false,
    format_error: null,
    extends_previous: false,
    context_edit: "start",
    memory_ops: [],
    tool_runs: [],
    revision_before: null,
    revision_after: null,
    context_tokens: 3,
    usage: { prompt_tokens: 3, completion_tokens: 2, cached_tokens: null },
    error: null,
    langgraph: { thread_id: null, node: null, step: null, checkpoint_ns: null, checkpoint_id: null },
    ts: "2026-01-02T03:04:05.000Z",
    latency_ms: 12,
    ...over,
  };
}

export function trajectory(over: Partial<TrajectoryRecord> = {}): TrajectoryRecord {
  return {
    kind: "trajectory",
    schema: "agemem.trajectory/1",
    task_id: "t1",
    group_id: "g1",
    rollout_id: "r1",
    rollout_index: 0,
    attempt: 1,
    k: 2,
    status: "ok",
    error: null,
    reward: null,
    reward_parts: {},
    verdicts: null,
    advantage: null,
    advantage_meta: null,
    n_steps: 1,
    policy_version_min: 3,
    policy_version_max: 3,
    policy_usage: { calls: 1, prompt_tokens: 3, completion_tokens: 2, latency_ms: 12 },
    aux_usage: { calls: 0, prompt_tokens: 0, completion_tokens: 0, latency_ms: 0 },
    branch: null,
    revision: null,
    episode: null,
    metadata: {},
    ts: "2026-01-02T03:04:05.000Z",
    latency_ms: 30,
    ...over,
  };
}

export function episode(over: Partial<EpisodeRecord> = {}): EpisodeRecord {
  return {
    question: "Where was Ada Lovelace born?",
    gold_answer: "London",
    gold_facts: ["Ada Lovelace was born in London."],
    outdated_facts: [],
    answer: "London",
    rounds: [2, 2, 1],
    n_max: 4,
    t_max: 1000,
    items: [],
    ...over,
  };
}

export function verdicts(over: Partial<VerdictsRecord> = {}): VerdictsRecord {
  return { judge: "test", answer: 1, storage: {}, relevance: 1, memory_quality: null, useful: null, ...over };
}

export function op(over: Partial<MemoryOpRecord> = {}): MemoryOpRecord {
  return {
    op: "ADD",
    tool_call_id: "c1",
    arguments: null,
    ok: true,
    error: null,
    memory_ids: ["m1"],
    search_mode: null,
    namespace: ["memories", "ada"],
    revision_before: 0,
    revision_after: 1,
    tokens_before: 100,
    tokens_after: 110,
    edit_id: null,
    message_ids: [],
    auxiliary: null,
    latency_ms: 1,
    ...over,
  };
}

/** A step without token ids, as from a server that gives none. */
export function textStep(over: Partial<StepRecord> = {}): StepRecord {
  return step({
    prompt_token_ids: null,
    response_token_ids: null,
    response_logprobs: null,
    response_mask: null,
    token_source: "none",
    trainable: false,
    drop_reason: "no_token_ids",
    ...over,
  });
}
