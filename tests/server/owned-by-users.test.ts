/** Options of the auth handlers, and the mark by which a served graph knows that they were asked. */
import { describe, expect, it } from "vitest";
import { ownedByUsers, refuseUnguarded } from "../../src/server/owned-by-users.js";

const user = (identity: string, permissions: string[] = []) => ({ identity, permissions });

describe("ownedByUsers", () => {
  it.each([
    [{ operater: "root" }, /unknown option "operater" \(did you mean "operator"\?\)/],
    [{ operator: "" }, /operator: must be text/],
    [{ namespace: ["memories", "{user_id"] }, /namespace: .*brace/],
    [{ namespace: [] }, /namespace/],
  ])("refuses %j", (options, message) => {
    const refused = { code: "AGEMEM_CONFIG_INVALID", message: expect.stringMatching(message) };
    expect(() => ownedByUsers(options as never)).toThrow(expect.objectContaining(refused));
  });

  it.each([
    ["ada", []],
    ["op", ["agemem:operator"]],
  ] as [string, string[]][])("marks each run that it lets through: %s", (identity, permissions) => {
    const value = { kwargs: {}, metadata: { mine: 1, agemem_guarded: false } };
    ownedByUsers()({ event: "threads:create_run", value, user: user(identity, permissions) });
    expect(value.metadata).toMatchObject({ mine: 1, agemem_guarded: true });
  });

  it("marks no run that it refuses", () => {
    const value = { kwargs: { context: { interrupt_on: [] } } };
    const ask = () => ownedByUsers()({ event: "threads:create_run", value, user: user("ben") });
    expect(ask).toThrow(expect.objectContaining({ code: "AGEMEM_AUTH_FORBIDDEN", status: 403 }));
  });

  it.each([[""], [["ada"]], [{ id: "ada" }], [5], [null], [undefined]])(
    "knows no user whose identity is %j",
    (identity) => {
      const request = { event: "threads:read", value: {}, user: user(identity as never) };
      expect(() => ownedByUsers()(request)).toThrow(/no identity/);
    },
  );

  it("tells users apart whose names look alike", () => {
    const owners = ["ada", "Ada", "ada ", "ada\u0000", "\u0430da", "a\u0301", "\u00e1", "__proto__"];
    const answers = owners.map((each) =>
      ownedByUsers()({ event: "threads:read", value: {}, user: user(each) }),
    );
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(owners.length);
  });
});

describe("refuseUnguarded", () => {
  const at = (path: string, method = "GET") => new Request(`http://localhost${path}`, { method });

  it.each([
    ["/internal/truncate", "POST"],
    ["//internal/truncate", "POST"],
    ["/%69nternal/truncate", "POST"],
    ["/INTERNAL/truncate", "POST"],
    ["/threads/1/commands", "POST"],
    ["/threads/1/commands/", "POST"],
    ["/threads/1/stream/events", "GET"],
    ["/threads/1/stream%2Fevents", "POST"],
    ["/threads/1/state", "POST"],
    ["/threads/1/state/", "PUT"],
    ["/threads/1/%73tate", "POST"],
    ["/threads/1/runs/2/join", "GET"],
    ["/threads/1/runs/2/stream", "GET"],
    ["/runs/2/stream", "GET"],
    ["/x/%", "GET"],
  ])("refuses %s (%s)", (path, method) => {
    const refused = { code: "AGEMEM_AUTH_FORBIDDEN", status: 403 };
    expect(() => refuseUnguarded(at(path, method))).toThrow(expect.objectContaining(refused));
  });

  it.each([
    ["/threads/1/state", "GET"],
    ["/threads/1/state/checkpoint", "POST"],
    ["/threads/1/runs/stream", "POST"],
    ["/runs/wait", "POST"],
    ["/threads/search", "POST"],
  ])("lets %s (%s) through to the handlers", (path, method) => {
    expect(() => refuseUnguarded(at(path, method))).not.toThrow();
  });

  it("lets clients join where it is told to, and takes no other word for it", () => {
    expect(() => refuseUnguarded(at("/runs/2/stream"), { joins: true })).not.toThrow();
    for (const options of [{ joins: "yes" }, { join: true }]) {
      const refused = expect.objectContaining({ code: "AGEMEM_CONFIG_INVALID" });
      expect(() => refuseUnguarded(at("/runs/2/stream"), options as never)).toThrow(refused);
    }
  });
});
