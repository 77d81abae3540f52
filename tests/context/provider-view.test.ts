/** What is sent of histories that break one rule of a provider each. */
import {
  AIMessage,
  type BaseMessage,
  HumanMessage,
  SystemMessage,
  ToolMessage,
} from "@langchain/core/messages";
import { describe, expect, it } from "vitest";
import { EMPTY_MESSAGE, OPENING, providerView, UNREADABLE_CALL } from "../../src/context/provider-view.js";
import { MISSING_ANSWER } from "../../src/context/validity.js";
import { ai, call, system, tool, user } from "./helpers.js";

const plain = (messages: readonly BaseMessage[]) => messages.map((m) => `${m.type}: ${m.text}`);
const invalid = (id: string | undefined, name = "Add_memory") => ({
  type: "invalid_tool_call" as const,
  name,
  args: '{"content": "Ha',
  ...(id === undefined ? {} : { id }),
});

it("passes a history that meets the rules on as the same messages", () => {
  const messages = [system("s", "Rules."), user("u"), call("a", ["c"]), tool("t", "c"), ai("b", "Fine.")];
  const view = providerView(messages);
  expect(view).toHaveLength(5);
  view.forEach((message, i) => {
    expect(message).toBe(messages[i]);
  });
});

describe("calls that could not be read", () => {
  it("are calls without arguments, and answered; the others keep theirs", () => {
    const message = new AIMessage({
      id: "a",
      content: "",
      tool_calls: [{ id: "c1", name: "look", args: { q: "x" } }],
      invalid_tool_calls: [invalid("c2")],
    });
    const view = providerView([user("u"), message, tool("t", "c1", "seen"), user("v")]);
    expect(view[1]).toMatchObject({
      tool_calls: [
        { id: "c1", args: { q: "x" } },
        { id: "c2", name: "Add_memory", args: {} },
      ],
      invalid_tool_calls: [],
    });
    expect(plain(view.slice(2, 4))).toEqual(["tool: seen", `tool: ${UNREADABLE_CALL}`]);
    expect(message.invalid_tool_calls).toHaveLength(1);
  });

  it("lose the provider's own forms of them, which would be sent in their place", () => {
    const message = new AIMessage({
      id: "a",
      content: [
        { type: "text", text: "So." },
        { type: "tool_use", id: "c2", name: "Add_memory", input: '{"content": "Ha' },
        { type: "tool_use", id: "gone", name: "Add_memory", input: "{" },
      ],
      tool_calls: [],
      invalid_tool_calls: [invalid("c2")],
      response_metadata: { output: [{ type: "function_call", arguments: '{"con' }] },
    });
    message.additional_kwargs = {
      tool_calls: [
        { id: "c2", type: "function", function: { name: "Add_memory", arguments: '{"content": "Ha' } },
      ],
    };
    const [, shown] = providerView([user("u"), message]) as [BaseMessage, AIMessage];
    expect(shown.additional_kwargs.tool_calls).toBeUndefined();
    expect(shown.response_metadata.output).toBeUndefined();
    expect(shown.content).toEqual([
      { type: "text", text: "So." },
      { type: "tool_use", id: "c2", name: "Add_memory", input: {} },
    ]);
  });

  it("are left out without an id or a name, with the message when nothing else is in it", () => {
    const nameless = new AIMessage({
      id: "a",
      content: "",
      invalid_tool_calls: [invalid(undefined), invalid("c", "")],
    });
    expect(plain(providerView([user("u"), nameless, user("v")]))).toEqual([
      "human: question u",
      "human: question v",
    ]);
  });

  it("have an object for arguments, whatever the model gave", () => {
    const message = new AIMessage({
      content: "",
      tool_calls: [{ id: "c", name: "look", args: null as never }],
    });
    expect(providerView([user("u"), message])[1]).toMatchObject({ tool_calls: [{ id: "c", args: {} }] });
    expect(providerView([user("u"), message])[2]?.text).toBe(MISSING_ANSWER);
  });
});

describe("messages that say nothing", () => {
  it.each([
    "",
    " \n",
    [],
    [{ type: "text", text: " " }],
    [{ type: "thinking", thinking: "Hm.", signature: "x" }],
    [{ type: "reasoning", reasoning: "Hm." }],
  ])("an assistant's with content %j is left out", (content) => {
    const view = providerView([user("u"), new AIMessage({ id: "a", content: content as string }), user("v")]);
    expect(view.map((m) => m.id)).toEqual(["u", "v"]);
  });

  it("an assistant's calls stay, without blank text beside them", () => {
    const calls = [{ id: "c", name: "look", args: {} }];
    for (const content of [" \n", [{ type: "text", text: "" }]]) {
      const message = new AIMessage({ id: "a", content: content as string, tool_calls: calls });
      const [, shown] = providerView([user("u"), message, tool("t", "c")]) as [BaseMessage, AIMessage];
      expect(shown.content).toBe("");
      expect(shown.tool_calls).toMatchObject(calls);
    }
  });

  it("a user's is said to be empty, a system's is left out, a tool's stays", () => {
    const view = providerView([
      new SystemMessage(""),
      new HumanMessage({ id: "u", content: " " }),
      call("a", ["c"]),
      new ToolMessage({ id: "t", tool_call_id: "c", content: [{ type: "text", text: "" }] }),
    ]);
    expect(view.map((m) => m.id)).toEqual(["u", "a", "t"]);
    expect([view[0]?.text, view[2]?.content]).toEqual([EMPTY_MESSAGE, ""]);
  });
});

describe("places", () => {
  it("an assistant's first message has a user's before it", () => {
    expect(plain(providerView([system("s", "Rules."), ai("a", "Hello!"), user("u")]))).toEqual([
      "system: Rules.",
      `human: ${OPENING}`,
      "ai: Hello!",
      "human: question u",
    ]);
    expect(providerView([call("a", ["c"]), tool("t", "c"), user("u")])[0]?.id).toBe("a-opening");
    expect(plain(providerView([system("s", "Rules.")]))).toEqual(["system: Rules.", `human: ${OPENING}`]);
  });

  it("several system messages are one, in their order", () => {
    const view = providerView([system("s", "Rules."), user("u"), system("d", "Be brief.")]);
    expect(plain(view)).toEqual(["system: Rules.\n\nBe brief.", "human: question u"]);
    const blocks = new SystemMessage({ content: [{ type: "text", text: "Cached.", cache_control: {} }] });
    expect(providerView([system("s", "Rules."), blocks])[0]?.content).toEqual([
      { type: "text", text: "Rules." },
      { type: "text", text: "Cached.", cache_control: {} },
    ]);
  });
});

it("call ids that a server gives again are told apart, with their answers", () => {
  const view = providerView([
    user("u"),
    call("a", ["call_0", "call_1"]),
    tool("t0", "call_0", "0"),
    tool("t1", "call_1", "1"),
    call("b", ["call_0"]),
    tool("t2", "call_0", "2"),
    call("c", ["call_0"]),
    tool("t3", "call_0", "3"),
  ]);
  const ids = view.flatMap((m) => (AIMessage.isInstance(m) ? (m.tool_calls ?? []).map((c) => c.id) : []));
  expect(ids).toEqual(["call_0", "call_1", "call_0_2", "call_0_3"]);
  const answers = view.flatMap((m) => (ToolMessage.isInstance(m) ? [`${m.tool_call_id} ${m.text}`] : []));
  expect(answers).toEqual(["call_0 0", "call_1 1", "call_0_2 2", "call_0_3 3"]);
});
