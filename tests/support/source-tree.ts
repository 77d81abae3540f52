/** Reads the source tree for the architecture test: files, their imports, and the layers drawn in AGENTS.md. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

/** Folder of the repository. */
export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

/** What package.json exports, each with its file of src/. */
export const ENTRY_POINTS: Record<string, string> = Object.fromEntries(
  Object.entries(JSON.parse(readText("package.json")).exports as Record<string, { default?: string }>)
    .filter(([, target]) => target.default !== undefined)
    .map(([path, target]) => [
      path.replace(/^\./, "agemem"),
      target.default?.replace(/^\.\/dist\//, "").replace(/\.js$/, ".ts") as string,
    ]),
);

export interface SourceFile {
  /** Path below src/, with "/". */
  path: string;
  /** First path segment: a folder of a layer, or a file such as "grpo.ts". */
  unit: string;
  ast: ts.SourceFile;
  lines: number;
  /** Imported files of src/, as paths below it. */
  local: string[];
  /** Those of them that are loaded with the file: not `import type`, which the compiler removes. */
  loaded: string[];
  /** Imported packages and built-ins, as written. */
  packages: string[];
}

/** Parses every TypeScript file below src/. */
export function readSources(): SourceFile[] {
  const src = join(ROOT, "src");
  const slashed = (path: string) => path.split(sep).join("/");
  return readdirSync(src, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => {
      const text = readFileSync(join(src, path), "utf8");
      const ast = ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true);
      const imported = ts.preProcessFile(text, true, true).importedFiles.map((file) => file.fileName);
      const below = (names: string[]) =>
        names
          .filter((name) => name.startsWith("."))
          .map((name) => slashed(relative(src, join(src, dirname(path), name))).replace(/\.js$/, ".ts"));
      return {
        path: slashed(path),
        unit: slashed(path).split("/")[0] as string,
        ast,
        lines: text.trimEnd().split("\n").length,
        local: below(imported),
        loaded: below(staticImports(ast)),
        packages: imported.filter((name) => !name.startsWith(".")),
      };
    });
}

/** Modules whose code a file loads with itself: imports and re-exports that are neither types only nor on demand. */
export function staticImports(ast: ts.SourceFile): string[] {
  return ast.statements.flatMap((statement) => {
    const typeOnly = ts.isImportDeclaration(statement)
      ? statement.importClause?.isTypeOnly
      : ts.isExportDeclaration(statement) && statement.isTypeOnly;
    if (typeOnly || !(ts.isImportDeclaration(statement) || ts.isExportDeclaration(statement))) return [];
    return statement.moduleSpecifier ? [(statement.moduleSpecifier as ts.StringLiteral).text] : [];
  });
}

/** Layer number of each folder or file of src/, as drawn in AGENTS.md; `side` holds the folders beside the layers. */
export function readLayers(): { layers: Map<string, number>; side: Set<string> } {
  const layers = new Map<string, number>();
  const side = new Set<string>();
  for (const line of readText("AGENTS.md").split("\n")) {
    const level = line.match(/^L(\d)\s/)?.[1];
    if (level === undefined) continue;
    const [inside = "", beside = ""] = line.split("side:");
    for (const unit of namedUnits(inside)) layers.set(unit, Number(level));
    for (const unit of namedUnits(beside)) side.add(unit);
  }
  return { layers, side };
}

function namedUnits(text: string): string[] {
  return [...text.matchAll(/(?<![\w./-])([a-z][a-z-]*)(\/|\.ts)(?![\w./])/g)].map((match) =>
    match[2] === "/" ? (match[1] as string) : `${match[1]}.ts`,
  );
}

/** Names that a file exports by declaring them; what it passes on from other files is theirs. */
export function declaredExports(ast: ts.SourceFile): string[] {
  return ast.statements.flatMap((statement) => {
    const exported =
      ts.canHaveModifiers(statement) &&
      ts.getModifiers(statement)?.some((each) => each.kind === ts.SyntaxKind.ExportKeyword);
    if (!exported) return [];
    if (ts.isVariableStatement(statement)) {
      return statement.declarationList.declarations.flatMap(({ name }) =>
        ts.isIdentifier(name) ? [name.text] : [],
      );
    }
    const { name } = statement as ts.DeclarationStatement;
    return name ? [name.text] : [];
  });
}

