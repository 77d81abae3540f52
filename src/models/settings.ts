/** Reads and checks model settings from the environment. Pure. */
import { ConfigError } from "../errors.js";
import { stripEnd } from "../text/text.js";

/** Variables as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Where OpenAI-compatible requests go. */
export interface Endpoint {
  /** Undefined: OpenAI itself. */
  readonly baseURL: string | undefined;
  /** {@link NO_KEY} if none is set; local servers need none. */
  readonly apiKey: string;
}

/** Sent when no key is set, because clients insist on one. */
export const NO_KEY = "not-needed";

/** A variable's value without surrounding space; empty counts as not set. */
export function setting(env: Environment, name: string): string | undefined {
  const value = env[name]?.trim();
  return value ? value : undefined;
}

/**
 * Reads OPENAI_API_KEY and OPENAI_BASE_URL.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` when neither is set, or the URL is not http(s)
 */
export function endpoint(env: Environment): Endpoint {
  const baseURL = setting(env, "OPENAI_BASE_URL");
  const apiKey = setting(env, "OPENAI_API_KEY");
  if (baseURL !== undefined) checkUrl(baseURL);
  if (apiKey === undefined && baseURL === undefined) {
    throw new ConfigError("AGEMEM_CONFIG_INVALID", "Neither OPENAI_API_KEY nor OPENAI_BASE_URL is set", {
      remedy: "Set OPENAI_API_KEY, or OPENAI_BASE_URL for a local server that needs no key.",
      details: { variables: ["OPENAI_API_KEY", "OPENAI_BASE_URL"] },
    });
  }
  return { baseURL: baseURL === undefined ? undefined : stripEnd(baseURL, /\//), apiKey: apiKey ?? NO_KEY };
}

function checkUrl(text: string): void {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && /^https?:$/.test(url.protocol)) return;
  throw new ConfigError("AGEMEM_CONFIG_INVALID", "OPENAI_BASE_URL is not an http or https URL", {
    remedy: 'Give it as "http://127.0.0.1:8000/v1".',
    details: { variable: "OPENAI_BASE_URL" },
  });
}

/** Throws a `ConfigError` for a number out of range; undefined passes. */
export function checkRange(name: string, value: number | undefined, from: number, to: number): void {
  if (value === undefined || (value >= from && value <= to)) return;
  throw new ConfigError("AGEMEM_CONFIG_INVALID", `${name} is ${value}`, {
    remedy: `Give a number from ${from} to ${to}.`,
    details: { name, value: String(value) },
  });
}
