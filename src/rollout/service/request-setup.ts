/**
 * Sets up policy, judge and settings for a request. Shared by the graph and the streaming service.
 *
 * Leaves out the form of a request (`request.ts`) and which key goes where (`endpoint-keys.ts`).
 */
import { InputError } from "../../errors.js";
import { problemsOf } from "../../lib/check-options.js";
import { resolveChatModel } from "../../models/chat-model.js";
import { OfflinePolicy } from "../../offline/policy.js";
import type { Judge } from "../../rewards/judge.js";
import { createLlmJudge } from "../../rewards/judges/llm.js";
import { createOfflineJudge } from "../../rewards/judges/offline.js";
import type { TokenCounter } from "../../types.js";
import { policyEndpoint } from "../http/endpoint.js";
import { keepAliveFetch } from "../http/keep-alive-fetch.js";
import type { RolloutOptions } from "../options.js";
import { credentialsFor } from "./endpoint-keys.js";
import { endpointOf, type RolloutRequest, rolloutRequest, settingsOf } from "./request.js";

/** @throws InputError `AGEMEM_INPUT_ARGUMENT` with all problems */
export function parseRequest(input: unknown): RolloutRequest {
  const parsed = rolloutRequest.safeParse(input);
  if (parsed.success) return parsed.data;
  const problems = problemsOf(parsed.error, rolloutRequest, "the request");
  const field = parsed.error.issues[0]?.path.join(".") || "request";
  throw new InputError("AGEMEM_INPUT_ARGUMENT", problems.join("; "), {
    remedy: "See docs/rollouts.md for the form of the request.",
    details: { field, problems },
  });
}

/**
 * The options of the run, except the store. @throws ConfigError `AGEMEM_CONFIG_INVALID` for an endpoint that cannot be
 * set up
 */
export function optionsOf(
  request: RolloutRequest,
  counterFor: ((model: string) => TokenCounter) | undefined,
): Omit<RolloutOptions, "store"> {
  return {
    ...settingsOf(request),
    policy: policyOf(request),
    judge: judgeOf(request),
    ...(counterFor ? { counter: counterFor(request.policy.model) } : {}),
  };
}

function policyOf(request: RolloutRequest): RolloutOptions["policy"] {
  const { model, temperature = 1 } = request.policy;
  if (model === "offline") return ({ seed }) => new OfflinePolicy({ seed, temperature });
  const { patience, ...endpoint } = endpointOf(request);
  const { apiKey, fetch } = credentialsFor(endpoint.baseURL, keepAliveFetch());
  return policyEndpoint({ ...endpoint, apiKey, patience: { ...patience, fetch } }).policy;
}

function judgeOf({ judge }: RolloutRequest): Judge {
  if (judge === "offline") return createOfflineJudge();
  return createLlmJudge({ model: resolveChatModel(judge, process.env, { temperature: 0 }) });
}
