import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseRecord } from "../../src/trajectory/file.js";
import { trajectoryJsonSchema } from "../../src/trajectory/json-schema.js";
import { recordSchema } from "../../src/trajectory/schema.js";
import { step, textStep, trajectory } from "./records.js";

const fixtures = new URL("../fixtures/trajectory/", import.meta.url);

describe("record schema agemem.trajectory/1", () => {
  it("accepts steps with and without tokens, and trajectories scored and not", () => {
    for (const record of [
      step(),
      step({ response_logprobs: null }),
      textStep(),
      textStep({ call_role: "aux", drop_reason: "aux" }),
      textStep({ response: null, drop_reason: "error", error: { code: null, message: "503" } }),
      trajectory(),
      trajectory({ status: "error", error: { code: "AGEMEM_MODEL_FAILED", message: "503" } }),
    ]) {
      expect(recordSchema.safeParse(record).error).toBeUndefined();
    }
  });

  it("survives JSON without change", () => {
    expect(recordSchema.parse(JSON.parse(JSON.stringify(step())))).toEqual(step());
  });

  it("reads usage from before cached tokens were kept, and sums that nobody knows", () => {
    const usage = { prompt_tokens: 3, completion_tokens: 2 };
    expect(recordSchema.parse({ ...step(), usage })).toEqual(step());
    const unknown = { calls: 1, prompt_tokens: null, completion_tokens: null, latency_ms: 1 };
    expect(recordSchema.parse(trajectory({ aux_usage: unknown }))).toMatchObject({ aux_usage: unknown });
  });

  it("drops fields it does not know", () => {
    expect(recordSchema.parse({ ...step(), from_a_later_release: 1 })).toEqual(step());
  });

  const negatives = readdirSync(new URL("invalid/", fixtures)).filter((name) => name.endsWith(".json"));
  it("has negatives", () => {
    expect(negatives.length).toBeGreaterThan(15);
  });
  it.each(negatives)("refuses %s and names the field", (name) => {
    const { field, record } = JSON.parse(readFileSync(new URL(`invalid/${name}`, fixtures), "utf8"));
    expect(() => parseRecord(record, "file:1")).toThrowError(
      expect.objectContaining({
        code: "AGEMEM_TRAJECTORY_INVALID",
        details: expect.objectContaining({ field }),
      }),
    );
  });

  it("refuses numbers that JSON cannot carry", () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => parseRecord(step({ response_logprobs: [-1, bad] }), "x")).toThrowError(
        expect.objectContaining({ details: expect.objectContaining({ field: "response_logprobs.1" }) }),
      );
      expect(recordSchema.safeParse(trajectory({ reward: bad })).success).toBe(false);
    }
  });

  it("is published as JSON Schema, and the published file is current", () => {
    const published = readFileSync(
      new URL("../../schemas/agemem.trajectory-1.json", import.meta.url),
      "utf8",
    );
    expect(JSON.parse(published)).toEqual(JSON.parse(JSON.stringify(trajectoryJsonSchema())));
  });
});
