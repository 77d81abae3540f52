import { describe, expect, it } from "vitest";
import { sha256, shortHash } from "../../src/lib/hash.js";

describe("sha256", () => {
  it("gives the published digest of text and of the same bytes", () => {
    const digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    expect(sha256("abc")).toBe(digest);
    expect(sha256(new Uint8Array([0x61, 0x62, 0x63]))).toBe(digest);
  });

  it("hashes text as UTF-8", () => {
    expect(sha256("é")).toBe(sha256(Buffer.from([0xc3, 0xa9])));
    expect(sha256("é")).not.toBe(sha256("e\u0301"));
  });
});

describe("shortHash", () => {
  it("is stable, of the length asked for, without letters that are misread", () => {
    expect(shortHash("abc")).toBe(shortHash("abc"));
    expect(shortHash("abc")).toMatch(/^[0-9a-hjkmnp-tv-z]{10}$/);
    expect(shortHash("abc", 4)).toBe(shortHash("abc").slice(0, 4));
  });

  it("tells 20,000 texts apart", () => {
    const ids = new Set(Array.from({ length: 20_000 }, (_, i) => shortHash(`memory ${i}`)));
    expect(ids.size).toBe(20_000);
  });
});
