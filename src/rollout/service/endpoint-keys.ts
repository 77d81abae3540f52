/**
 * Decides which API key the rollout service sends to which address.
 *
 * A request names the policy's address, so anyone who may send requests could have the operator's keys sent to their
 * own server. Owns the allow-list: a key goes only to the addresses that the operator listed for it.
 */
import { z } from "zod";

import { ConfigError } from "../../errors.js";
import { type Environment, NO_KEY, setting } from "../../models/settings.js";
import { stripEnd } from "../../text/text.js";

const OPENAI = "https://api.openai.com/v1";
const table = z.record(z.string().min(1), z.array(z.url()).min(1));

/** Names of the variables that hold keys, each with the addresses that its key may be sent to. */
type EndpointKeys = z.infer<typeof table>;

/**
 * `AGEMEM_ROLLOUT_KEYS`, a JSON object such as `{"VLLM_KEY": ["http://10.0.0.5:8000/v1"]}`. Default: OPENAI_API_KEY for
 * OPENAI_BASE_URL, or for OpenAI itself.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID`
 */
export function endpointKeys(env: Environment = process.env): EndpointKeys {
  const text = setting(env, "AGEMEM_ROLLOUT_KEYS");
  if (text === undefined) return { OPENAI_API_KEY: [setting(env, "OPENAI_BASE_URL") ?? OPENAI] };
  try {
    return table.parse(JSON.parse(text));
  } catch (cause) {
    throw new ConfigError("AGEMEM_CONFIG_INVALID", "AGEMEM_ROLLOUT_KEYS does not map keys to addresses", {
      cause,
      remedy: `Give a JSON object, such as {"OPENAI_API_KEY":["${OPENAI}"]}.`,
    });
  }
}

/**
 * The key for an address, from the first entry that lists the address or a parent path on the same origin.
 *
 * @param baseURL default OPENAI_BASE_URL, or OpenAI itself
 * @returns undefined when no key may be sent there
 */
export function keyFor(baseURL: string | undefined, env: Environment = process.env): string | undefined {
  const address = new URL(baseURL ?? setting(env, "OPENAI_BASE_URL") ?? OPENAI);
  for (const [name, allowed] of Object.entries(endpointKeys(env))) {
    if (allowed.some((each) => covers(new URL(each), address))) return setting(env, name);
  }
  return undefined;
}

/** The options of an endpoint that keep keys from addresses they are not listed for. */
export function credentialsFor(
  baseURL: string | undefined,
  send: typeof fetch,
): { apiKey: string; fetch: typeof fetch } {
  const apiKey = keyFor(baseURL);
  return apiKey === undefined ? { apiKey: NO_KEY, fetch: anonymous(send) } : { apiKey, fetch: send };
}

/** Drops the headers that OpenAI's client takes from the environment, such as organization and project. */
function anonymous(send: typeof fetch): typeof fetch {
  const harmless = new Set(["accept", "content-type", "user-agent"]);
  return (input, init) => {
    const headers = [...new Headers(init?.headers)].filter(([name]) => harmless.has(name));
    return send(input, { ...init, headers: Object.fromEntries(headers) });
  };
}

function covers(allowed: URL, address: URL): boolean {
  const folder = (url: URL) => `${stripEnd(url.pathname, /\//)}/`;
  return allowed.origin === address.origin && folder(address).startsWith(folder(allowed));
}
