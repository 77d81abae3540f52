import { runInNewContext } from "node:vm";
import { Document } from "@langchain/core/documents";
import { AIMessage, type BaseMessage, HumanMessage, ToolMessage } from "@langchain/core/messages";
import { expect, it } from "vitest";
import { loadMessage, storeMessage, withContent } from "../../src/context/messages.js";
import { providerView } from "../../src/context/provider-view.js";

const values = {
  bytes: new Uint8Array([1, 2, 255]),
  floats: new Float32Array([0.5, -1]),
  date: new Date("2026-01-02T03:04:05.006Z"),
  map: new Map<unknown, unknown>([
    ["a", new Set([1n, Number.NaN])],
    [{ k: 1 }, -0],
  ]),
  list: [undefined, null, Number.POSITIVE_INFINITY],
  marked: { $exact: "date", value: 5 },
};

it("archives what JSON loses, and gives it back exactly", () => {
  const message = new ToolMessage({ id: "t", tool_call_id: "c", content: "x", artifact: values });
  const archived = JSON.parse(JSON.stringify(storeMessage(message)));
  expect((loadMessage(archived) as ToolMessage).artifact).toEqual(values);
});

it("keeps bytes in a message that is cut", () => {
  const image = { type: "image", data: new Uint8Array([7, 8]), mimeType: "image/png" };
  const cut = withContent(new HumanMessage({ id: "u", content: [image as never] }), [
    image,
    { type: "text", text: "[cut]" },
  ]);
  expect(cut.content).toEqual([image, { type: "text", text: "[cut]" }]);
});

it("refuses circles and functions with a typed error that says where", () => {
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  for (const artifact of [circle, { run: () => 1 }]) {
    const message = new ToolMessage({ id: "t", tool_call_id: "c", content: "x", artifact });
    expect(() => storeMessage(message)).toThrow(
      expect.objectContaining({
        code: "AGEMEM_INPUT_ARGUMENT",
        message: expect.stringContaining("data.artifact"),
      }),
    );
  }
});

it("archives what LangChain's tools put into artifacts as instances", () => {
  const inner = new HumanMessage({ id: "h", content: "hi", additional_kwargs: { at: new Date(5) } });
  const artifact = {
    found: [new Document({ id: "d", pageContent: "Oslo", metadata: { at: new Date(7) } })],
    said: [inner],
    where: new URL("https://example.com/a?b"),
    like: /os+lo/giu,
  };
  const message = new ToolMessage({ id: "t", tool_call_id: "c", content: "x", artifact });
  const back = loadMessage(JSON.parse(JSON.stringify(storeMessage(message)))) as ToolMessage;
  expect(back.artifact).toEqual(artifact);
  expect(back.artifact.found[0]).toBeInstanceOf(Document);
  expect(back.artifact.said[0]).toBeInstanceOf(HumanMessage);
  expect(back.artifact.said[0].additional_kwargs.at).toEqual(new Date(5));
});

class Point {
  constructor(readonly x: number) {}
}
class Money {
  toJSON() {
    return "5 EUR";
  }
}
class Ages extends Map<string, number> {}

it.each([
  ["an instance of a class", new Point(1), "Point instance"],
  ["an instance with a form of its own, which JSON would put in its place", new Money(), "Money instance"],
  ["an instance of a subclass", new Ages([["ada", 36]]), "Ages instance"],
  ["an error", new RangeError("far"), "RangeError instance"],
  ["a wrapped value", Object("text"), "String instance"],
])("refuses %s, says where, and leaves it to be sent", (_, value, what) => {
  const message = new ToolMessage({ id: "t", tool_call_id: "c", content: [], artifact: { deep: [value] } });
  expect(() => storeMessage(message)).toThrow(
    expect.objectContaining({
      code: "AGEMEM_INPUT_ARGUMENT",
      message: `A message contains a ${what} at data.artifact.deep.0, which cannot be archived`,
    }),
  );
  const asked = new AIMessage({ id: "a", content: "", tool_calls: [{ id: "c", name: "look", args: {} }] });
  const user = new HumanMessage({ id: "u", content: "Look." });
  // The same call id a second time, so that the view is a copy.
  const again = [asked, message].map((each) =>
    Object.assign(Object.create(Object.getPrototypeOf(each)), each),
  );
  again[0].id = "a2";
  again[1].id = "t2";
  expect(providerView([user, asked, message, ...again] as BaseMessage[])).toHaveLength(5);
});

it("keeps plain objects of another realm, and those without a prototype", () => {
  const artifact = {
    there: runInNewContext("({ a: [1] })"),
    bare: Object.assign(Object.create(null), { b: 2 }),
  };
  const message = new ToolMessage({ id: "t", tool_call_id: "c", content: "x", artifact });
  expect((loadMessage(storeMessage(message)) as ToolMessage).artifact).toEqual({
    there: { a: [1] },
    bare: { b: 2 },
  });
});
