/** Documents and comments say what is there: every file, symbol, link, script and command they name exists. */
import { Command } from "commander";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { commandsFor } from "../src/cli/commands.js";
import { ERROR_CODES } from "../src/errors.js";
import {
  commandLines,
  commentReferences,
  fileFinder,
  filesNamedIn,
  linksIn,
  proseOf,
  type Reference,
  symbolFinder,
  symbolsIn,
} from "./support/references.js";
import {
  type CodeBlock,
  codeBlocks,
  declaresFunction,
  ENTRY_POINTS,
  exportedNames,
  readSources,
  readText,
  repositoryFiles,
} from "./support/source-tree.js";

const sources = readSources();
const all = repositoryFiles();
const markdown = all.filter((path) => /^(README|docs\/.*)\.md$/.test(path));
/** Documents about the project as it is; the changelog tells what was. */
const documents = all.filter((path) =>
  /^(README|AGENTS|CONTRIBUTING|SECURITY|docs\/.*|examples\/.*|\.github\/.*)\.md$/.test(path),
);
const hasFile = fileFinder(all);
const hasSymbol = symbolFinder();
const told = (references: Reference[]) => references.map(({ name, where }) => `${where}: ${name}`);
const inProse = (find: (text: string) => string[]): Reference[] =>
  documents.flatMap((path) => find(proseOf(path)).map((name) => ({ name, where: path })));

describe("names in comments and documents", () => {
  it("of files are those of files that are there", () => {
    const programs = all
      .filter((path) => /\.(py|mjs|sh)$/.test(path))
      .flatMap((path) => filesNamedIn(proseOfProgram(path)).map((name) => ({ name, where: path })));
    const named = [...commentReferences(sources, filesNamedIn), ...inProse(filesNamedIn), ...programs];
    expect(named.length).toBeGreaterThan(100);
    expect(told(named.filter(({ name }) => !hasFile(name)))).toEqual([]);
  });

  it("of symbols are those of symbols that are there", () => {
    const named = [
      ...commentReferences(sources, linksIn),
      ...commentReferences(sources, symbolsIn),
      ...inProse(symbolsIn),
    ];
    expect(named.length).toBeGreaterThan(500);
    expect(told(named.filter(({ name }) => !hasSymbol(name)))).toEqual([]);
  });

  it("the checks notice what is gone", () => {
    expect(filesNamedIn("See `paste-rule.ts`, docs/store.md and rows.jsonl (Node.js).")).toEqual([
      "paste-rule.ts",
      "docs/store.md",
    ]);
    expect(["paste-rule.ts", "docs/store.md", "store.md", "./package.test.ts"].map(hasFile)).toEqual([
      false,
      true,
      true,
      true,
    ]);
    // Joined at run time, so that this file is not where the name stands.
    const gone = ["Step", "Listener"].join("");
    expect(symbolsIn(`Reported through ${gone} of \`types\`, \`store.put()\` in LangGraph.`)).toEqual([
      "store.put()",
      gone,
    ]);
    expect([gone, "FaissStore", "BaseStore.listNamespaces"].map(hasSymbol)).toEqual([false, true, true]);
  });
});

/** Comments and docstrings of a program that is not TypeScript. */
function proseOfProgram(path: string): string {
  const text = readText(path);
  const pattern = path.endsWith(".mjs") ? /\/\*\*[\s\S]*?\*\/|\/\/.*$/gm : /"""[\s\S]*?"""|(?<=^|\s)#.*$/gm;
  return (text.match(pattern) ?? []).join("\n");
}

