/** What a run and its worker processes say to each other. Types and the form of errors only. */
import { AgeMemError, type AgeMemErrorCode, ConfigError, messageOf } from "../../errors.js";
import type { MemoryTask } from "../../types.js";
import type { RolloutIdentity, RolloutOptions } from "../options.js";
import type { RolloutResult } from "../rollout.js";

/** What a set-up module exports; see {@link WorkerOptions.setup}. */
export interface WorkerSetup {
  openRollouts(data: unknown): Promise<OpenRollouts>;
}

/** Options of rollouts and what must be closed after them. */
export interface OpenRollouts {
  options: RolloutOptions;
  close?: () => Promise<void>;
}

export type ToWorker =
  | { kind: "open"; setup: string; data: unknown }
  | { kind: "run"; job: number; task: MemoryTask; identity: RolloutIdentity }
  | { kind: "abort"; error: SentError }
  | { kind: "close" };

export type FromWorker =
  | { kind: "ready" }
  | { kind: "done"; job: number; result: RolloutResult }
  /** Of one job, or of the set-up. */
  | { kind: "failed"; job: number | null; error: SentError };

/** An error as data. */
interface SentError {
  name: string;
  message: string;
  code?: AgeMemErrorCode;
  remedy?: string;
}

/** @example toSent(new ConfigError("AGEMEM_CONFIG_INVALID", "k is 0")).code; // "AGEMEM_CONFIG_INVALID" */
export function toSent(error: unknown): SentError {
  const name = error instanceof Error ? error.name : "Error";
  const message = messageOf(error);
  if (!AgeMemError.isInstance(error)) return { name, message };
  return { name, message, code: error.code, ...(error.remedy ? { remedy: error.remedy } : {}) };
}

/** The error on the other side: with code and remedy, without stack and cause. */
export function fromSent({ name, message, code, remedy }: SentError): Error {
  const more = remedy === undefined ? {} : { remedy };
  const error =
    code === undefined
      ? new Error(message)
      : new (name === ConfigError.name ? ConfigError : AgeMemError)(code, message, more);
  error.name = name;
  return error;
}
