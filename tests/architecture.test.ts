/** The rules of AGENTS.md that a program can check: layers, cycles, sizes, exports, documents. */
import { builtinModules } from "node:module";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { ERROR_CODES } from "../src/errors.js";
import {
  type CodeBlock,
  codeBlocks,
  exportedNames,
  readLayers,
  readSources,
  readText,
  repositoryFiles,
  type SourceFile,
  staticImports,
  walk,
} from "./support/source-tree.js";

const ENTRY_POINTS = {
  agemem: "index.ts",
  "agemem/server": "server.ts",
  "agemem/training": "training.ts",
  "agemem/testing": "testing.ts",
};
const sources = readSources();
const { layers, side } = readLayers();
const manifest = JSON.parse(readText("package.json")) as Record<string, Record<string, string>>;
const isEntry = (unit: string) => Object.values(ENTRY_POINTS).includes(unit);
const markdown = () => repositoryFiles().filter((path) => /^(README|docs\/.*)\.md$/.test(path));

/** Why `file` may not import `target`, or undefined. */
function violation(file: SourceFile, target: string): string | undefined {
  const unit = target.split("/")[0] as string;
  const edge = `${file.path} imports ${target}`;
  if (isEntry(unit)) return `${edge}: entry points are for users`;
  if (unit === file.unit) return undefined;
  const [from, to] = [layers.get(file.unit), layers.get(unit)];
  if (isEntry(file.unit)) return unit === "cli" ? `${edge}: the CLI is no part of the library` : undefined;
  if (side.has(unit)) return `${edge}: only an entry point uses ${unit}/`;
  if (to === undefined) return `${edge}: AGENTS.md draws no layer for ${unit}`;
  if (side.has(file.unit)) return to < 6 ? undefined : edge;
  if (file.unit === "agent" && unit === "trajectory")
    return `${edge}: the agent reports through StepListener`;
  // Files of layer 0 are one vocabulary; folders of any other layer do not know each other.
  if (from === 0 && to === 0) return undefined;
  return from !== undefined && to < from ? undefined : `${edge}: L${from} to L${to}`;
}

describe("layers", () => {
  it("AGENTS.md draws every folder and file of src/", () => {
    const drawn = (unit: string) => layers.has(unit) || side.has(unit) || isEntry(unit);
    expect(sources.length).toBeGreaterThan(10);
    expect([...new Set(sources.map((file) => file.unit))].filter((unit) => !drawn(unit))).toEqual([]);
  });

  it("files import only from lower layers or their own folder", () => {
    const wrong = sources.flatMap((file) => file.local.map((target) => violation(file, target)));
    expect(wrong.filter(Boolean)).toEqual([]);
  });

  it("the check notices a wrong import", () => {
    const file = { path: "store/x.ts", unit: "store" } as SourceFile;
    expect(violation(file, "agent/graph.ts")).toContain("L1 to L3");
    expect(violation(file, "context/edit.ts")).toContain("L1 to L1");
    expect(violation(file, "index.ts")).toContain("entry points");
    expect(violation({ ...file, unit: "agent" }, "trajectory/schema.ts")).toContain("StepListener");
    expect(violation(file, "types.ts")).toBeUndefined();
  });

  it("there are no circular imports", () => {
    expect(findCycle(new Map(sources.map((file) => [file.path, file.loaded])))).toEqual([]);
    expect(
      findCycle(
        new Map([
          ["a.ts", ["b.ts"]],
          ["b.ts", ["a.ts"]],
        ]),
      ),
    ).toEqual(["a.ts", "b.ts", "a.ts"]);
  });
});

/** Files of one import cycle, the first repeated at the end, or []. */
function findCycle(imports: Map<string, string[]>): string[] {
  const done = new Set<string>();
  const visit = (path: string, trail: string[]): string[] => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path];
    if (done.has(path)) return [];
    for (const next of imports.get(path) ?? []) {
      const cycle = visit(next, [...trail, path]);
      if (cycle.length > 0) return cycle;
    }
    done.add(path);
    return [];
  };
  for (const path of imports.keys()) {
    const cycle = visit(path, []);
    if (cycle.length > 0) return cycle;
  }
  return [];
}

