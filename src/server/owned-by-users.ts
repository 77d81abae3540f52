/**
 * Who may do what with the resources of a server: the handlers of LangGraph's `auth`.
 *
 * Owns the rules for threads, runs, assistants and the server's store. The graph refuses another user's run itself
 * (`thread-claim.ts`), but a state, a history or a run's events are read without the graph, so only these handlers can
 * guard them. Leaves out who a user is, which is the application's `authenticate`. Only shapes of LangGraph's SDK are
 * used, so that agemem works without it.
 */
import { z } from "zod";
import { AgentState } from "../agent/state.js";
import { AccessError, type AgeMemErrorCode } from "../errors.js";
import { checkOptions, flag, type OptionShape, text } from "../lib/check-options.js";
import { type NamespaceTemplate, resolveNamespace } from "../lib/namespace.js";
import { namespaceTemplate } from "../tools/option-schemas.js";
import { DEFAULT_NAMESPACE } from "../tools/toolkit.js";
import { PROTECTED_SETTINGS } from "./assistant.js";
import { GUARDED } from "./trust.js";

/** What the server asks a handler: an event such as "threads:create_run", what it is about, and who asks. */
export interface AuthRequest {
  event: string;
  value: unknown;
  user: { identity: string; permissions: string[]; kind?: unknown };
}

/** What a resource must have in its metadata (or its fields) to be this user's; undefined where everything is allowed. */
export type AuthAnswer = Record<string, string | { $contains: string }> | undefined;

/** Options of {@link ownedByUsers}. */
export interface OwnedByUsersOptions {
  /** The permission of those who may do everything, such as creating assistants. Default "agemem:operator". */
  operator?: string;
  /** Namespace template of the memories, for the server's own store. Default `["memories", "{user_id}"]`. */
  namespace?: NamespaceTemplate;
}

/** Options of {@link refuseUnguarded}. */
export interface RefuseUnguardedOptions {
  /** Lets clients join runs: for servers that check whose run it is. Default false. */
  joins?: boolean;
}

const ownedByUsersOptions = z.strictObject({
  operator: text.optional(),
  namespace: namespaceTemplate.optional(),
} satisfies OptionShape<OwnedByUsersOptions>);

const refuseUnguardedOptions = z.strictObject({
  joins: flag.optional(),
} satisfies OptionShape<RefuseUnguardedOptions>);

type Fields = Record<string, unknown>;

/** The state that a run may not bring along: what agemem itself knows about the thread. */
const OWN_STATE = Object.keys(AgentState.fields).filter((name) => name !== "messages");

/**
 * The handler for `auth.on("*", …)`. Threads and runs belong to the user who created them; settings, assistants, crons
 * and webhooks are the operator's. In the server's store users read their own memories and change them through the agent
 * only, because its limits and approvals apply there. Each run that it lets through is marked as guarded, without which
 * `servedAgent` serves no authenticated user.
 *
 * @returns the handler. It throws AccessError `AGEMEM_AUTH_FORBIDDEN`, which the server answers with HTTP 403; another
 * user's thread does not exist (404)
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for wrong or unknown options
 * @example
 * export const auth = new Auth()
 *   .authenticate((request) => {
 *     refuseUnguarded(request);
 *     return verify(request.headers.get("authorization"));
 *   })
 *   .on("*", ownedByUsers());
 */
export function ownedByUsers(options: OwnedByUsersOptions = {}): (request: AuthRequest) => AuthAnswer {
  checkOptions(ownedByUsersOptions, options, "ownedByUsers");
  const { operator = "agemem:operator", namespace = DEFAULT_NAMESPACE } = options;
  return ({ event, value, user }) => {
    const { identity, permissions = [], kind } = user;
    // A header makes anybody the Studio's user on the development server.
    if (kind === "StudioUser")
      throw forbidden("LangGraph Studio is not let in", "Set auth.disable_studio_auth.");
    if (typeof identity !== "string" || identity === "") throw forbidden("The user has no identity");
    const asked = asFields(value);
    if (event === "threads:create_run") asked.metadata = { ...asFields(asked.metadata), [GUARDED]: true };
    if (permissions.includes(operator)) return undefined;
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
 * Refuses the requests that LangGraph's server answers without asking a handler whose they are. Call it first in
 * `authenticate`. Measured on the development server 1.5.1: joining a run's events by the run's id alone or through
 * another thread's path, the thread protocol (`/commands` and `/stream/events`, which act as whoever opened the thread
 * first), and `/internal`. State updates are refused too: they write past what a run may bring along.
 *
 * @throws AccessError `AGEMEM_AUTH_FORBIDDEN`, which the server answers with HTTP 403; ConfigError
 * `AGEMEM_CONFIG_INVALID` for wrong or unknown options
 * @example
 * refuseUnguarded(request); // the first line of authenticate
 */
export function refuseUnguarded(request: Request, options: RefuseUnguardedOptions = {}): void {
  checkOptions(refuseUnguardedOptions, options, "refuseUnguarded");
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

/** The path as the server's router decodes it; undefined where it cannot be decoded. */
function pathOf(request: Request): string | undefined {
  try {
    return decodeURIComponent(new URL(request.url).pathname);
  } catch {
    return undefined;
  }
}

/** Settings are the operator's, the state is agemem's, and a webhook makes the server call any address. */
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

/** The server passes `metadata` to change a thread, `action` to cancel a run, and neither to write a state. */
function checkUpdate(asked: Fields): void {
  if ("metadata" in asked || "action" in asked) return;
  throw forbidden("A thread's state cannot be written from outside");
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
  // Stores that compare prefixes as text find the namespaces of "10" for "1", so each label must be there. Where a label
  // stands twice, that proves nothing.
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
