/** A cheap fingerprint of a message, which tells whether it must be counted again. Pure. */
import type { BaseMessage } from "@langchain/core/messages";
import { answeredCallOf, callsOf } from "./messages.js";

const SAMPLES = 48;

/**
 * A 32-bit fingerprint of what a model sees of the message. To keep the cost constant it hashes the length and 48
 * characters spread over each text, so a change deep inside a long text that keeps its length can go unnoticed; the
 * token count then hardly differs.
 *
 * @param salt the counter's name, so that counts of different counters are not confused
 */
export function fingerprint(message: BaseMessage, salt: string): number {
  let hash = mixText(2166136261, salt);
  hash = mixText(hash, message.type);
  hash = mixText(hash, message.name ?? "");
  hash = mixValue(hash, message.content, 3);
  for (const call of callsOf(message)) {
    hash = mixText(hash, call.id ?? "");
    hash = mixText(hash, call.name);
    hash = mixValue(hash, call.args, 3);
  }
  return mixText(hash, answeredCallOf(message) ?? "") >>> 0;
}

function mix(hash: number, value: number): number {
  return Math.imul(hash ^ value, 16777619);
}

function mixText(hash: number, text: string): number {
  let out = mix(hash, text.length);
  const samples = Math.min(text.length, SAMPLES);
  for (let i = 0; i < samples; i++) {
    const at = samples === text.length ? i : Math.floor((i * (text.length - 1)) / (SAMPLES - 1));
    out = mix(out, text.charCodeAt(at));
  }
  return out;
}

function mixValue(hash: number, value: unknown, depth: number): number {
  if (typeof value === "string") return mixText(hash, value);
  if (typeof value !== "object" || value === null) return mixText(hash, String(value));
  const entries = Object.entries(value);
  let out = mix(hash, entries.length);
  if (depth === 0) return out;
  for (const [key, item] of entries) out = mixValue(mixText(out, key), item, depth - 1);
  return out;
}
