/** `schemas/agemem.trajectory-2.json` against packed recordings as the runner writes them, and against broken ones. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { createOfflineJudge } from "../../src/rewards/judges/offline.js";
import { policyEndpoint } from "../../src/rollout/http/endpoint.js";
import { streamRollouts } from "../../src/rollout/runner.js";
import { trajectoryJsonSchema } from "../../src/trajectory/json-schema.js";
import { packRollout } from "../../src/trajectory/recording/packing.js";
import { memoryStore, personTask } from "../rollout/setup.js";
import { step, trajectory } from "./records.js";
import { startTemplatedServer } from "./templated-server.js";

type Fields = Record<string, unknown>;

const read = (version: number): Fields =>
  JSON.parse(
    readFileSync(new URL(`../../schemas/agemem.trajectory-${version}.json`, import.meta.url), "utf8"),
  );
/** The published file itself decides, not what it was made from. */
const accepts = (schema: Fields) => {
  const type = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
  return (line: unknown) => type.safeParse(line).success;
};
const packed = accepts(read(2));
const plain = accepts(read(1));
const lines = (text: string) =>
  text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Fields);

let folder: string;
let recorded: Fields[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "agemem-packed-"));
  const call =
    '<tool_call>\n{"name": "Add_memory", "arguments": {"content": "Nora works in Porto."}}\n</tool_call>';
  const server = await startTemplatedServer(
    ({ messages = [] }) => (String(messages.at(-1)?.content).includes("In which city") ? "Porto" : call),
    true,
  );
  const store = await memoryStore();
  const options = {
    policy: policyEndpoint({ model: "policy", baseURL: server.url, apiKey: "none" }).policy,
    judge: createOfflineJudge(),
    store,
    k: 2,
  };
  const out = join(folder, "run.jsonl.gz");
  await streamRollouts([personTask(0), personTask(1)], options, { out });
  await Promise.all([server.close(), store.close()]);
  recorded = lines(gunzipSync(readFileSync(out)).toString());
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the published schema of packed lines", () => {
  it("is current", () => {
    expect(read(2)).toEqual(JSON.parse(JSON.stringify(trajectoryJsonSchema(2))));
  });

  it("takes every line of a recording with token ids, references and copies among them", () => {
    expect(recorded.filter((line) => !packed(line))).toEqual([]);
    expect(recorded.filter(({ kind }) => kind === "trajectory")).toHaveLength(4);
    const of = (key: string) => recorded.flatMap((line) => (line[key] as unknown[] | undefined) ?? []);
    expect(of("messages").some((each) => typeof each === "number")).toBe(true);
    expect(of("tools").some((each) => typeof each === "number")).toBe(true);
    expect(of("prompt_token_ids").some((each) => Array.isArray(each))).toBe(true);
  });

  it("takes lines of version 1 no more than that of version 1 takes packed ones", () => {
    expect([packed(step()), packed(trajectory()), plain(step()), plain(trajectory())]).toEqual([
      false,
      false,
      true,
      true,
    ]);
    expect(recorded.some(plain)).toBe(false);
  });

  const [line, last] = JSON.parse(JSON.stringify(packRollout([step(), trajectory()]))) as [Fields, Fields];
  it.each<[string, Fields]>([
    ["no rollout", { ...line, rollout_id: undefined }],
    ["no messages", { ...line, messages: undefined }],
    ["an unknown kind", { ...line, kind: "note" }],
    ["another schema", { ...line, schema: "agemem.trajectory/3" }],
    ["a number below zero", { ...line, messages: [-1] }],
    ["half a number", { ...line, tools: [0.5] }],
    ["a text for a message", { ...line, messages: ["hello"] }],
    ["a message without its role", { ...line, messages: [{ content: "hello" }] }],
    ["a copy of nothing", { ...line, prompt_token_ids: [[0, 0]] }],
    ["a copy without its length", { ...line, prompt_token_ids: [[3]] }],
    ["a copy of three numbers", { ...line, prompt_token_ids: [[0, 1, 2]] }],
    ["a copy from before the beginning", { ...line, prompt_token_ids: [[-1, 2]] }],
    ["a copy among the response's tokens", { ...line, response_token_ids: [[0, 1]] }],
    ["a text for tokens", { ...line, prompt_token_ids: "1 2 3" }],
    ["no status", { ...last, status: undefined }],
    ["an unknown status", { ...last, status: "fine" }],
    ["a reward in words", { ...last, reward: "high" }],
  ])("refuses a line with %s", (_what, broken) => {
    expect([packed(line), packed(last)]).toEqual([true, true]);
    expect(packed(JSON.parse(JSON.stringify(broken)))).toBe(false);
  });
});
