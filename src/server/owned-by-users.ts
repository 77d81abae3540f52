/**
 * Who may do what with the resources of a server: the handlers of LangGraph's `auth`.
 *
 * Owns the rules for threads, runs, assistants and the server's store. The graph refuses another user's run by itself
 * (`lib/run-owner.ts`); a state, a history or a run's events are read without the graph, so only these handlers can.
 * Leaves out who a user is: that is `authenticate`, the application's own. Only shapes of LangGraph's SDK are used, so
 * that agemem works without it.
 */

import { AgentState } from "../agent/state.js";
import { AccessError, type AgeMemErrorCode } from "../errors.js";
import { type NamespaceTemplate, resolveNamespace } from "../lib/namespace.js";
import { DEFAULT_NAMESPACE } from "../tools/toolkit.js";
import { PROTECTED_SETTINGS } from "./assistant.js";

/** What the server asks a handler. */
export interface AuthRequest {
  event: string;
  value: unknown;
  user: { identity: string; permissions: string[]; kind?: unknown };
}

/** Nothing where all is allowed; metadata or fields that a resource must have to be this user's. */
export type AuthAnswer = Record<string, string | { $contains: string }> | undefined;

/** Options of {@link ownedByUsers}. */
export interface OwnedByUsersOptions {
  /** Permission of those who may do everything, such as making assistants; default "agemem:operator". */
  operator?: string;
  /** Where the memories lie, for the server's own store; default `["memories", "{user_id}"]`. */
  namespace?: NamespaceTemplate;
}

type Fields = Record<string, unknown>;

/** What of the agent's state a run may bring along: the rest is what agemem knows about the thread. */
const OWN_STATE = Object.keys(AgentState.fields).filter((name) => name !== "messages");

/**
 * The handler for `auth.on("*", …)`: threads and runs belong to who made them; settings, assistants, crons and
 * webhooks are the operator's; of the server's store a user reads their own memories, and changes them through the
 * agent only, because its limits and approvals stand there.
 *
 * A refusal is HTTP 403 with `AGEMEM_AUTH_FORBIDDEN`; another user's thread does not exist (404).
 *
 * @example
 * export const auth = new Auth()
 *   .authenticate((request) => {
 *     refuseUnguarded(request);
 *     return verify(request.headers.get("authorization"));
 *   })
 *   .on("*", ownedByUsers());
 */
export function ownedByUsers(options: OwnedByUsersOptions = {}): (request: AuthRequest) => AuthAnswer {
  const { operator = "agemem:operator", namespace = DEFAULT_NAMESPACE } = options;
  return ({ event, value, user }) => {
    const { identity, permissions = [], kind } = user;
    // The development server takes a header for a login of its Studio.
    if (kind === "StudioUser")
      throw forbidden("LangGraph Studio is not let in", "Set auth.disable_studio_auth.");
    if (typeof identity !== "string" || identity === "") throw forbidden("The user has no identity");
    if (permissions.includes(operator)) return undefined;
    const asked = asFields(value);
    const own = { owner: identity };
    const [resource] = event.split(":");
    if (event === "threads:create_run") checkRun(asFields(asked.kwargs));
    if (event === "threads:update") checkUpdate(asked);
    if (["threads:create", "threads:update", "threads:create_run"].includes(event)) {
      asked.metadata = { ...asFields(asked.metadata), ...own };
    }
    if (resource === "threads") return own;
    if (event === "assistants:read" || event === "assistants:search") return undefined;
    if (resource === "store") {
      return storeAnswer(event, asked, resolveNamespace(namespace, { ...user, user_id: identity }));
    }
    throw forbidden(`${event} is the operator's`);
  };
}

/**
 * Refuses the requests that LangGraph's server answers without asking a handler whose they are; to be called first in
 * `authenticate`. Measured on the development server 1.5.1: joining a run's events by its id alone or by another thread's
 * path, the thread protocol (`/commands`, `/stream/events`, which act as whoever opened the thread first),
 * and `/internal`. State updates go too: they write past what a run may bring along.
 *
 * @param options `joins: true` lets clients join runs, for servers that look whose run it is
 * @throws AccessError `AGEMEM_AUTH_FORBIDDEN`, which the server answers with HTTP 403
 */
export function refuseUnguarded(request: Request, options: { joins?: boolean } = {}): void {
  const path = pathOf(request);
  const reads = request.method === "GET" || request.method === "HEAD";
  const unguarded =
    path === undefined ||
    /(^|\/)internal(\/|$)/i.test(path) ||
    /\/threads\/[^/]*\/(commands|stream\/events)\/*$/i.test(path) ||
    (!reads && /\/threads\/[^/]*\/state\/*$/i.test(path)) ||
    (!options.joins && /\/runs\/[^/]+\/(stream|join)\/*$/i.test(path));
  if (unguarded) throw forbidden(`${request.method} ${path ?? "this path"} is not served`);
}

/** Decoded as the server's router does; undefined for a path that cannot be. */
function pathOf(request: Request): string | undefined {
  try {
    return decodeURIComponent(new URL(request.url).pathname);
  } catch {
    return undefined;
  }
}

/** Settings are the operator's, the state is agemem's, and a webhook would make the server call any address. */
function checkRun({ config, context, input, command, webhook }: Fields): void {
  const sources = [asFields(asFields(config).configurable), asFields(context)];
  const settings = [...PROTECTED_SETTINGS, "__proto__"];
  refuse(
    "sets",
    settings.filter((name) => sources.some((source) => Object.hasOwn(source, name))),
  );
  refuse(
    "writes",
    OWN_STATE.filter((name) => Object.hasOwn(asFields(input), name)),
  );
  refuse(
    "uses",
    ["update", "goto"].filter((name) => asFields(command)[name] !== undefined),
  );
  refuse("uses", webhook === undefined || webhook === null ? [] : ["webhook"]);
}

/** The server asks with `metadata` for a change of the thread and with `action` for cancelling; else with neither. */
function checkUpdate(asked: Fields): void {
  if ("metadata" in asked || "action" in asked) return;
  throw forbidden("A thread's state is not written from outside");
}

function refuse(does: string, names: readonly string[]): void {
  if (names.length > 0) throw forbidden(`The run ${does} ${names.join(", ")}`);
}

function storeAnswer(event: string, { namespace }: Fields, own: readonly string[]): AuthAnswer {
  const reads = ["store:get", "store:search", "store:list_namespaces"].includes(event);
  if (!reads) throw forbidden("Memories are changed through the agent", "Ask the agent, or an operator.");
  const within = Array.isArray(namespace) && own.every((label, i) => namespace[i] === label);
  if (!within)
    throw forbidden("This namespace is not the user's", `Name one that begins with ${own.join(".")}.`);
  // Stores that compare prefixes as text find the namespaces of "10" for "1": each label must be there. That says nothing
  // where one label stands twice.
  if (new Set(own).size < own.length) throw forbidden("This namespace cannot be told from those of others");
  return { namespace: { $contains: own as unknown as string } };
}

/** As LangGraph's own `HTTPException`, which the server knows by its status and headers. */
function forbidden(problem: string, remedy = "Ask the operator of the server."): AccessError {
  const code: AgeMemErrorCode = "AGEMEM_AUTH_FORBIDDEN";
  const line = new AccessError(code, problem, { remedy }).toLine();
  return Object.assign(new AccessError(code, line, { remedy }), { status: 403, headers: {} });
}

function asFields(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}
