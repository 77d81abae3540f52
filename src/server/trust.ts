/**
 * What a served graph may believe about a run. Pure.
 *
 * Owns the rules. An authenticated user is who the server says, and is served only if handlers keep users out of each
 * other's threads. A client that names its user is believed on the development server, or if the operator says so.
 * Settings come from the operator. LangGraph's server merges an assistant's settings with those of the run and of the
 * thread's earlier runs, so the graph cannot tell them apart; the settings of assistants therefore count only if the
 * operator vouches that clients cannot send settings themselves (`ownedByUsers` prevents it).
 */
import { AccessError, ConfigError } from "../errors.js";
import { authenticatedValues } from "../lib/run-owner.js";
import { PROTECTED_SETTINGS } from "./assistant.js";

/** What the operator trusts, read from the environment. */
export interface Trust {
  /** Whether runs without an authenticated user may name one: false, or the reason why they may. */
  client: "development" | "told" | false;
  /** Whether settings in an authenticated user's run can be taken to be its assistant's. */
  assistants: boolean;
  /** Whether the operator's own auth handlers keep each user to their threads. */
  handlers: boolean;
  /** Whether the server authenticates, so that the user stamped onto a run cannot come from the client. */
  auth: boolean;
}

/** The fields of a run's config that the rules look at. */
export interface RunClaims {
  /** Where a client or an assistant could have put settings: `configurable` first, then each `context`. */
  sources: readonly object[];
  metadata: object;
}

/** Metadata key of a run that `ownedByUsers` admitted. A client that sets it only gives up its own protection. */
export const GUARDED = "agemem_guarded";

/**
 * Reads `AGEMEM_TRUST_CLIENT`, `AGEMEM_TRUST_ASSISTANTS` and `AGEMEM_TRUST_HANDLERS`, and whether the server
 * authenticates.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for a value that is neither 1 nor 0
 */
export function trustOf(env: NodeJS.ProcessEnv): Trust {
  const development = isDevelopmentServer(env);
  return {
    client: flag(env, "AGEMEM_TRUST_CLIENT") ? "told" : development && "development",
    assistants: flag(env, "AGEMEM_TRUST_ASSISTANTS"),
    handlers: flag(env, "AGEMEM_TRUST_HANDLERS"),
    auth: development || Boolean(env.LANGGRAPH_AUTH),
  };
}

/** Whether this is `langgraphjs dev`, which sets both variables; containers of `langgraphjs dockerfile` have neither. */
export function isDevelopmentServer(env: NodeJS.ProcessEnv): boolean {
  return env.NODE_ENV === "development" && Boolean(env.LANGGRAPH_API_URL);
}

/** What the operator should know when the server starts; undefined if clients cannot name a user. */
export function trustNotice({ client }: Trust): string | undefined {
  if (client === "told") {
    return "AGEMEM_TRUST_CLIENT=1: a run without an authenticated user may name any user and any setting.";
  }
  if (client === "development") {
    return "Development server: a run without an authenticated user may name any user and any setting. Deployed, the agent needs LangGraph's auth, or AGEMEM_TRUST_CLIENT=1.";
  }
  return undefined;
}

/**
 * Whether the run may bring settings of its own.
 *
 * @param needsUser whether the namespace depends on values of the run
 * @throws AccessError `AGEMEM_AUTH_REQUIRED` if nobody vouches for the user, `AGEMEM_AUTH_UNGUARDED` if nothing keeps
 * other users out of the thread, `AGEMEM_AUTH_FORBIDDEN` for settings that the client may not send
 */
export function admit(trust: Trust, { sources, metadata }: RunClaims, needsUser: boolean): boolean {
  const [configurable = {}] = sources as Record<string, unknown>[];
  const authenticated = authenticatedValues(configurable) !== undefined;
  if (!authenticated && trust.client) return true;
  if (authenticated && !trust.auth && !trust.client) throw authRequired();
  if (!authenticated && needsUser) throw authRequired();
  const vouched =
    trust.handlers ||
    trust.client === "told" ||
    (Object.hasOwn(metadata, GUARDED) && (metadata as Record<string, unknown>)[GUARDED] === true);
  if (authenticated && !vouched) throw unguarded();
  if (authenticated && trust.assistants) return true;
  const named = PROTECTED_SETTINGS.filter((name) => sources.some((source) => Object.hasOwn(source, name)));
  if (named.length === 0) return false;
  throw new AccessError("AGEMEM_AUTH_FORBIDDEN", `The run may not set ${named.join(", ")}`, {
    remedy:
      "Leave them out. The operator sets them in AGEMEM_SETTINGS, or in an assistant with AGEMEM_TRUST_ASSISTANTS=1.",
    details: { settings: named },
  });
}

function authRequired(): AccessError {
  return new AccessError("AGEMEM_AUTH_REQUIRED", "This server does not let clients say who they are", {
    remedy:
      "Configure LangGraph's auth, or set AGEMEM_TRUST_CLIENT=1 if only trusted services can reach the server.",
  });
}

function unguarded(): AccessError {
  return new AccessError(
    "AGEMEM_AUTH_UNGUARDED",
    "The server authenticates users, but nothing keeps them out of each other's threads",
    {
      remedy:
        'Add .on("*", ownedByUsers()) to the auth, or set AGEMEM_TRUST_HANDLERS=1 if your own handlers do that.',
    },
  );
}

function flag(env: NodeJS.ProcessEnv, name: string): boolean {
  const value = env[name]?.trim() || "0";
  if (value === "0" || value === "1") return value === "1";
  throw new ConfigError("AGEMEM_CONFIG_INVALID", `${name} is "${value}"`, { remedy: "Set it to 1 or 0." });
}
