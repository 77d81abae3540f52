/** The rules of AGENTS.md that a program can check: layers, cycles, sizes, exports. Documents: `documents.test.ts`. */
import { builtinModules } from "node:module";
import { dirname } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import {
  declaredExports,
  ENTRY_POINTS,
  groupBy,
  readLayers,
  readSources,
  readText,
  type SourceFile,
  staticImports,
  walk,
} from "./support/source-tree.js";

const sources = readSources();
const { layers, side } = readLayers();
const manifest = JSON.parse(readText("package.json")) as Record<string, Record<string, string>>;
const isEntry = (unit: string) => Object.values(ENTRY_POINTS).includes(unit);

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

  it("there are no circular imports, those of types included", () => {
    expect(findCycle(new Map(sources.map((file) => [file.path, file.local])))).toEqual([]);
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
    // FAISS is optional for a clone too, which only a package of its own can say of a development dependency.
    const addons = JSON.parse(readText("scripts/addons/package.json")) as typeof manifest;
    const pinned = { ...manifest.devDependencies, ...apart.dependencies, ...addons.optionalDependencies };
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

/** Names declared twice for a reason; anything else is renamed or shared. */
const DECLARED_TWICE: Record<string, string> = {};

describe("files of src/", () => {
  it("are at most 16 in one folder", () => {
    const rooms = groupBy(sources, (file) => dirname(file.path));
    const full = [...rooms].filter(([room, files]) => room !== "." && files.length > 16);
    expect(full.map(([room, files]) => `${room}: ${files.length}`)).toEqual([]);
  });

  it("have at most 400 lines", () => {
    const long = sources.filter((file) => file.lines > 300).map((file) => `${file.path}: ${file.lines}`);
    if (long.length > 0) console.warn(`over 300 lines, think again: ${long.join(", ")}`);
    expect(sources.filter((file) => file.lines > 400).map((file) => file.path)).toEqual([]);
  });

  it("export no name that another one exports", () => {
    const declared = sources.flatMap((file) =>
      [...new Set(declaredExports(file.ast))].map((name) => ({ name, path: file.path })),
    );
    const twice = [...groupBy(declared, ({ name }) => name)].filter(([, places]) => places.length > 1);
    const told = twice.filter(([name]) => !(name in DECLARED_TWICE));
    expect(told.map(([name, places]) => `${name}: ${places.map(({ path }) => path).join(", ")}`)).toEqual([]);
    const kept = twice.map(([name]) => name);
    expect(Object.keys(DECLARED_TWICE).filter((name) => !kept.includes(name))).toEqual([]);
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
