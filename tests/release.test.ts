/** The release script: the changelog's sections, and what keeps a tree from being published. */
import { describe, expect, it } from "vitest";
import { readText } from "./support/source-tree.js";

interface Release {
  sectionOf(changelog: string, version: string): string | undefined;
  release(changelog: string, version: string, date: string): string;
  problems(manifest: object, changelog: string, version: string): string[];
}
const script = new URL("../scripts/release.mjs", import.meta.url).href;
const { sectionOf, release, problems } = (await import(script)) as Release;
const changelog =
  "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A.\n\n## [0.1.0] - 2026-01-01\n\n- First.\n";
const filled = { version: "0.2.0", repository: "github:a/agemem", bugs: "a/issues", homepage: "a" };

describe("a release", () => {
  it("gives what is unreleased a heading, and leaves an empty one above", () => {
    const next = release(changelog, "0.2.0", "2026-02-03");
    expect(next).toContain("## [Unreleased]\n\n## [0.2.0] - 2026-02-03\n\n### Added\n\n- A.\n\n## [0.1.0]");
    expect(["Unreleased", "0.2.0", "0.1.0", "0.3.0"].map((version) => sectionOf(next, version))).toEqual([
      "",
      "### Added\n\n- A.",
      "- First.",
      undefined,
    ]);
  });

  it("is refused without changes, twice, and under a name that is no version", () => {
    const next = release(changelog, "0.2.0", "2026-02-03");
    expect(() => release(next, "0.3.0", "2026-02-04")).toThrow("nothing under");
    expect(() => release(changelog, "0.1.0", "2026-02-04")).toThrow("already");
    expect(() => release(changelog, "next", "2026-02-04")).toThrow("no version");
  });

  it("is not published from another version, without its section, or while a placeholder stands", () => {
    const next = release(changelog, "0.2.0", "2026-02-03");
    expect(problems(filled, next, "0.2.0")).toEqual([]);
    expect(problems({ ...filled, version: "0.1.0" }, next, "0.2.0")).toEqual([
      "package.json has version 0.1.0, not 0.2.0",
    ]);
    expect(problems(filled, changelog, "0.2.0")).toEqual(["CHANGELOG.md has no section 0.2.0"]);
    expect(problems({ ...filled, bugs: undefined, homepage: "OWNER" }, next, "0.2.0")).toHaveLength(2);
  });

  it("finds the sections of the changelog there is", () => {
    expect(sectionOf(readText("CHANGELOG.md"), "Unreleased")).toBeTruthy();
  });
});
