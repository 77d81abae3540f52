/** The graphs of `langgraph.rollout.json` as deployed: a key in the environment switches no run to remote embeddings. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { RolloutGroupOutput } from "../../../src/rollout/service/group-output.js";
import { ROLLOUTS_PROTOCOL } from "../../../src/rollout/service/protocol.js";
import { personTask } from "../setup.js";

const { goldFacts, ...task } = personTask();
const request = { tasks: [{ ...task, gold_facts: goldFacts }], k: 1 };
const fetched: string[] = [];
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agemem-embeddings-"));
  fetched.length = 0;
  vi.resetModules();
  vi.stubEnv("OPENAI_API_KEY", "sk-of-the-operator");
  vi.stubEnv("OPENAI_BASE_URL", undefined);
  vi.stubEnv("AGEMEM_ROLLOUT_FOLDER", folder);
  vi.stubGlobal("fetch", async (input: unknown) => {
    fetched.push(String(input instanceof Request ? input.url : input));
    return Response.json({ error: { message: "no" } }, { status: 401 });
  });
});
afterEach(async () => {
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
  await rm(folder, { recursive: true, force: true });
});

type Kept = { kind: string; status?: string; metadata?: { embeddings?: string } };

/** What the trajectories say of themselves. */
const facts = (samples: readonly unknown[]) =>
  (samples as Kept[]).flatMap(({ kind, status, metadata }) =>
    kind === "trajectory" ? [{ status, embeddings: metadata?.embeddings }] : [],
  );

async function inOnePiece(): Promise<unknown[]> {
  const { graph } = await import("../../../graphs/rollout.js");
  const { groups } = (await (await graph()).invoke({ request })) as { groups: RolloutGroupOutput[] };
  return groups.flatMap(({ samples }) => samples);
}

async function streamed(): Promise<unknown[]> {
  const { app } = await import("../../../graphs/rollout-http.js");
  const post = (path: string, more: object) =>
    app.request(`/rollouts${path}`, {
      method: "POST",
      body: JSON.stringify({ protocol: ROLLOUTS_PROTOCOL, request_id: "one", ...more }),
    });
  const response = await post("", { reader: "r1", request });
  const samples: unknown[] = [];
  let text = "";
  for await (const piece of response.body!) {
    text += new TextDecoder().decode(piece as Uint8Array, { stream: true });
    const lines = text.split("\n");
    text = lines.pop() as string;
    for (const line of lines.map((each) => JSON.parse(each) as { event: string; sample: unknown })) {
      if (line.event === "sample") samples.push(line.sample);
      if (line.event === "group")
        await post("/acknowledge", { groups: [(line as { group_id?: string }).group_id] });
      if (line.event === "error") throw new Error(JSON.stringify(line));
    }
  }
  await post("/close", {});
  return samples;
}

it.each([
  ["in one piece", inOnePiece],
  ["streamed", streamed],
])("%s: lexical, and said so in the record, with only a key set", async (_, roll) => {
  vi.stubEnv("AGEMEM_EMBEDDINGS", undefined);
  expect(facts(await roll())).toEqual([{ status: "ok", embeddings: "lexical-512/2" }]);
  expect(fetched).toEqual([]);
});

it("in one piece: remote where the variable names it, so that the two above could fail", async () => {
  vi.stubEnv("AGEMEM_EMBEDDINGS", "openai:text-embedding-3-small");
  expect(facts(await inOnePiece())).not.toEqual([{ status: "ok", embeddings: "lexical-512/2" }]);
  expect(fetched[0]).toContain("api.openai.com");
});
