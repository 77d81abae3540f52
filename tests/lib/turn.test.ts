import { expect, it } from "vitest";
import { ownTurn } from "../../src/lib/turn.js";

it("gives each its turn in order, and lets what is ready in between", async () => {
  const order: string[] = [];
  const first = ownTurn().then(() => {
    setTimeout(() => order.push("timer"), 1);
    const until = performance.now() + 20;
    while (performance.now() < until);
    order.push("first");
  });
  await Promise.all([first, ownTurn().then(() => order.push("second"))]);
  await ownTurn().then(() => order.push("third"));
  expect(order).toEqual(["first", "timer", "second", "third"]);
});