describe("packages", () => {
  const dependencies = {
    ...manifest.dependencies,
    ...manifest.optionalDependencies,
    ...manifest.peerDependencies,
  };

  it("src/ imports only declared packages and Node built-ins", () => {
    const packageOf = (name: string) => name.match(/^(@[^/]+\/)?[^/]+/)?.[0] ?? name;
    // A package that is only loaded when asked for may be the user's to install; then the error says so.
    const onDemand = (file: SourceFile, name: string) =>
      file.ast.text.includes("AGEMEM_PACKAGE_MISSING") && !staticImports(file.ast).includes(name);
    const wrong = sources.flatMap((file) =>
      file.packages
        .filter(
          (name) => !name.startsWith("node:") && !(packageOf(name) in dependencies) && !onDemand(file, name),
        )
        .map(
          (name) => `${file.path} imports ${name}${builtinModules.includes(name) ? " without node:" : ""}`,
        ),
    );
    expect(wrong).toEqual([]);
  });

  it("every declared package is used, and every peer is pinned for development too", () => {
    // Declarations reach the user's compiler, so the types of an exported class are a dependency as well.
    const used = (name: string) =>
      sources.some((file) => file.ast.text.includes(`"${name.replace(/^@types\//, "")}`));
    expect(Object.keys(dependencies).filter((name) => !used(name))).toEqual([]);
    const peers = Object.keys(manifest.peerDependencies ?? {});
    // Those that run models are large: `npm run models` installs them apart.
    const apart = JSON.parse(readText("scripts/models/package.json")) as typeof manifest;
    const pinned = { ...manifest.devDependencies, ...apart.dependencies };
    expect(peers.filter((name) => !/^\d/.test(pinned[name] ?? ""))).toEqual([]);
  });

  it("optional packages are imported as types or when needed, so that loading the library does not need them", () => {
    const optional = Object.keys(manifest.optionalDependencies ?? {});
    const wrong = sources.flatMap((file) =>
      staticImports(file.ast)
        .filter((name) => optional.includes(name))
        .map((name) => `${file.path} needs ${name}`),
    );
    expect(wrong).toEqual([]);
  });
});

describe("files of src/", () => {
  it("have fewer than 500 lines", () => {
    const long = sources.filter((file) => file.lines > 300).map((file) => `${file.path}: ${file.lines}`);
    if (long.length > 0) console.warn(`over 300 lines, think again: ${long.join(", ")}`);
    expect(sources.filter((file) => file.lines >= 500).map((file) => file.path)).toEqual([]);
  });

  it("begin with a comment that says what they own", () => {
    const bare = sources.filter((file) => !/^(#!.*\n)?\s*\/\*\*/.test(file.ast.text));
    expect(bare.map((file) => file.path)).toEqual([]);
  });

  it("have named exports only", () => {
    const wrong = sources.filter((file) =>
      file.ast.statements.some(
        (statement) =>
          ts.isExportAssignment(statement) ||
          (ts.canHaveModifiers(statement) &&
            ts.getModifiers(statement)?.some((each) => each.kind === ts.SyntaxKind.DefaultKeyword)),
      ),
    );
    expect(wrong.map((file) => file.path)).toEqual([]);
  });

  it("print only in cli/", () => {
    const prints = (node: ts.Node) =>
      ts.isPropertyAccessExpression(node) && /^(console\.\w+|process\.(stdout|stderr))$/.test(node.getText());
    const wrong = sources.filter((file) => file.unit !== "cli" && [...walk(file.ast)].some(prints));
    expect(wrong.map((file) => file.path)).toEqual([]);
  });

  it("have no empty catch and no open to-do", () => {
    const empty = (node: ts.Node) =>
      ts.isCatchClause(node) && node.block.getFullText().replace(/[\s{}]/g, "") === "";
    const wrong = sources.filter(
      (file) => [...walk(file.ast)].some(empty) || /\b(TODO|FIXME|XXX)\b/.test(file.ast.text),
    );
    expect(wrong.map((file) => file.path)).toEqual([]);
  });
});

describe("documents", () => {
  it.each(Object.entries(ENTRY_POINTS))(
    "names imported from %s in README and docs are exported",
    (name, entry) => {
      const exported = exportedNames(entry);
      const imports = markdown()
        .flatMap(codeBlocks)
        .flatMap((block) => importsOf(block, name));
      expect(imports.length, `no example imports from ${name}`).toBeGreaterThan(0);
      expect(imports.filter((each) => !exported.has(each.imported)).map((each) => each.where)).toEqual([]);
    },
  );

  it("README's error table is the list of codes", () => {
    const rows = [...readText("README.md").matchAll(/^\|\s*`(AGEMEM_\w+)`\s*\|\s*(.*?)\s*\|/gm)];
    expect(rows.map(([, code, meaning]) => [code, meaning])).toEqual(Object.entries(ERROR_CODES));
  });

  it("AGENTS.md has at most 60 lines", () => {
    expect(readText("AGENTS.md").trimEnd().split("\n").length).toBeLessThanOrEqual(60);
  });

  it("links between documents lead somewhere", () => {
    const files = repositoryFiles();
    const broken = [...markdown(), "AGENTS.md", "CONTRIBUTING.md", "CHANGELOG.md"].flatMap((path) =>
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
