/**
 * No pattern of the package takes more than linear time, whatever text a model, a user or a tool writes.
 *
 * The patterns are analysed, not timed: where two parts can take the same characters (Trade), a part can take one text
 * in two ways (Self), or a search begins again within what it has just read (Move), an attacker's text makes the
 * engine's steps grow with the square or the power of its length.
 */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { RegExpParser } from "@eslint-community/regexpp";
import { analyse } from "scslre";
import ts from "typescript";
import { afterAll, describe, expect, it } from "vitest";

const SRC = join(import.meta.dirname, "..", "src");
const parser = new RegExpParser({ ecmaVersion: 2024 });

/** What is wrong with a pattern, one line each. */
function problemsOf(source: string, flags: string): string[] {
  // The analysis parses the literal itself; this one reads newer syntax with a clear error.
  parser.parsePattern(source, 0, source.length, flags.includes("u"));
  const all = { reportTypes: { Move: true, Self: true, Trade: true } };
  return analyse({ source, flags }, all).reports.map((report) => {
    return `${report.type}${report.exponential ? ", exponential" : ""}: /${source}/${flags}`;
  });
}

const files = readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
const literals: { place: string; source: string; flags: string }[] = [];
const made: string[] = [];
for (const file of files) {
  const tree = ts.createSourceFile(file, readFileSync(join(SRC, file), "utf8"), ts.ScriptTarget.Latest, true);
  const visit = (node: ts.Node): void => {
    if (ts.isRegularExpressionLiteral(node)) {
      const end = node.text.lastIndexOf("/");
      const line = tree.getLineAndCharacterOfPosition(node.getStart()).line + 1;
      literals.push({
        place: `${file}:${line}`,
        source: node.text.slice(1, end),
        flags: node.text.slice(end + 1),
      });
    }
    if (ts.isNewExpression(node) && node.expression.getText() === "RegExp") made.push(file);
    node.forEachChild(visit);
  };
  visit(tree);
}

describe("patterns written in the source", () => {
  it("are all found", () => {
    expect(literals.length).toBeGreaterThan(200);
  });

  it.each(literals.map((each) => [each.place, each] as const))("are linear: %s", (_, { source, flags }) => {
    expect(problemsOf(source, flags)).toEqual([]);
  });
});

describe("patterns made when the package runs", () => {
  const Native = globalThis.RegExp;
  afterAll(() => {
    globalThis.RegExp = Native;
  });

  it("are linear, those of every module that makes any", async () => {
    const seen = new Map<string, [string, string]>();
    globalThis.RegExp = new Proxy(Native, {
      construct(target, args: [string | RegExp, string?], newTarget) {
        const pattern = Reflect.construct(target, args, newTarget) as RegExp;
        // Below the error's own line and this trap's stands the caller: dependencies make patterns too.
        if (new Error().stack?.split("\n")[2]?.includes(SRC))
          seen.set(String(pattern), [pattern.source, pattern.flags]);
        return pattern;
      },
    });
    // Modules that make patterns at their start, and one call of each function that makes its own.
    const [escaping, keyItems, spans, block, kind] = await Promise.all([
      import("../src/text/escaping.js"),
      import("../src/rewards/key-items.js"),
      import("../src/offline/answers/answer-spans.js"),
      import("../src/offline/reading/memory-block.js"),
      import("../src/offline/answers/question-kind.js"),
      import("../src/offline/reading/person.js"),
      import("../src/offline/reading/terms.js"),
      import("../src/models/lexical-features.js"),
      import("../src/models/tokens/byte-pair.js"),
    ]);
    escaping.defuse("x", ["context_summary", "memory"]);
    keyItems.keyItems("Where did Ada Lovelace live in 1840?");
    block.readMemoryBlocks('<retrieved_memories><memory id="m1" type="fact">x</memory></retrieved_memories>');
    spans.spansOf("Ada is a painter in Oslo.", kind.readQuestion("Which painter lives in Oslo?"));
    globalThis.RegExp = Native;
    const listed = [
      "models/tokens/byte-pair.ts",
      "offline/answers/answer-spans.ts",
      "offline/reading/memory-block.ts",
      "offline/reading/person.ts",
      "offline/reading/terms.ts",
      "rewards/key-items.ts",
      "text/escaping.ts",
      "text/words.ts",
    ];
    // Brings an archived value of the application's back, and matches nothing with it.
    const rebuilt = "lib/exact-json.ts";
    expect([...new Set(made)].sort()).toEqual([rebuilt, ...listed]);
    expect(seen.size).toBeGreaterThanOrEqual(listed.length);
    expect([...seen.values()].flatMap(([source, flags]) => problemsOf(source, flags))).toEqual([]);
  });
});

it("the analysis finds what it is here for", () => {
  for (const [source, kind] of [
    ["\\s*```$", "Move"],
    ["^(a+)+$", "Self, exponential"],
    ["^a*b?a*$", "Trade"],
  ] as const) {
    expect(problemsOf(source, "")[0]).toContain(kind);
  }
});
