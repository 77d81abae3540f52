/**
 * Whose run it is: the values that fill a namespace template, and the mark by which a thread knows its owner. Pure.
 *
 * Owns which values of a run are trusted. LangGraph's server stamps the authenticated user onto each run's `configurable`,
 * over whatever the client sent. If there is a stamp, nothing else may name the user, because `context` and the rest of
 * `configurable` come from the client. If there is none, the application itself calls the graph and names the user.
 */
import { AccessError, ConfigError } from "../errors.js";
import { sha256 } from "./hash.js";
import { type NamespaceTemplate, resolveNamespace, valueNames } from "./namespace.js";

type Values = Readonly<Record<string, unknown>>;

/** The parts of a run's config that say whose run it is. */
export interface RunSource {
  context?: unknown;
  configurable?: Values | undefined;
}

/** The namespace of a run's memories, and their owner. */
export interface RunOwner {
  namespace: string[];
  /** A hash that is equal for all runs of the same user and does not reveal who it is. */
  owner: string;
}

/** The keys that LangGraph's server writes for the authenticated user. */
const STAMPS = ["langgraph_auth_user", "langgraph_auth_user_id"] as const;

/**
 * The authenticated user's values: the fields that the server's `authenticate` returned, with the identity as `user_id`
 * and `langgraph_auth_user_id`. Undefined for a run without a stamp.
 *
 * @throws AccessError `AGEMEM_AUTH_REQUIRED` for a stamp without an identity, which must not make us trust the client
 */
export function authenticatedValues(configurable: Values | undefined): Values | undefined {
  if (!configurable || !STAMPS.some((name) => Object.hasOwn(configurable, name))) return undefined;
  const user = own(configurable, "langgraph_auth_user");
  const fields = isRecord(user) ? user : {};
  const identity = own(configurable, "langgraph_auth_user_id") ?? own(fields, "identity");
  if (typeof identity !== "string" || identity === "") {
    throw new AccessError("AGEMEM_AUTH_REQUIRED", "The server's auth gave this run no identity", {
      remedy: "Make authenticate return the user's id as a string, or as `identity`.",
    });
  }
  return { ...fields, identity, user_id: identity, langgraph_auth_user_id: identity };
}

/** The records that may fill a namespace template, in order of precedence. */
export function runValues({ context, configurable }: RunSource): Values[] {
  const user = authenticatedValues(configurable);
  return user ? [user] : [context, configurable].filter(isRecord);
}

/**
 * Whose run it is, and the namespace of its memories.
 *
 * @param known the thread's owner, if the state names one; the run must be theirs
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
    remedy: "Start a thread of your own; a thread belongs to the user of its first run.",
  });
}

/** The key that makes a run's ids repeat, for seeded rollouts; ignored from an authenticated client. */
export function runKeyOf(configurable: Values | undefined): string | undefined {
  const key = configurable && own(configurable, "agemem_run_key");
  return typeof key === "string" && !authenticatedValues(configurable) ? key : undefined;
}

/** Whether LangGraph's server runs the graph: it sets these two keys on every run, over what the client sent. */
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

/** Only an own property, because a client's JSON may have a `__proto__`. */
function own(record: Values, name: string): unknown {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
