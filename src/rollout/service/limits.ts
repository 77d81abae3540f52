/** The limits of the rollout service, and the environment variables that set them. */
import { z } from "zod";
import { ConfigError } from "../../errors.js";
import type { OptionShape } from "../../lib/check-options.js";
import { whole } from "../../lib/check-options.js";
import { type Environment, setting } from "../../models/settings.js";

/** Limits of {@link createRolloutService}. */
export interface ServiceLimits {
  /** Bytes of one request's body; default 128 MiB, `AGEMEM_ROLLOUT_MAX_REQUEST_BYTES`. */
  requestBytes: number;
  /** Most requests open at a time; default 256, `AGEMEM_ROLLOUT_MAX_REQUESTS`. */
  requests: number;
  /**
   * Milliseconds without a reader until a request is suspended to disk; default 10 minutes, `AGEMEM_ROLLOUT_IDLE_MS`.
   */
  idleMs: number;
  /** Milliseconds without a reader until a request is removed; default 24 hours, `AGEMEM_ROLLOUT_KEEP_MS`. */
  keepMs: number;
  /** Milliseconds until the groups of a lost reader go to another; default 60 seconds, `AGEMEM_ROLLOUT_LEASE_MS`. */
  leaseMs: number;
  /** Milliseconds of silence until the service sends an `alive` line; default 5 seconds, `AGEMEM_ROLLOUT_ALIVE_MS`. */
  aliveMs: number;
}

const DEFAULTS: ServiceLimits = {
  requestBytes: 128 * 1024 * 1024,
  requests: 256,
  idleMs: 600_000,
  keepMs: 86_400_000,
  leaseMs: 60_000,
  aliveMs: 5000,
};

const VARIABLES: Record<keyof ServiceLimits, string> = {
  requestBytes: "AGEMEM_ROLLOUT_MAX_REQUEST_BYTES",
  requests: "AGEMEM_ROLLOUT_MAX_REQUESTS",
  idleMs: "AGEMEM_ROLLOUT_IDLE_MS",
  keepMs: "AGEMEM_ROLLOUT_KEEP_MS",
  leaseMs: "AGEMEM_ROLLOUT_LEASE_MS",
  aliveMs: "AGEMEM_ROLLOUT_ALIVE_MS",
};

/** The longest time that a timer of Node.js can wait. */
const wait = whole(1, 2 ** 31 - 1);

/** Schemas of the limits, all optional. */
export const serviceLimits = z
  .strictObject({
    requestBytes: whole(1),
    requests: whole(1),
    idleMs: wait,
    keepMs: wait,
    leaseMs: wait,
    aliveMs: wait,
  } satisfies OptionShape<ServiceLimits>)
  .partial();

/**
 * The given limits, or else those of the environment, or else the defaults. @throws ConfigError `AGEMEM_CONFIG_INVALID`
 */
export function limitsOf(given: Partial<ServiceLimits>, env: Environment = process.env): ServiceLimits {
  const limits = { ...DEFAULTS };
  for (const name of Object.keys(VARIABLES) as (keyof ServiceLimits)[]) {
    const text = setting(env, VARIABLES[name]);
    const value = given[name] ?? (text === undefined ? DEFAULTS[name] : Number(text));
    const parsed = serviceLimits.safeParse({ [name]: value });
    if (!parsed.success) {
      throw new ConfigError("AGEMEM_CONFIG_INVALID", `${VARIABLES[name]} is ${text}`, {
        remedy: "Give a whole number of 1 or more; times are in milliseconds, at most 24 days.",
      });
    }
    limits[name] = value;
  }
  return limits;
}
