/**
 * The packed form of a recording's lines, `agemem.trajectory/2`: what the steps of a rollout repeat is written once.
 *
 * Owns packing a rollout and unpacking its lines into the records of `agemem.trajectory/1`. Within a rollout every distinct
 * message and tool schema is numbered in the order in which it first stands; where it stands again there is its number.
 * A prompt's token ids are copies of earlier sequences and new ids (`token-copies.ts`). Everything else is as in version 1.
 * A line is read with the lines of its rollout before it, in their order. Pure.
 */
import { InputError } from "../../errors.js";
import { type AnyRecord, TRAJECTORY_SCHEMA } from "../schema.js";
import { copyTokens, packTokens } from "./token-copies.js";

/** Schema of packed lines. */
export const PACKED_SCHEMA = "agemem.trajectory/2";

type Fields = Record<string, unknown>;

/** Packs the records of one rollout, steps in order before the trajectory. Lines of a rollout belong together. */
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

/** Unpacks lines as they come; memory is that of the rollouts under way. */
export class Unpacker {
  private readonly rollouts = new Map<string, Tables>();

  /**
   * The line as a value of version 1, yet to be checked. Values of other schemas come back as they are.
   *
   * @param where shown in the error
   * @throws InputError `AGEMEM_TRAJECTORY_INVALID` for a reference to what did not come before
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
          "A packed line is read with the lines of its rollout before it; take the recording from its beginning.",
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

/** What the lines of one rollout refer to. */
class Tables {
  readonly messages = new Parts("message");
  readonly tools = new Parts("tool schema");
  /** Prompt and response of the latest call of a role: the next prompt mostly begins with them. */
  private readonly latest = new Map<string, readonly number[]>();

  sequence(role: string): readonly number[] {
    return this.latest.get(role) ?? [];
  }

  remember(role: string, prompt: number[] | null, response: number[] | null): void {
    if (Array.isArray(prompt))
      this.latest.set(role, [...prompt, ...(Array.isArray(response) ? response : [])]);
  }
}

/** Values by number, in the order in which they first stood. */
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