describe("walks of docs/architecture.md", () => {
  const text = readText("docs/architecture.md");
  const walks = text
    .slice(text.indexOf("## Walks"))
    .split(/^## (?!Walks)/m)[0]
    ?.split(/^### /m)
    .slice(1)
    .map((section) => ({
      name: section.split("\n")[0] as string,
      steps: [...section.matchAll(/^\d+\. `([\w/-]+\.ts): ([\w.]+)`/gm)].map(([, file, name]) => ({
        file,
        name,
      })),
      lines: [...section.matchAll(/^\d+\. /gm)].length,
    }));

  it("are three, of at most ten steps each", () => {
    expect(walks?.map(({ lines }) => lines > 2 && lines <= 10)).toEqual([true, true, true]);
    expect(walks?.map(({ steps }) => steps.length)).toEqual(walks?.map(({ lines }) => lines));
  });

  it("name functions that their files declare", () => {
    const missing = (walks ?? []).flatMap(({ name, steps }) =>
      steps
        .filter((step) => {
          const file = sources.find(({ path }) => path === step.file);
          return !file || !declaresFunction(file.ast, step.name as string);
        })
        .map((step) => `${name}: ${step.file}: ${step.name}`),
    );
    expect(missing).toEqual([]);
    const [file] = sources.filter(({ path }) => path === "store/faiss-store.ts");
    const declared = ["FaissStore.open", "putAway", "FaissStore.opens", "Other.open"].map(
      (name) => file && declaresFunction(file.ast, name),
    );
    expect(declared).toEqual([true, false, false, false]);
  });
});

describe("commands in documents", async () => {
  const program = await commandLine();
  const scripts = JSON.parse(readText("package.json")).scripts as Record<string, string>;
  const lines = documents.flatMap(commandLines);

  it("npm's are scripts of package.json", () => {
    const named = lines.flatMap(({ name, where }) =>
      [...name.matchAll(/\bnpm (?:run|--prefix \S+ run)(?: -s)? ([\w:-]+)/g)].map(([, script]) => ({
        name: script as string,
        where,
      })),
    );
    expect(named.length).toBeGreaterThan(10);
    expect(told(named.filter(({ name }) => !(name in scripts)))).toEqual([]);
  });

  it("agemem's are commands of the program, with options they have", () => {
    const named = lines.flatMap(({ name, where }) => commandsIn(name).map((line) => ({ name: line, where })));
    expect(named.length).toBeGreaterThan(20);
    const wrong = named.flatMap(({ name, where }) =>
      misusesOf(program, name).map((what) => `${where}: ${what} in "${name}"`),
    );
    expect(wrong).toEqual([]);
  });

  it("the check notices a wrong command", () => {
    expect(misusesOf(program, "memory ls --store x --json")).toEqual([]);
    expect(misusesOf(program, "memory lst")).toEqual(["lst"]);
    expect(misusesOf(program, "evaluate locomo:FILE --limit 3")).toEqual([]);
    expect(misusesOf(program, "evaluate operation")).toEqual(["operation"]);
    expect(misusesOf(program, "trace FILE --facts x")).toEqual(["--facts"]);
    expect(commandsIn("npx agemem score f | stats && npm run -s agemem -- trace f")).toEqual([
      "score f",
      "trace f",
    ]);
  });
});

/** The program with its commands, without running it. */
async function commandLine(): Promise<Command> {
  const program = new Command("agemem");
  for (const command of await commandsFor()) program.addCommand(command);
  return program;
}

/** What follows `agemem` on a command line, up to a pipe or the next command. */
function commandsIn(line: string): string[] {
  const called =
    /(?:^|(?<=[\s(]))(?:npx agemem|pnpm exec agemem|npm run(?: -s)? agemem --|agemem)(?=\s) ?([^|&;)>]*)/g;
  return [...line.matchAll(called)]
    .map(([, rest]) => (rest as string).trim())
    .filter((rest) => /^[a-z-]/.test(rest));
}

/** Subcommands and options of a command line that the program does not know. */
function misusesOf(program: Command, line: string): string[] {
  const words = line.match(/"[^"]*"|'[^']*'|\S+/g) ?? [];
  const wrong: string[] = [];
  const path = [program];
  for (const [i, word] of words.entries()) {
    const command = path.at(-1) as Command;
    const options = path.flatMap((each) => each.options);
    if (word.startsWith("--")) {
      const flag = word.replace(/=.*$/, "");
      if (!["--help", "--version"].includes(flag) && !options.some((each) => each.long === flag))
        wrong.push(flag);
    } else if (command.commands.length > 0 && !words[i - 1]?.startsWith("-")) {
      const next = command.commands.find((each) => each.name() === word);
      // A command of its own may also take a source, such as `evaluate locomo:FILE`; other words name its commands.
      const isSource = command.registeredArguments.length > 0 && word.includes(":");
      if (next) path.push(next);
      else if (!isSource) wrong.push(word);
    }
  }
  return wrong;
}

describe("documents", () => {
  it.each(Object.entries(ENTRY_POINTS))(
    "names imported from %s in README and docs are exported",
    (name, entry) => {
      const exported = exportedNames(entry);
      const imports = markdown.flatMap(codeBlocks).flatMap((block) => importsOf(block, name));
      expect(imports.length, `no example imports from ${name}`).toBeGreaterThan(0);
      expect(imports.filter((each) => !exported.has(each.imported)).map((each) => each.where)).toEqual([]);
    },
  );

  it("the error table of troubleshooting is the list of codes", () => {
    const rows = [
      ...readText("docs/troubleshooting.md").matchAll(/^\|\s*`(AGEMEM_\w+)`\s*\|\s*(.*?)\s*\|/gm),
    ];
    expect(rows.map(([, code, meaning]) => [code, meaning])).toEqual(Object.entries(ERROR_CODES));
  });

  it("AGENTS.md has at most 60 lines", () => {
    expect(readText("AGENTS.md").trimEnd().split("\n").length).toBeLessThanOrEqual(60);
  });

  it("links between documents lead somewhere", () => {
    const files = repositoryFiles();
    const broken = [...new Set([...documents, "CHANGELOG.md"])].flatMap((path) =>
      [...readText(path).matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)/g)]
        .map(([, target]) => new URL(target as string, `file:///${path}`).pathname.slice(1))
        .filter(
          (target) =>
            !files.some((file) => file === target || file.startsWith(`${target.replace(/\/$/, "")}/`)),
        )
        .map((target) => `${path}: ${target}`),
    );
    expect(broken).toEqual([]);
  });

  it("nothing names a machine's folders or a package registry's host", () => {
    const hosts = ["npmjs", "yarnpkg", "debian", "pypi", "pythonhosted"].map((host) => `${host}\\.(org|com)`);
    // Written so that this file does not match itself.
    const wrong = new RegExp(`(?<![\\w.])/work[/]|/ro[o]t/|(${hosts.join("|")})`);
    const found = repositoryFiles().flatMap((path) => {
      const match = /\.(png|svg|ico|node|gz)$/.test(path) ? null : readText(path).match(wrong);
      return match ? [`${path}: ${match[0]}`] : [];
    });
    expect(found).toEqual([]);
  });
});

function importsOf(block: CodeBlock, from: string): { imported: string; where: string }[] {
  if (!["ts", "typescript", "js", "javascript"].includes(block.language)) return [];
  const ast = ts.createSourceFile("block.ts", block.code, ts.ScriptTarget.ES2022, true);
  return ast.statements.filter(ts.isImportDeclaration).flatMap((statement) => {
    if ((statement.moduleSpecifier as ts.StringLiteral).text !== from) return [];
    const bindings = statement.importClause?.namedBindings;
    const names = bindings && ts.isNamedImports(bindings) ? bindings.elements : [];
    return names.map((element) => {
      const imported = (element.propertyName ?? element.name).text;
      return { imported, where: `${block.file}:${block.line} ${imported}` };
    });
  });
}