/** Whether a file declares a function, method or accessor of this name, at any depth; a class may precede it, `A.b`. */
export function declaresFunction(ast: ts.SourceFile, name: string): boolean {
  const [method, owner] = name.split(".").reverse() as [string, string | undefined];
  const named = (node: ts.Node & { name?: ts.Node | undefined }) => node.name?.getText(ast) === method;
  const within = (node: ts.Node): boolean => {
    if (owner === undefined) return true;
    for (let at: ts.Node | undefined = node.parent; at; at = at.parent) {
      if ((ts.isClassLike(at) || ts.isInterfaceDeclaration(at)) && at.name?.text === owner) return true;
      if (ts.isVariableDeclaration(at) && at.name.getText(ast) === owner) return true;
    }
    return false;
  };
  const declares = (node: ts.Node): boolean => {
    if (ts.isFunctionDeclaration(node) || ts.isMethodDeclaration(node) || ts.isAccessor(node))
      return named(node);
    const holds =
      ts.isVariableDeclaration(node) || ts.isPropertyDeclaration(node) || ts.isPropertyAssignment(node);
    const value = holds ? node.initializer : undefined;
    return (
      holds &&
      value !== undefined &&
      named(node) &&
      (ts.isArrowFunction(value) || ts.isFunctionExpression(value))
    );
  };
  return [...walk(ast)].some((node) => declares(node) && within(node));
}

/** Items by key, in the order of their first one. */
export function groupBy<T>(items: Iterable<T>, keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}

/** Every node of a tree, parents first. */
export function* walk(node: ts.Node): Generator<ts.Node> {
  yield node;
  for (const child of node.getChildren()) yield* walk(child);
}

/** Text of a file of the repository; a missing one is an error that names it. */
export function readText(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** Files under version control, and new ones that are not ignored. */
export function repositoryFiles(): string[] {
  const args = ["ls-files", "--cached", "--others", "--exclude-standard"];
  const out = execFileSync("git", args, { cwd: ROOT, encoding: "utf8" });
  return [...new Set(out.split("\n"))].filter((path) => path !== "" && existsSync(join(ROOT, path)));
}

/** All names an entry point exports, types included, read from the source without building it. */
export function exportedNames(entry: string): Set<string> {
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    noLib: true,
    types: [],
  };
  const host = ts.createCompilerHost(options, true);
  // Names of the package's own files are enough; not following packages makes this fast.
  host.resolveModuleNameLiterals = (literals, containingFile) =>
    literals.map((literal) => ({
      resolvedModule: literal.text.startsWith(".")
        ? ts.resolveModuleName(literal.text, containingFile, options, host).resolvedModule
        : undefined,
    }));
  const path = join(ROOT, "src", entry);
  const program = ts.createProgram([path], options, host);
  const source = program.getSourceFile(path);
  const symbol = source && program.getTypeChecker().getSymbolAtLocation(source);
  if (!symbol) throw new Error(`src/${entry} is missing or exports nothing`);
  return new Set(
    program
      .getTypeChecker()
      .getExportsOfModule(symbol)
      .map((each) => each.name),
  );
}

/** A fenced code block of a Markdown file. */
export interface CodeBlock {
  file: string;
  line: number;
  language: string;
  /** Name given by a comment `<!-- snippet: name -->` right before the fence. */
  snippet: string | undefined;
  code: string;
}

/** Fenced code blocks of a Markdown file. */
export function codeBlocks(file: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  const lines = readText(file).split("\n");
  for (let i = 0; i < lines.length; i++) {
    const fence = lines[i]?.match(/^(```+)(\w*)/);
    if (!fence) continue;
    const start = i + 1;
    while (++i < lines.length && !lines[i]?.startsWith(fence[1] as string));
    const before = lines.slice(0, start - 1).findLast((line) => line.trim() !== "");
    blocks.push({
      file,
      line: start,
      language: fence[2] as string,
      snippet: before?.match(/^<!-- snippet: ([\w-]+) -->$/)?.[1],
      code: lines.slice(start, i).join("\n"),
    });
  }
  return blocks;
}
