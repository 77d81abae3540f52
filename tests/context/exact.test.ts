import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { expect, it } from "vitest";
import { loadMessage, storeMessage, withContent } from "../../src/context/messages.js";

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
