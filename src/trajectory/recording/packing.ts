/**
 * The packed form of a recording's lines, `agemem.trajectory/2`: what steps of a rollout repeat is written only once.
 *
 * Owns packing a rollout, and unpacking its lines into records of `agemem.trajectory/1`. Within a rollout every
 * distinct message and tool schema is numbered in order of first appearance, and later appearances are just its number.
 * A prompt's token ids are copies from earlier sequences and new ids (`token-copies.ts`). Everything else is as in
 * version 1. To read a line, the earlier lines of its rollout must have been read in order. Pure.
 */
import { InputError } from "../../errors.js";
import { type AnyRecord, TRAJECTORY_SCHEMA } from "../schema.js";
import { copyTokens, packTokens } from "./token-copies.js";

/** Schema of packed lines. */
export const PACKED_SCHEMA = "agemem.trajectory/2";

type Fields = Record<string, unknown>;

/** Packs the records of one rollout: its steps in order, then its trajectory record. */
export function packRollout(records: readonly AnyRecord[]): Fields[] {
  const tables = new Tables();
  return records.map((record) => {
    if (record.kind !== "step") return { ...record, schema: PACKED_SCHEMA };
    const { prompt_token_ids: prompt, response_token_ids: response } = record;
    const packed = {
      ...record,
      schema: PACKED_SCHEMA,
      messages: record.messages.map((each) => tables.messages.pack(each)),
      tools: record.tools.map((each) => tables.tools.pack(each)),
      prompt_token_ids: prompt && packTokens(tables.sequence(record.call_role), prompt),
    };
    tables.remember(record.call_role, prompt, response);
    return packed;
  });
}

/** Unpacks lines one by one. Only the rollouts in progress are held in memory. */
export class Unpacker {
  private readonly rollouts = new Map<string, Tables>();

  /**
   * Unpacks a line into a value of version 1, not yet validated. Values of other schemas are returned unchanged.
   *
   * @param where shown in the error, such as "run.jsonl:7"
   * @throws InputError `AGEMEM_TRAJECTORY_INVALID` for a reference to something that was not read before
   */
  unpack(value: unknown, where: string): unknown {
    if (!isPacked(value)) return value;
    const key = JSON.stringify([value.rollout_id, value.attempt]);
    if (value.kind !== "step") {
      this.rollouts.delete(key);
      return { ...value, schema: TRAJECTORY_SCHEMA };
    }
    const tables = this.rollouts.get(key) ?? new Tables();
    this.rollouts.set(key, tables);
    try {
      return unpackStep(value, tables);
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw new InputError("AGEMEM_TRAJECTORY_INVALID", `${where}: ${cause.message}`, {
        cause,
        remedy:
          "A packed line needs the earlier lines of its rollout; read the recording from its beginning.",
        details: { where },
      });
    }
  }
}

function isPacked(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && (value as Fields).schema === PACKED_SCHEMA;
}

function unpackStep(line: Fields, tables: Tables): Fields {
  const role = String(line.call_role);
  const prompt = Array.isArray(line.prompt_token_ids)
    ? copyTokens(tables.sequence(role), line.prompt_token_ids)
    : line.prompt_token_ids;
  tables.remember(role, prompt as number[] | null, line.response_token_ids as number[] | null);
  return {
    ...line,
    schema: TRAJECTORY_SCHEMA,
    messages: unpackList(line.messages, tables.messages),
    tools: unpackList(line.tools, tables.tools),
    prompt_token_ids: prompt,
  };
}

function unpackList(list: unknown, parts: Parts): unknown {
  return Array.isArray(list) ? list.map((each) => parts.unpack(each)) : list;
}

/** What the lines of one rollout can refer to. */
class Tables {
  readonly messages = new Parts("message");
  readonly tools = new Parts("tool schema");
  /** Prompt and response of the latest call by role; the next prompt usually begins with them. */
  private readonly latest = new Map<string, readonly number[]>();

  sequence(role: string): readonly number[] {
    return this.latest.get(role) ?? [];
  }

  remember(role: string, prompt: number[] | null, response: number[] | null): void {
    if (Array.isArray(prompt))
      this.latest.set(role, [...prompt, ...(Array.isArray(response) ? response : [])]);
  }
}

/** Values, numbered in order of first appearance. */
class Parts {
  private readonly numbers = new Map<string, number>();
  private readonly values: unknown[] = [];

  constructor(private readonly what: string) {}

  pack(value: unknown): unknown {
    const text = JSON.stringify(value);
    const known = this.numbers.get(text);
    if (known !== undefined) return known;
    this.numbers.set(text, this.numbers.size);
    return value;
  }

  unpack(value: unknown): unknown {
    if (typeof value !== "number") {
      this.values.push(value);
      return value;
    }
    if (value in this.values) return this.values[value];
    throw new RangeError(`there is no ${this.what} number ${value} before this line`);
  }
}
