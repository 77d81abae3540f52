import { describe, expect, it } from "vitest";
import { redact, redactor, secretsOf } from "../../src/text/redaction.js";

describe("redactor", () => {
  it.each([
    ["Incorrect API key provided: sk-ant-api03-abc_DEF.", "Incorrect API key provided: [redacted]"],
    ["Authorization: Bearer eyJhbGciOi.J9", "Authorization: Bearer [redacted]"],
    ["https://host/v1?api_key=abcd1234&x=1", "https://host/v1?api_key=[redacted]&x=1"],
    ['{"apiKey": "abcd1234"}', '{"apiKey": "[redacted]"}'],
    ["postgres://ada:pass@db/x", "postgres://[redacted]@db/x"],
    ["AIzaSyA1234567890", "[redacted]"],
    ["password=x", "password=[redacted]"],
    ['{"token": "ab"}', '{"token": "[redacted]"}'],
    ["//ada:pass@db/x", "//[redacted]@db/x"],
    ["mail to ada@host", "mail to ada@host"],
    ["the task is a desk-top risk of 3", "the task is a desk-top risk of 3"],
  ])("blots out what looks like a key: %s", (text, expected) => {
    expect(redactor([])(text)).toBe(expected);
  });

  it("blots out known values, the longest first, and leaves short ones", () => {
    const hide = redactor(["abcdef", "abcdef-more", "abc", undefined]);
    expect(hide("abcdef-more abcdef abc")).toBe("[redacted] [redacted] abc");
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

  it("knows the secrets of the process itself", () => {
    process.env.AGEMEM_TEST_SECRET = "value-of-its-own";
    try {
      expect(redact("401 for value-of-its-own and sk-abcdef")).toBe("401 for [redacted] and [redacted]");
    } finally {
      delete process.env.AGEMEM_TEST_SECRET;
    }
  });
});
