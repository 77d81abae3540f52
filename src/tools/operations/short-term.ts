/**
 * RETRIEVE, SUMMARY, FILTER: the operations on short-term memory (AgeMem, eq. 8-9, 14-15).
 *
 * Owns the order of the steps: write the summary or score the units, edit, archive. Leaves out the edits themselves,
 * which are pure functions of `context/`; store, embedder and summarizer are called here.
 */
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { HumanMessage, SystemMessage } from "@langchain/core/messages";
import { ContextArchive } from "../../context/archive.js";
import type { AppliedEdit } from "../../context/edit.js";
import { applyFilter, filterUnits, scoreUnits } from "../../context/edits/filter.js";
import {
  applySummary,
  parseSpan,
  planSummary,
  type SummaryPlan,
  summarize,
} from "../../context/edits/summary.js";
import { memoriesInContext, renderMemories } from "../../context/retrieval.js";
import { type AgeMemError, InputError, messageOf } from "../../errors.js";
import { addTokens, NO_CALLS, reportedTokens } from "../../lib/call-usage.js";
import { shortHash } from "../../lib/hash.js";
import { describeModelError } from "../../models/model-errors.js";
import { modelNameOf } from "../../models/model-name.js";
import { modelWindow } from "../../models/window.js";
import { SUMMARIZER_PROMPT, summarizerRequest } from "../../prompts.js";
import { type CallUsage, METADATA } from "../../types.js";
import { inPlace } from "../parallel-edit.js";
import type { FilterArguments, RetrieveArguments, SummaryArguments } from "../schemas.js";
import { searchExact } from "../search/exact-search.js";
import { toStoreFilter } from "../search/metadata-filter.js";
import type { MemoryToolkit, OperationContext, OperationEffect } from "../toolkit.js";
import { withoutContext } from "../tracing.js";
import { toRendered } from "./rendered.js";

/**
 * Searches long-term memory in the kit's `searchMode` and `ranking`, and renders the best `top_k` for the context. Memories that the
 * context already shows are named, not repeated.
 */
export async function retrieveMemory(
  kit: MemoryToolkit,
  args: RetrieveArguments,
  context: Pick<OperationContext, "namespace" | "facts">,
): Promise<OperationEffect> {
  const limit = args.top_k ?? kit.topK;
  const { filter, matches } = toStoreFilter(kit.store, args.metadata_filter);
  const items = await searchExact(kit.store, context.namespace, {
    query: args.query,
    limit,
    ...(kit.searchMode ? { mode: kit.searchMode } : {}),
    ...kit.ranking,
    ...(filter ? { filter } : {}),
    // For stores that cannot filter by nested values.
    ...(matches ? { accepts: matches } : {}),
  });
  const similar = kit.searchMode === undefined || kit.searchMode === "vector";
  return {
    // Only a similarity means something by itself; a fused rank or BM25 score does not.
    text: renderMemories(
      items.map((item) => toRendered(item, similar)),
      {
        query: args.query,
        alreadyShown: memoriesInContext(context.facts),
      },
    ),
    memoryIds: items.map((item) => item.key),
    ...(kit.searchMode ? { searchMode: kit.searchMode } : {}),
    shown: Object.fromEntries(items.map((item) => [item.key, item.updatedAt.getTime()])),
  };
}

/** Replaces the chosen span with a summary. If the summarizer fails, the context is unchanged (`AGEMEM_SUMMARY_FAILED`). */
export async function summarizeContext(
  kit: MemoryToolkit,
  args: SummaryArguments,
  context: OperationContext,
): Promise<OperationEffect> {
  const plan = planSummary(context.messages, parseSpan(String(args.span)), {
    protectIds: context.protectIds,
  });
  const { edit, auxiliary } = await runSummary(kit, plan, context);
  return {
    text: `Summarized ${count(edit.report.removedIds.length, "message")} ${effect(edit, context)}`,
    memoryIds: [],
    edit,
    auxiliary,
  };
}

/** The context window, in tokens, assumed for a summarizer whose own is unknown. */
const UNKNOWN_WINDOW = 8192;

/** A call resumed in another process may not know which model asked for it. */
function summarizerFor(kit: MemoryToolkit, context: OperationContext): BaseChatModel {
  const summarizer = kit.summarizerOf(context.messages);
  if (summarizer) return summarizer;
  throw new InputError("AGEMEM_SUMMARY_FAILED", "No model to write the summary is known yet", {
    remedy: "The context is unchanged. Call again if a summary is still needed.",
  });
}

/**
 * Writes the summary of a plan, archives the originals, and only then returns the edited context. A refusal carries
 * the usage of the model calls made in vain; see {@link spentOn}.
 */
export async function runSummary(
  kit: MemoryToolkit,
  plan: SummaryPlan,
  context: OperationContext,
  kind: "summary" | "emergency" = "summary",
): Promise<{ edit: AppliedEdit; auxiliary: CallUsage }> {
  const auxiliary: CallUsage = { ...NO_CALLS };
  try {
    const summary = await writeSummary(kit, plan, context, auxiliary);
    const summarized = applySummary(context.messages, plan, summary, {
      editId: editId(context),
      facts: context.facts,
      counter: kit.counter,
      kind,
    });
    refuseLonger(summarized);
    const edit = context.parallel ? inPlace(summarized) : summarized;
    await archive(kit, context, edit);
    return { edit, auxiliary };
  } catch (error) {
    // This includes a failed archive: by then the summary had been written and paid for.
    if (error instanceof InputError && auxiliary.calls > 0) error.details.auxiliary = auxiliary;
    throw error;
  }
}

