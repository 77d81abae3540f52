/** A served run on somebody else's thread writes nothing, and a thread is its user's from the first checkpoint on. */
import { Command, MemorySaver } from "@langchain/langgraph";
import { describe, expect, it } from "vitest";
import { claimThreads } from "../../src/server/thread-claim.js";
import { openStore, says, scripted } from "../agent/helpers.js";

const TEMPLATE = ["memories", "{user_id}"];
const run = (user: string, thread: string, more = {}) => ({
  configurable: { thread_id: thread, ...more },
  context: { user_id: user },
});

async function served(steps: string[]) {
  const checkpointer = new MemorySaver();
  const { agent, model } = scripted(steps, { store: await openStore(), checkpointer });
  const checkpoints = async (thread: string) => {
    const found = [];
    for await (const tuple of checkpointer.list({ configurable: { thread_id: thread } }))
      found.unshift(tuple);
    return found;
  };
  return { agent: claimThreads(agent as never, TEMPLATE), model, checkpointer, checkpoints };
}

describe("a thread", () => {
  it("has an owner in each checkpoint, the first one included", async () => {
    const { agent, checkpoints } = await served(["Hello."]);
    await agent.invoke(says("Hi."), run("ada", "t"));
    const [first, ...others] = (await checkpoints("t")).map(({ checkpoint }) => checkpoint.channel_values);
    expect(first).toMatchObject({ __start__: { memoryOwner: expect.stringMatching(/^[0-9a-f]{64}$/) } });
    const memoryOwner = (first?.__start__ as { memoryOwner: string } | undefined)?.memoryOwner;
    expect(others.map((values) => values.memoryOwner)).toEqual(others.map(() => memoryOwner));
  });

  it("is not written to by another user's run, whatever its form", async () => {
    const { agent, model, checkpoints } = await served(["Hello.", "Hello."]);
    await agent.invoke(says("Hi."), run("ada", "t"));
    const before = await checkpoints("t");
    const [first] = before;
    const from = { checkpoint_id: first?.checkpoint.id };
    const forms: [unknown, object][] = [
      [says("And I?"), {}],
      [{ ...says("And I?"), memoryOwner: null }, {}],
      [null, {}],
      [null, from],
      [says("And I?"), from],
      [new Command({ goto: "think" }), {}],
      [new Command({ update: { memoryOwner: { __overwrite__: null } }, goto: "think" }), from],
    ];
    for (const [input, more] of forms) {
      const config = run("ben", "t", more) as never;
      const refused = {
        code: "AGEMEM_THREAD_OWNER",
        message: expect.stringMatching(/^AGEMEM_THREAD_OWNER: /),
      };
      await expect(agent.invoke(input as never, config)).rejects.toMatchObject(refused);
      const streamed = async () => {
        for await (const _ of agent.streamEvents(input as never, { ...(config as object), version: "v2" }));
      };
      await expect(streamed()).rejects.toMatchObject(refused);
    }
    expect(await checkpoints("t")).toEqual(before);
    expect(model.calls).toHaveLength(1);
    await expect(agent.invoke(says("Still here?"), run("ada", "t"))).resolves.toBeDefined();
  });

  it("whose first run got no further than its input is not another user's to take up", async () => {
    const { agent, model, checkpointer, checkpoints } = await served(["Hello."]);
    await agent.invoke(says("Hi."), run("ada", "t"));
    const [first] = await checkpoints("t");
    // As after a crash: the input's checkpoint, and nothing after it.
    const { checkpoint, metadata } = first as NonNullable<typeof first>;
    await checkpointer.put(
      { configurable: { thread_id: "u", checkpoint_ns: "" } },
      checkpoint,
      metadata as never,
    );
    const taken = agent.invoke(null, run("ben", "u") as never);
    await expect(taken).rejects.toMatchObject({ code: "AGEMEM_THREAD_OWNER" });
    expect(model.calls).toHaveLength(1);
  });

  it("needs a user, and none is kept without a checkpointer", async () => {
    const { agent } = await served(["Hello."]);
    const nobody = agent.invoke(says("Hi."), { configurable: { thread_id: "t" } });
    await expect(nobody).rejects.toMatchObject({ code: "AGEMEM_NAMESPACE_VALUE_MISSING" });
    const { agent: plain } = scripted(["Hello.", "Hello."], { store: await openStore() });
    const stateless = claimThreads(plain as never, TEMPLATE);
    for (const user of ["ada", "ben"]) {
      await expect(stateless.invoke(says("Hi."), run(user, "t"))).resolves.toMatchObject({
        finalAnswer: "Hello.",
      });
    }
  });
});
