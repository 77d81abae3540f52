/**
 * Who may do what with the resources of a server: handlers for LangGraph's `auth`.
 *
 * Owns the rules for threads, runs, assistants and the server's store. The graph itself refuses another user's run
 * (`thread-claim.ts`), but a state, a history or a run's events can be read without the graph, so only these handlers
 * can guard them. Leaves out who a user is, which the application's `authenticate` decides. LangGraph's SDK is not
 * imported, so that agemem works without it.
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

/** What the server passes to a handler: an event such as "threads:create_run", its subject, and the user. */
export interface AuthRequest {
  event: string;
  value: unknown;
  user: { identity: string; permissions: string[]; kind?: unknown };
}

/** What a resource's metadata (or fields) must contain to be this user's; undefined if everything is allowed. */
export type AuthAnswer = Record<string, string | { $contains: string }> | undefined;

/** Options of {@link ownedByUsers}. */
export interface OwnedByUsersOptions {
  /** The permission that allows everything, such as creating assistants. Default "agemem:operator". */
  operator?: string;
  /** Namespace template of the memories, for the server's own store. Default `["memories", "{user_id}"]`. */
  namespace?: NamespaceTemplate;
}

/** Options of {@link refuseUnguarded}. */
export interface RefuseUnguardedOptions {
  /** Lets clients join runs; only for servers that check whose run it is. Default false. */
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

/** State that the input of a run may not contain: what agemem itself records about the thread. */
const OWN_STATE = Object.keys(AgentState.fields).filter((name) => name !== "messages");

/**
 * Makes the handler for `auth.on("*", …)`. Threads and runs belong to the user who created them; settings, creating and
 * changing assistants, crons and webhooks are reserved to the operator. In the server's store, users can read their own
 * memories but change them only through the agent, whose limits and approvals apply. Each admitted run is marked as
 * guarded, which `servedAgent` requires of an authenticated user's runs.
 *
 * @returns the handler. It throws AccessError `AGEMEM_AUTH_FORBIDDEN`, which the server answers with HTTP 403; for
 * another user's thread the server answers 404
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
    // On the development server, a header makes anybody the Studio user.
    if (kind === "StudioUser")
      throw forbidden("LangGraph Studio is not admitted", "Set auth.disable_studio_auth.");
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
    throw forbidden(`${event} is reserved to the operator`);
  };
}

/**
 * Refuses the requests that LangGraph's server answers without asking a handler. Call it first in `authenticate`. On the
 * development server 1.5.1 these are: joining a run's events by the run's id alone or through another thread's path, the
 * thread protocol (`/commands` and `/stream/events`, which act as whoever first opened the thread), and `/internal`.
 * State updates are refused too, because they bypass the checks on a run's input.
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

/** The path as the server's router decodes it; undefined if it cannot be decoded. */
function pathOf(request: Request): string | undefined {
  try {
    return decodeURIComponent(new URL(request.url).pathname);
  } catch {
    return undefined;
  }
}

/** Refuses settings (the operator's), state (agemem's), and webhooks, which make the server call any address. */
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

/** The server passes `metadata` for changing a thread, `action` for canceling a run, and neither for writing a state. */
function checkUpdate(asked: Fields): void {
  if ("metadata" in asked || "action" in asked) return;
  throw forbidden("A thread's state cannot be written from outside");
}

function refuse(does: string, names: readonly string[]): void {
  if (names.length > 0) throw forbidden(`The run ${does} ${names.join(", ")}`);
}

function storeAnswer(event: string, { namespace }: Fields, own: readonly string[]): AuthAnswer {
  const reads = ["store:get", "store:search", "store:list_namespaces"].includes(event);
  if (!reads)
    throw forbidden("Memories can be changed only through the agent", "Ask the agent, or an operator.");
  const within = Array.isArray(namespace) && own.every((label, i) => namespace[i] === label);
  if (!within)
    throw forbidden("This namespace is not the user's", `Use one that begins with ${own.join(".")}.`);
  // Stores that compare prefixes as text also find the namespaces of user "10" for "1", so the answer requires every label
  // to be contained. That proves nothing if a label occurs twice.
  if (new Set(own).size < own.length)
    throw forbidden("This namespace cannot be distinguished from those of others");
  return { namespace: { $contains: own as unknown as string } };
}

/** An error in the form of LangGraph's `HTTPException`, which the server recognizes by its status and headers. */
function forbidden(problem: string, remedy = "Ask the operator of the server."): AccessError {
  const code: AgeMemErrorCode = "AGEMEM_AUTH_FORBIDDEN";
  const line = new AccessError(code, problem, { remedy }).toLine();
  return Object.assign(new AccessError(code, line, { remedy }), { status: 403, headers: {} });
}

function asFields(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}