async function writeSummary(
  kit: MemoryToolkit,
  plan: SummaryPlan,
  context: OperationContext,
  auxiliary: CallUsage,
): Promise<string> {
  const summarizer = summarizerFor(kit, context);
  const windowTokens = kit.summarizerWindow ?? modelWindow(summarizer)?.window ?? UNKNOWN_WINDOW;
  try {
    return await summarize(plan.messages, {
      counter: kit.counter,
      windowTokens,
      call: (transcript, previous) => callSummarizer(summarizer, context, auxiliary, transcript, previous),
    });
  } catch (cause) {
    if (context.config.signal?.aborted) throw cause;
    // The model and traces read this; keys were redacted from the provider's message in callSummarizer.
    throw new InputError("AGEMEM_SUMMARY_FAILED", messageOf(cause), {
      cause,
      remedy: "The context is unchanged. Continue without a summary, or try again later.",
    });
  }
}

/** A summary exists to make room, so one that is no shorter than its source is refused. */
function refuseLonger({ report }: AppliedEdit): void {
  if (report.tokensAfter < report.tokensBefore) return;
  const grown = report.tokensAfter - report.tokensBefore;
  throw new InputError(
    "AGEMEM_SUMMARY_FAILED",
    `The summary is no shorter than the ${count(report.removedIds.length, "message")} it would replace (${grown} tokens more)`,
    { remedy: "The context is unchanged. Continue without a summary: it would gain little." },
  );
}

/** The usage of a failed summary's model calls, for the outcome. */
export function spentOn(error: AgeMemError): { auxiliary?: CallUsage } {
  const { auxiliary } = error.details as { auxiliary?: CallUsage };
  return auxiliary ? { auxiliary } : {};
}

/** Removes messages, and segments of long ones, that match `criteria`. `AGEMEM_EDIT_EMPTY` if none does. */
export async function filterContext(
  kit: MemoryToolkit,
  args: FilterArguments,
  context: OperationContext,
): Promise<OperationEffect> {
  const units = filterUnits(context.messages, {
    protectIds: context.protectIds,
    segmentMinTokens: kit.segmentMinTokens,
    counter: kit.counter,
  });
  const scores = await scoreUnits(units, args.criteria, (texts) => kit.embeddings.embedDocuments(texts));
  const edit = applyFilter(context.messages, units, scores, {
    theta: kit.theta,
    editId: editId(context),
    facts: context.facts,
    counter: kit.counter,
  });
  const { removedIds, changedIds } = edit.report;
  await archive(kit, context, edit);
  const parts = [
    removedIds.length ? `${count(removedIds.length, "message")}` : "",
    changedIds.length ? `parts of ${count(changedIds.length, "message")}` : "",
  ].filter(Boolean);
  return {
    text: `Removed ${parts.join(" and ")} ${effect(edit, context)}`,
    memoryIds: [],
    edit,
  };
}

/** Calls the summarizer. Its tags keep its tokens from being recorded as the policy's or streamed as the answer. */
async function callSummarizer(
  summarizer: BaseChatModel,
  context: OperationContext,
  usage: CallUsage,
  transcript: string,
  previous?: string,
): Promise<string> {
  const started = Date.now();
  usage.calls += 1;
  const response = await summarizer
    .invoke(
      [new SystemMessage(SUMMARIZER_PROMPT), new HumanMessage(summarizerRequest(transcript, previous))],
      withoutContext({
        ...context.config,
        runName: "agemem.summarize",
        tags: [...(context.config.tags ?? []), "nostream", "agemem:aux"],
        metadata: { ...context.config.metadata, [METADATA.callRole]: "aux", [METADATA.op]: "SUMMARY" },
      }),
    )
    .catch((error: unknown) => {
      if (context.config.signal?.aborted) throw error;
      throw describeModelError(error, { what: "the summarizer", model: modelNameOf(summarizer) });
    })
    .finally(() => {
      usage.latencyMs += Date.now() - started;
    });
  // The call itself was counted before it was made.
  Object.assign(usage, addTokens(usage, { ...reportedTokens(response), calls: 0 }));
  const text = response.text.trim();
  if (!text) throw new Error("the summarizer returned no text");
  return text;
}

/** Runs before the context changes, so that a failing archive loses nothing. */
async function archive(kit: MemoryToolkit, context: OperationContext, edit: AppliedEdit): Promise<void> {
  await new ContextArchive(kit.store, context.thread).save(edit.report.archive);
}

function editId(context: OperationContext): string {
  return `e${shortHash(context.key, 8)}`;
}

/** Tokens of the whole prompt before and after, as in the outcome, and the edit's id, by which it can be restored. */
function effect({ report }: AppliedEdit, { overheadTokens }: OperationContext): string {
  const [before, after] = [report.tokensBefore + overheadTokens, report.tokensAfter + overheadTokens];
  return `(context ${before} -> ${after} tokens). Edit ${report.editId}.`;
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}
