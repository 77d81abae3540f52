/**
 * Agent Lightning 1.0: its gateway records the calls of one rollout, and the agent reports the reward as an event.
 *
 * Owns the variables that its controller sets and the event's fields, as read from its sources. A process runs one
 * rollout of one task: the gateway's address names the rollout. The gateway answers 429 while weights are loaded, which
 * is waited out. Of two calls with equal prompts it keeps the last, so an agent that repeats itself loses a step there.
 */
import { ConfigError } from "../../errors.js";
import type { TrajectoryRecord } from "../../trajectory/schema.js";
import type { PolicyEndpointOptions } from "../http/endpoint.js";
import { type PatienceOptions, PatientFetch } from "../http/patient-fetch.js";
import { postJson } from "./post.js";

/** The two ends of one rollout under Agent Lightning. */
export interface AgentLightningRollout {
  /** For `policyEndpoint`. The gateway itself sets the model and temperature and asks for token ids. */
  endpoint: PolicyEndpointOptions;
  /** Sends the reward. Resolves to false, and sends nothing, for an unscored rollout. */
  report(trajectory: Pick<TrajectoryRecord, "reward" | "rollout_id">): Promise<boolean>;
}

/**
 * Reads AGL_OPENAI_BASE_URL, AGL_EVENT_URL and AGL_KEY.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` for a missing or invalid address; `report` rejects with `AGEMEM_MODEL_*`
 * @example
 * const lightning = agentLightning();
 * const { policy } = policyEndpoint(lightning.endpoint);
 * const [group] = await runRollouts([task], { policy, store, judge, k: 1 });
 * for (const { trajectory } of group.rollouts) await lightning.report(trajectory);
 */
export function agentLightning(
  env: Readonly<Record<string, string | undefined>> = process.env,
  patience: PatienceOptions = {},
): AgentLightningRollout {
  const baseURL = required(env, "AGL_OPENAI_BASE_URL");
  const eventUrl = required(env, "AGL_EVENT_URL");
  const key = env.AGL_KEY || undefined;
  const patient = new PatientFetch(patience);
  return {
    endpoint: { model: "openai:agent-lightning", baseURL, patience, ...(key ? { apiKey: key } : {}) },
    async report({ reward, rollout_id: rollout }) {
      if (reward === null) return false;
      const event = { event_type: "reward", data: { value: reward, source: "agemem", message: rollout } };
      await postJson(patient, eventUrl, event, { what: "the Agent Lightning server", key });
      return true;
    },
  };
}

function required(env: Readonly<Record<string, string | undefined>>, name: string): string {
  const value = env[name]?.trim();
  if (value && URL.canParse(value)) return value;
  throw new ConfigError("AGEMEM_CONFIG_INVALID", `${name} is ${value ? "not a URL" : "not set"}`, {
    remedy: "Run the process under Agent Lightning's controller, which sets it.",
    details: { variable: name },
  });
}
