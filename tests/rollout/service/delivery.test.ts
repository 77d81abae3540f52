/** Which group goes to whom, and when new ones may be begun. */
import { describe, expect, it } from "vitest";
import { Delivery } from "../../../src/rollout/service/delivery.js";

const ids = ["a", "b", "c", "d"];
const none = () => false;
const { signal } = new AbortController();
const alone = { reader: "r", ordered: false, ahead: 9 };

describe("a delivery", () => {
  it("begins no more groups than the window holds, in order, and the next at each acknowledgement", async () => {
    const delivery = new Delivery(ids, none, 2);
    const begun: string[] = [];
    for (const id of ids) void delivery.begin(id, signal).then(() => begun.push(id));
    const settled = () => new Promise((resolve) => setTimeout(resolve, 5));
    await settled();
    expect(begun).toEqual(["a", "b"]);
    delivery.finish("b");
    expect(delivery.take(alone)).toEqual({ group: "b" });
    await settled();
    expect(begun).toEqual(["a", "b"]);
    delivery.acknowledge(["b"]);
    await settled();
    expect(begun).toEqual(["a", "b", "c"]);
    expect(delivery.held).toBe(2);
  });

  it("counts what an earlier process finished against the window", async () => {
    const delivery = new Delivery(ids, (id) => id === "c", 1);
    expect(delivery.held).toBe(1);
    const stop = new AbortController();
    const waiting = delivery.begin("a", stop.signal);
    stop.abort(new Error("stopped"));
    await expect(waiting).rejects.toThrow("stopped");
    expect(delivery.take(alone)).toEqual({ group: "c" });
  });

  it("gives each group to one reader, and a lost reader's groups to others only once they are released", () => {
    const delivery = new Delivery(ids, () => true, 9);
    const [one, two] = ["one", "two"].map((reader) => ({ reader, ordered: false, ahead: 1 }));
    expect(delivery.take(one!)).toEqual({ group: "a" });
    expect(delivery.take(two!)).toEqual({ group: "b" });
    expect(delivery.take(one!)).toBe("none");
    delivery.acknowledge(["b"]);
    expect(delivery.take(two!)).toEqual({ group: "c" });
    delivery.acknowledge(["c"]);
    delivery.release("one");
    const rest = [0, 1].map(() => delivery.take({ ...two!, ahead: 2 }));
    expect(rest).toEqual([{ group: "d" }, { group: "a" }]);
    delivery.acknowledge(["a", "d"]);
    expect(delivery.take(one!)).toBe("done");
    expect(delivery.held).toBe(0);
  });

  it("gives groups in the order of the tasks where that is asked for", () => {
    const delivery = new Delivery(ids, none, 9);
    const ordered = { ...alone, ordered: true };
    delivery.finish("b");
    expect(delivery.take(ordered)).toBe("none");
    delivery.finish("a");
    expect([delivery.take(ordered), delivery.take(ordered)]).toEqual([{ group: "a" }, { group: "b" }]);
    delivery.acknowledge(["a", "c"]);
    delivery.finish("c");
    delivery.finish("d");
    expect(delivery.take(ordered)).toEqual({ group: "d" });
  });

  it("says which ids are none of its groups, and counts an acknowledgement once", () => {
    const delivery = new Delivery(ids, (id) => id === "a", 9);
    expect(delivery.acknowledge(["a", "a", "x"])).toEqual(["x"]);
    expect([delivery.held, delivery.acknowledgedCount]).toEqual([0, 1]);
  });
});
