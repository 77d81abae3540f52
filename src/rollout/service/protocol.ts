/**
 * The HTTP protocol between trainer and rollout service: `agemem.rollouts/1`.
 *
 * Owns the bodies of requests, the lines of an answer, and the version. Leaves out the rollout request inside a body
 * (`request.ts`) and how both are handled (`http.ts`, `lines.ts`).
 */
import { z } from "zod";
import { InputError } from "../../errors.js";
import { problemsOf } from "../../lib/check-options.js";
import type { GroupFacts } from "./group-output.js";

/** The version; other versions are refused. */
export const ROLLOUTS_PROTOCOL = "agemem.rollouts/1";

/** Also the name of a folder. */
const id = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/, "must be 1 to 128 letters, digits, _ or -");
const groupIds = z.array(z.string().min(1).max(64)).max(100_000);

const addressed = z.strictObject({
  protocol: z.literal(ROLLOUTS_PROTOCOL),
  /** Names the request: sent again under the same id, it resumes. */
  request_id: id,
});

/** Body of `POST /rollouts`. */
export const openBody = addressed.extend({
  /** Names the reader: if it connects again, it gets at once what it had not acknowledged. */
  reader: id,
  /** Groups that the reader has from an earlier connection. */
  acknowledged: groupIds.default([]),
  /** Sends all other groups again, even acknowledged ones. No finished rollout is run again. */
  again: z.boolean().default(false),
  /** Sends groups in the order of the tasks; otherwise as they finish. */
  ordered: z.boolean().default(false),
  /** Most groups sent to this reader and not acknowledged. */
  ahead: z.int().min(1).max(1024).default(2),
  /** Most groups begun and not acknowledged. Default: enough to keep the policy's slots filled. */
  window: z.int().min(1).max(1024).optional(),
  /** The rollout request, checked on its own. */
  request: z.unknown(),
});

/** Body of `POST /rollouts/acknowledge`. */
export const acknowledgeBody = addressed.extend({ groups: groupIds.min(1) });

/** Body of `POST /rollouts/close`. */
export const closeBody = addressed.extend({
  /**
   * Only frees the disk of a request whose groups are all acknowledged and that nobody reads. A reader that comes later
   * gets the end at once, not the groups again, so that the readers of a shared request may all send it.
   */
  finished: z.boolean().default(false),
});

export type OpenBody = z.infer<typeof openBody>;

/** Figures of a run. */
export interface LineProgress {
  done: number;
  total: number;
  failed: number;
  mean_reward: number | null;
}

/** A line of the answer: JSON, one per line. The samples of a group come before its `group` line. */
export type RolloutLine =
  | {
      event: "open";
      protocol: string;
      request_id: string;
      groups: number;
      acknowledged: number;
      window: number;
    }
  /** Says that the run continues; sent every few seconds while there are no other lines. */
  | ({ event: "alive" } & LineProgress)
  | { event: "sample"; group_id: string; sample: unknown }
  | ({ event: "group"; samples: number } & GroupFacts)
  | ({ event: "end" } & LineProgress)
  | { event: "error"; code: string | null; message: string; remedy: string | null };

/**
 * Reads a body.
 *
 * @throws InputError `AGEMEM_ROLLOUTS_PROTOCOL`, `AGEMEM_INPUT_ARGUMENT`
 */
export function readBody<T extends z.ZodObject>(schema: T, value: unknown): z.infer<T> {
  const said = (value as { protocol?: unknown } | null)?.protocol;
  if (said !== ROLLOUTS_PROTOCOL) {
    throw new InputError(
      "AGEMEM_ROLLOUTS_PROTOCOL",
      `The protocol is ${JSON.stringify(said)?.slice(0, 100)}, and this service speaks ${ROLLOUTS_PROTOCOL}`,
      {
        remedy: "Install agemem and agemem_grpo of the same release.",
        details: { protocols: [ROLLOUTS_PROTOCOL] },
      },
    );
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = problemsOf(parsed.error, schema, "the body");
  throw new InputError("AGEMEM_INPUT_ARGUMENT", problems.slice(0, 20).join("; "), {
    remedy: "See docs/rollouts.md for the form of the request.",
    details: { problems: problems.slice(0, 20) },
  });
}
