import { expect, it } from "vitest";
import { BoundedMap } from "../../src/lib/bounded-map.js";

it("forgets all others when one more is set than it may hold", () => {
  const map = new BoundedMap<string, number>(2);
  map.set("a", 1).set("b", 2);
  map.set("a", 3);
  expect([...map]).toEqual([
    ["a", 3],
    ["b", 2],
  ]);
  map.set("c", 4);
  expect([...map]).toEqual([["c", 4]]);
});
