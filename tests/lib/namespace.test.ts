import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AgeMemError } from "../../src/errors.js";
import { resolveNamespace } from "../../src/lib/namespace.js";

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
  } catch (error) {
    if (AgeMemError.isInstance(error)) return error.code;
    throw error;
  }
  return undefined;
}

describe("resolveNamespace", () => {
  it("fills in the run's values, the first record first", () => {
    const context = { user_id: "ada" };
    const configurable = { user_id: "bob", team: "7" };
    expect(resolveNamespace(["m", "{team}", "u-{user_id}"], context, configurable)).toEqual([
      "m",
      "7",
      "u-ada",
    ]);
    expect(resolveNamespace(["fixed"], undefined)).toEqual(["fixed"]);
  });

  it.each([
    ["missing", {}],
    ["empty", { user_id: "" }],
    ["null", { user_id: null }],
    ["undefined", { user_id: undefined }],
    ["an object", { user_id: { id: 1 } }],
    ["a list", { user_id: ["ada"] }],
    ["a number", { user_id: 5 }],
  ])("refuses a value that is %s: no shared default", (_, values) => {
    expect(codeOf(() => resolveNamespace(["memories", "{user_id}"], values))).toBe(
      "AGEMEM_NAMESPACE_VALUE_MISSING",
    );
  });

  it("refuses an empty template", () => {
    expect(codeOf(() => resolveNamespace([], {}))).toBe("AGEMEM_NAMESPACE_INVALID");
  });

  it("does not take inherited properties for values", () => {
    expect(codeOf(() => resolveNamespace(["{constructor}"], {}))).toBe("AGEMEM_NAMESPACE_VALUE_MISSING");
    expect(codeOf(() => resolveNamespace(["{__proto__}"], {}))).toBe("AGEMEM_NAMESPACE_VALUE_MISSING");
  });

  it("does not fill in what a value itself contains", () => {
    expect(resolveNamespace(["{user_id}"], { user_id: "{admin}", admin: "root" })).toEqual(["{admin}"]);
  });

  it("gives different users different namespaces of equal depth, whatever their names contain", async () => {
    const resolve = (user_id: string) => resolveNamespace(["memories", "{user_id}"], { user_id });
    expect(resolve("a.b")).not.toEqual(resolve("a~2eb"));
    expect(resolve("a.b:c_d%e\\f~g")).toEqual(["memories", "a~2eb~3ac~5fd~25e~5cf~7eg"]);
    await fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (one, other) => {
        fc.pre(one !== other);
        expect(resolve(one)).toHaveLength(2);
        expect(resolve(one)[1]).not.toContain(".");
        expect(resolve(one)).not.toEqual(resolve(other));
      }),
    );
  });
});
