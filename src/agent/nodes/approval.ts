/**
 * Asks a person before a tool runs, through LangGraph's `interrupt`.
 *
 * Owns what the person is shown, and which answers are decisions. Option, request and answer have the shapes of
 * langchain's `humanInTheLoopMiddleware`, so that user interfaces for it work here too.
 */
import type { ToolCall } from "@langchain/core/messages/tool";
import { type BaseStore, interrupt } from "@langchain/langgraph";
import { z } from "zod";
import { showInvisible } from "../../text/escaping.js";
import type { PersonDecision } from "../../tools/operation-call.js";
import { contentOf } from "../../tools/operations/rendered.js";
import type { MemoryValue } from "../../types.js";

/** What a person may decide about a call. */
export const DECISIONS = ["approve", "edit", "reject"] as const;
export type AllowedDecision = (typeof DECISIONS)[number];

/** Whether to ask a person about a tool's calls: false, true, or with only some decisions allowed. */
export type InterruptOn = boolean | { allowedDecisions: readonly AllowedDecision[] };

/** The tools whose calls a person is asked about, with the allowed decisions. */
export function askedTools(
  given: Readonly<Record<string, InterruptOn>> = {},
): Map<string, readonly AllowedDecision[]> {
  const asked = new Map<string, readonly AllowedDecision[]>();
  for (const [name, when] of Object.entries(given)) {
    if (when) asked.set(name, when === true ? DECISIONS : when.allowedDecisions);
  }
  return asked;
}

/** The value of the interrupt. */
export interface ApprovalRequest {
  actionRequests: { name: string; args: Record<string, unknown>; description: string }[];
  reviewConfigs: { actionName: string; allowedDecisions: AllowedDecision[] }[];
}

/** The value to resume the run with: `new Command({ resume: { decisions: [{ type: "approve" }] } })`. */
export interface ApprovalResponse {
  decisions: (
    | { type: "approve" }
    | { type: "edit"; editedAction: { name: string; args: Record<string, unknown> } }
    | { type: "reject"; message?: string }
  )[];
}

/** Exactly one decision, because a request is about one call. */
const response = z.object({
  decisions: z.tuple(
    [
      z.discriminatedUnion("type", [
        z.object({ type: z.literal("approve") }),
        z.object({
          type: z.literal("edit"),
          editedAction: z.object({ name: z.string(), args: z.record(z.string(), z.unknown()) }),
        }),
        z.object({ type: z.literal("reject"), message: z.string().optional() }),
      ]),
    ],
    "one decision is needed",
  ),
});

/** The call to run and the decision about it; an edited call runs like any other, without a decision. */
export interface Reviewed {
  call: ToolCall;
  decision?: PersonDecision;
}

/**
 * Interrupts the run until a person has decided on the call. Anything but an allowed decision on this call (another
 * shape, two decisions, an edit that names another tool) counts as a rejection.
 *
 * @param memory describes to the person the memory that the call is about
 */
export function review(call: ToolCall, memory: string, allowed: readonly AllowedDecision[]): Reviewed {
  const description = `The agent wants to call ${call.name} with ${showInvisible(JSON.stringify(call.args))}.`;
  const request: ApprovalRequest = {
    actionRequests: [
      { name: call.name, args: call.args, description: memory ? `${description}\n${memory}` : description },
    ],
    reviewConfigs: [{ actionName: call.name, allowedDecisions: [...allowed] }],
  };
  const parsed = response.safeParse(interrupt(request));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const where = issue?.path.length ? `${issue.path.join(".")}: ` : "";
    return rejection(call, `the answer was not a decision (${where}${issue?.message})`);
  }
  const [decision] = parsed.data.decisions;
  if (!allowed.includes(decision.type))
    return rejection(call, `the decision "${decision.type}" is not allowed`);
  if (decision.type === "approve") return { call, decision: { kind: "approved" } };
  if (decision.type === "reject") return rejection(call, decision.message ?? "");
  const { name, args } = decision.editedAction;
  if (name === call.name) return { call: { ...call, args } };
  return rejection(call, `the edited call names ${name}, the one asked about was ${call.name}`);
}

function rejection(call: ToolCall, reason: string): Reviewed {
  return { call, decision: { kind: "rejected", reason } };
}

/** Describes the memory that a call names, quoting it in full; empty for calls that name none. */
export async function memoryAskedAbout(
  { args }: ToolCall,
  store: BaseStore,
  namespace: string[],
): Promise<string> {
  const id: unknown = args.memory_id;
  if (typeof id !== "string" || id.trim() === "") return "";
  const item = await store.get(namespace, id.trim());
  if (!item) return `There is no memory ${showInvisible(id)}.`;
  const { said_by } = (item.value as Partial<MemoryValue>).source ?? {};
  const facts = [
    said_by ? `said by: ${showInvisible(said_by)}` : "",
    `last changed ${item.updatedAt.toISOString()}`,
  ];
  return `Memory ${showInvisible(item.key)} says: "${showInvisible(contentOf(item))}" (${facts.filter(Boolean).join(", ")}).`;
}
