import { describe, expect, it } from "vitest";
import { keyItems } from "../../src/rewards/key-items.js";

describe("keyItems (K_q: names, places, times)", () => {
  it.each([
    ["Who directed the film shot in Leland, North Carolina in 1986?", ["Leland", "North Carolina", "1986"]],
    [
      "Are Watertown International Airport and Oslo Airport in the same state ?",
      ["Watertown International Airport", "Oslo Airport"],
    ],
    ["Grace Krilanovich's first novel came out in 2005, where?", ["Grace Krilanovich", "2005"]],
    ['Who sings "A Man Without Love" on the album?', ["A Man Without Love"]],
    ["Which film has Song Il-gon as director?", ["Song Il-gon"]],
    ["Who was minister since 18 February 2016?", ["18 February 2016"]],
    ["If Gallu is a demon Lilu is what?", ["Gallu", "Lilu"]],
    ["Does Puneet Sira have an OBE. Does he?", ["Puneet Sira", "OBE"]],
    ["which of the two killed the most people?", []],
    ["", []],
  ])("%s", (question, items) => {
    expect(keyItems(question)).toEqual(items);
  });
});
