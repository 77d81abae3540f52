import { describe, expect, it } from "vitest";
import { redactor, secretsOf } from "../../src/text/redaction.js";

describe("redactor", () => {
  it.each([
    ["Incorrect API key provided: sk-ant-api03-abc_DEF.", "Incorrect API key provided: [key]"],
    ["Authorization: Bearer eyJhbGciOi.J9", "Authorization: Bearer [key]"],
    ["https://host/v1?api_key=abcd1234&x=1", "https://host/v1?api_key=[key]&x=1"],
    ['{"apiKey": "abcd1234"}', '{"apiKey": "[key]"}'],
    ["postgres://ada:pass@db/x", "postgres://[key]@db/x"],
    ["AIzaSyA1234567890", "[key]"],
    ["the task is a desk-top risk of 3", "the task is a desk-top risk of 3"],
  ])("blots out what looks like a key: %s", (text, expected) => {
    expect(redactor([])(text)).toBe(expected);
  });

  it("blots out known values, the longest first, and leaves short ones", () => {
    const hide = redactor(["abcdef", "abcdef-more", "abc", undefined]);
    expect(hide("abcdef-more abcdef abc")).toBe("[key] [key] abc");
  });

  it("takes the secrets of an environment by their names", () => {
    const environment = {
      ACME_API_KEY: "value-one",
      DB_PASSWORD: "value-two",
      PATH: "/usr/bin",
      X_TOKEN: "t",
    };
    expect(secretsOf(environment)).toEqual(["value-one", "value-two"]);
  });
});
