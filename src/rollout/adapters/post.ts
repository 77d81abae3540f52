/** Posts JSON to a trainer's server, with retries, and reports failures with agemem's error codes. */
import { ModelError } from "../../errors.js";
import { describeModelError } from "../../models/chat-model.js";
import type { PatientFetch } from "../http/patient-fetch.js";

/**
 * Posts JSON and expects a 2xx answer.
 *
 * @param what names the server in error messages
 * @throws ModelError `AGEMEM_MODEL_UNREACHABLE`, `AGEMEM_MODEL_FAILED` (details: `status`)
 */
export async function postJson(
  patient: PatientFetch,
  url: string,
  body: unknown,
  { what, key }: { what: string; key?: string | undefined },
): Promise<void> {
  let response: Response;
  try {
    response = await patient.fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...(key ? { authorization: `Bearer ${key}` } : {}) },
      body: JSON.stringify(body),
    });
  } catch (error) {
    throw describeModelError(error, { what, baseURL: url, secrets: [key] });
  }
  const text = await response.text();
  if (response.ok) return;
  throw new ModelError(
    "AGEMEM_MODEL_FAILED",
    `${what} answered HTTP ${response.status}: ${text.slice(0, 200)}`,
    {
      remedy: "See the server's log.",
      details: { status: response.status, url },
    },
  );
}
