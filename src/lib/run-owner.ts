/**
 * Whose run it is: the values that fill a namespace template, and the mark by which a thread knows its owner. Pure.
 *
 * LangGraph's server stamps the user that `auth` established onto each run's `configurable`, over whatever the client
 * sent. Where that stamp is, nothing else in the run may name a user: `context` and the rest of `configurable` come from
 * the client. Where it is not, the caller of the graph is the application itself, and names the user.
 */
import { AccessError, ConfigError } from "../errors.js";
import { sha256 } from "./hash.js";
import { type NamespaceTemplate, resolveNamespace, valueNames } from "./namespace.js";

type Values = Readonly<Record<string, unknown>>;

/** What of a run's config says whose run it is. */
export interface RunSource {
  context?: unknown;
  configurable?: Values | undefined;
}

/** A run's memories, and whose they are. */
export interface RunOwner {
  namespace: string[];
  /** Equal for runs of the same user, however else they differ; tells no name. */
  owner: string;
}

/** The keys that LangGraph's server writes for the user that `auth` established. */
const STAMPS = ["langgraph_auth_user", "langgraph_auth_user_id"] as const;

/**
 * What the server's `auth` established about the user: the fields that `authenticate` returned, with the identity as
 * `user_id` and `langgraph_auth_user_id`. Undefined for a run without a stamp.
 *
 * @throws AccessError `AGEMEM_AUTH_REQUIRED` for a stamp without an identity: never a reason to believe the client
 */
export function authenticatedValues(configurable: Values | undefined): Values | undefined {
  if (!configurable || !STAMPS.some((name) => Object.hasOwn(configurable, name))) return undefined;
  const user = own(configurable, "langgraph_auth_user");
  const fields = isRecord(user) ? user : {};
  const identity = own(configurable, "langgraph_auth_user_id") ?? own(fields, "identity");
  if (typeof identity !== "string" || identity === "") {
    throw new AccessError("AGEMEM_AUTH_REQUIRED", "The server's auth gave this run no identity", {
      remedy: "Let authenticate return the user's id as a string, or as `identity`.",
    });
  }
  return { ...fields, identity, user_id: identity, langgraph_auth_user_id: identity };
}

/** The records that may fill a namespace template, the first one first. */
export function runValues({ context, configurable }: RunSource): Values[] {
  const user = authenticatedValues(configurable);
  return user ? [user] : [context, configurable].filter(isRecord);
}

/**
 * Whose run it is and where its memories are.
 *
 * @param known owner of the thread, where the state says; the run must be that owner's
 * @throws ConfigError `AGEMEM_NAMESPACE_VALUE_MISSING`, AccessError `AGEMEM_AUTH_REQUIRED`, `AGEMEM_THREAD_OWNER`
 */
export function ownerOf(template: NamespaceTemplate, run: RunSource, known?: string | null): RunOwner {
  const values = runValues(run);
  const namespace = resolveFor(template, values, run);
  const user = authenticatedValues(run.configurable);
  const who = Object.fromEntries(valueNames(template).map((name) => [name, firstOf(name, values)]));
  const owner = sha256(JSON.stringify([user?.identity ?? null, Object.entries(who).sort()]));
  if (!known || known === owner) return { namespace, owner };
  throw new AccessError("AGEMEM_THREAD_OWNER", "This thread belongs to another user", {
    remedy: "Begin a thread of your own; a thread keeps the user of its first run.",
  });
}

/** The key that makes a run's ids repeat, for seeded rollouts; a client of a server has no say in it. */
export function runKeyOf(configurable: Values | undefined): string | undefined {
  const key = configurable && own(configurable, "agemem_run_key");
  return typeof key === "string" && !authenticatedValues(configurable) ? key : undefined;
}

/** Whether LangGraph's server runs the graph: it names the assistant of each run, after the client's own settings. */
export function isServed({ configurable }: RunSource): boolean {
  return configurable?.assistant_id !== undefined && configurable.graph_id !== undefined;
}

function resolveFor(template: NamespaceTemplate, values: readonly Values[], run: RunSource): string[] {
  try {
    return resolveNamespace(template, ...values);
  } catch (error) {
    const missing = error instanceof ConfigError && error.code === "AGEMEM_NAMESPACE_VALUE_MISSING";
    if (!missing || !authenticatedValues(run.configurable)) throw error;
    throw new ConfigError(error.code, `${error.message}, and the run is an authenticated user's`, {
      remedy: `Return "${error.details.name}" from the server's authenticate; a client may not choose it.`,
      details: error.details,
    });
  }
}

function firstOf(name: string, values: readonly Values[]): unknown {
  return values.map((record) => own(record, name)).find((value) => value !== undefined && value !== "");
}

/** Never an inherited property: a client's JSON may have a `__proto__`. */
function own(record: Values, name: string): unknown {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
