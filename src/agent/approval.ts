/**
 * A person's word before an operation runs, through LangGraph's `interrupt`.
 *
 * Request and answer have the shapes of langchain's `humanInTheLoopMiddleware`, so that its user interfaces work.
 */
import type { ToolCall } from "@langchain/core/messages/tool";
import { interrupt } from "@langchain/langgraph";

/** What the interrupt carries. */
export interface ApprovalRequest {
  actionRequests: { name: string; args: Record<string, unknown>; description: string }[];
  reviewConfigs: { actionName: string; allowedDecisions: ("approve" | "edit" | "reject")[] }[];
}

/** What the run is resumed with: `new Command({ resume: { decisions: [{ type: "approve" }] } })`. */
export interface ApprovalResponse {
  decisions: (
    | { type: "approve" }
    | { type: "edit"; editedAction: { name: string; args: Record<string, unknown> } }
    | { type: "reject"; message?: string }
  )[];
}

/** The call as it may run, or why not. */
export type Reviewed = { call: ToolCall; rejected?: string };

/** Stops the run until a person has decided on the call. An answer of another shape is a rejection. */
export function review(call: ToolCall): Reviewed {
  const request: ApprovalRequest = {
    actionRequests: [{ name: call.name, args: call.args, description: describe(call) }],
    reviewConfigs: [{ actionName: call.name, allowedDecisions: ["approve", "edit", "reject"] }],
  };
  const answer: unknown = interrupt(request);
  const decision = (answer as Partial<ApprovalResponse> | null)?.decisions?.[0];
  if (decision?.type === "approve") return { call };
  if (decision?.type === "edit") return { call: { ...call, args: decision.editedAction.args } };
  if (decision?.type === "reject") return { call, rejected: decision.message ?? "" };
  return { call, rejected: `the answer was ${JSON.stringify(answer)}, not a decision` };
}

function describe({ name, args }: ToolCall): string {
  return `The agent wants to call ${name} with ${JSON.stringify(args)}.`;
}
