/**
 * Extracts what may be recorded of a call from what a callback handler is told: metadata, sampling, tools, errors.
 *
 * Owns the list of recorded fields. Everything else about the invocation (headers, keys, clients) is ignored. Pure.
 */
import { convertToOpenAITool } from "@langchain/core/utils/function_calling";
import { AgeMemError, messageOf } from "../errors.js";
import { CONTEXT_REFUSED, isContextOverflow } from "../lib/context-overflow.js";
import { redact } from "../text/redaction.js";
import { type CallRole, METADATA, type Stage } from "../types.js";
import type { LangGraphRecord, SamplingRecord } from "./schema-parts.js";

type Fields = Record<string, unknown>;

/** Who made the call, and in which rollout. */
export interface RunFacts {
  rolloutId: string | null;
  taskId: string | null;
  groupId: string | null;
  rolloutIndex: number | null;
  attempt: number;
  stage: Stage;
  callRole: CallRole;
  protocol: "native" | "text" | null;
  revision: number | null;
  policyVersion: number | null;
  modelName: string | null;
  langgraph: LangGraphRecord;
}

/** Reads run metadata. Values of the wrong type count as absent. */
export function runFacts(metadata: Fields = {}, extra: Fields = {}): RunFacts {
  const stage = metadata[METADATA.stage];
  const protocol = metadata[METADATA.protocol];
  const execution = fields(fields(extra.options).executionInfo);
  return {
    rolloutId: text(metadata[METADATA.rolloutId]),
    taskId: text(metadata[METADATA.taskId]),
    groupId: text(metadata[METADATA.groupId]),
    rolloutIndex: natural(metadata[METADATA.rolloutIndex]),
    attempt: natural(metadata[METADATA.attempt]) || 1,
    stage: stage === 1 || stage === 2 || stage === 3 ? stage : 0,
    callRole: metadata[METADATA.callRole] === "aux" ? "aux" : "policy",
    protocol: protocol === "native" || protocol === "text" ? protocol : null,
    revision: natural(metadata[METADATA.revision]),
    policyVersion: natural(metadata[METADATA.policyVersion]),
    modelName: text(metadata.ls_model_name),
    langgraph: {
      thread_id: text(metadata.thread_id),
      node: text(metadata.langgraph_node),
      step: natural(metadata.langgraph_step),
      checkpoint_ns: text(metadata.langgraph_checkpoint_ns),
      checkpoint_id: text(execution.checkpointId),
    },
  };
}

/** Sampling parameters as sent, including `modelKwargs`, which LangChain merges into the body. */
export function samplingOf(extra: Fields = {}): SamplingRecord {
  const sent: Fields = { ...fields(extra.options), ...fields(extra.invocation_params) };
  const { stop } = sent;
  const template = sent.chat_template_kwargs;
  return {
    temperature: number(sent.temperature),
    top_p: number(sent.top_p ?? sent.topP),
    top_k: number(sent.top_k ?? sent.topK),
    min_p: number(sent.min_p),
    max_tokens: number(sent.max_completion_tokens ?? sent.max_tokens ?? sent.maxTokens),
    seed: number(sent.seed),
    stop:
      typeof stop === "string" || (Array.isArray(stop) && stop.every((s) => typeof s === "string"))
        ? stop
        : null,
    presence_penalty: number(sent.presence_penalty),
    frequency_penalty: number(sent.frequency_penalty),
    chat_template_kwargs: typeof template === "object" && template !== null ? (template as Fields) : null,
    tool_choice: sent.tool_choice ?? null,
  };
}

/** Tools as sent, in OpenAI's format; or as bound, if the model does not tell what it sends. */
export function toolsOf(extra: Fields = {}): Fields[] {
  const sent = fields(extra.invocation_params).tools ?? fields(extra.options).tools;
  if (!Array.isArray(sent)) return [];
  return sent.map(asSent);
}

/**
 * Tools are bound once and sent with every call, so they are copied and converted only once: converting a zod schema to
 * JSON Schema, or just copying six tools, costs more than the rest of a step.
 */
const copies = new WeakMap<object, Fields>();

function asSent(tool: Fields): Fields {
  const known = copies.get(tool);
  if (known) return known;
  const inForm = tool.type === "function" || !("schema" in tool);
  const sent: Fields = inForm
    ? JSON.parse(JSON.stringify(tool))
    : convertToOpenAITool(tool as Parameters<typeof convertToOpenAITool>[0]);
  copies.set(tool, sent);
  return sent;
}

/** The requested model, or null. */
export function modelOf(extra: Fields = {}): string | null {
  const sent = fields(extra.invocation_params);
  return text(sent.model) ?? text(sent.model_name) ?? text(sent.modelName);
}

/**
 * Code and message of an error without anything that looks like a credential. Whatever an endpoint calls it, a prompt that is
 * too long has one code: rewards ask for it.
 */
export function failureOf(error: unknown): { code: string | null; message: string } {
  const own = AgeMemError.isInstance(error) ? error.code : text(fields(error).code);
  const code = isContextOverflow(error) ? CONTEXT_REFUSED : own;
  return { code, message: redact(messageOf(error)) };
}

export function fields(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function number(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function natural(value: unknown): number | null {
  return Number.isInteger(value) && (value as number) >= 0 ? (value as number) : null;
}
