import { describe, expect, it } from "vitest";
import { applyFilter, filterUnits } from "../../../src/context/edits/filter.js";
import { asks } from "../../../src/context/edits/question.js";
import { restoreEdit } from "../../../src/context/edits/restore.js";
import { ai, call, charCounter, ids, plain, tool, user } from "../helpers.js";

const counter = charCounter();
const REMARK = "By the way, quantum computers use qubits in superposition.";
const PAGE = `Where does my flight leave from?\n\n${"Great flights at low prices. Book your flight today. ".repeat(12)}\n\nPlease tell me the gate too.`;

/** Everything that may go goes. */
const filterAll = (messages: Parameters<typeof filterUnits>[0]) => {
  const units = filterUnits(messages, { counter, segmentMinTokens: 80 });
  return applyFilter(
    messages,
    units,
    units.map(() => 1),
    { editId: "e1", facts: {}, counter },
  );
};

it.each([
  "Where is it?",
  "So what now",
  "「どこですか？」",
  "Что это?",
  "¿Dónde está?",
  "Summarize the text below:",
  "Could you look it up",
  "Bitte fasse das zusammen.",
  "请总结一下",
  "- please check this",
])("takes %j for a request", (text) => {
  expect(asks(text)).toBe(true);
});

it.each([REMARK, "Great flights at low prices.", "The whole house was sold.", "Showers are expected."])(
  "does not take %j for one",
  (text) => {
    expect(asks(text)).toBe(false);
  },
);

describe("FILTER and the newest user message", () => {
  it("leaves what a long one asks, whatever the scores are", () => {
    const edit = filterAll([user("u1", "Hi."), ai("a1"), user("u2", PAGE), call("c", ["x"]), tool("t", "x")]);
    const left = edit.messages.find((message) => message.id === "u2")?.text ?? "";
    expect(left).toMatch(
      /^Where does my flight leave from\?\s+\[filtered 24 passages, e1#1\]\s+Please tell me the gate too\.$/,
    );
  });

  it("takes a short remark out in its own turn, keeps its place, and gives it back", () => {
    const messages = [user("u1", "Hi."), ai("a1"), user("u2", REMARK)];
    const edit = filterAll(messages);
    expect(ids(edit.messages)).toEqual(["u2"]);
    expect(edit.messages[0]?.text).toBe("[filtered whole content, e1#1]");
    const back = restoreEdit(edit.messages, edit.report.archive, {}, counter);
    expect(plain(back.messages)).toEqual(plain(messages));
  });

  it("leaves a short one that asks", () => {
    const messages = [user("u1", REMARK), ai("a1"), user("u2", `${REMARK} What is a qubit?`)];
    expect(filterUnits(messages, { counter }).map((unit) => unit.messageId)).toEqual(["u1", "a1"]);
  });
});
