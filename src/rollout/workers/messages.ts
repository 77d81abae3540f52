/** The messages between a run and its worker processes: their types, and how errors are sent. */
import { AgeMemError, type AgeMemErrorCode, ConfigError, messageOf } from "../../errors.js";
import type { MemoryTask } from "../../types.js";
import type { RolloutIdentity, RolloutOptions } from "../options.js";
import type { RolloutResult } from "../rollout.js";

/** What a setup module exports; see {@link WorkerOptions.setup}. */
export interface WorkerSetup {
  openRollouts(data: unknown): Promise<OpenRollouts>;
}

/** Options of the rollouts, and what closes their resources afterwards. */
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
  /** `job` is null when the setup failed. */
  | { kind: "failed"; job: number | null; error: SentError };

/** An error as plain data. */
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

/** Rebuilds the error, with its code and remedy, without stack and cause. */
export function fromSent({ name, message, code, remedy }: SentError): Error {
  const more = remedy === undefined ? {} : { remedy };
  const error =
    code === undefined
      ? new Error(message)
      : new (name === ConfigError.name ? ConfigError : AgeMemError)(code, message, more);
  error.name = name;
  return error;
}
