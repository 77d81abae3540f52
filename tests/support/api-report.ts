/**
 * The public surface as text: per entry point, every export with its declaration, as the compiler writes it.
 *
 * Owns the reports in `api/`. `npm run api` writes them; `tests/api.test.ts` compares. Comments, private members and
 * what `@internal` marks are left out.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import ts from "typescript";
import { ENTRY_POINTS, ROOT } from "./source-tree.js";

/** Path of an entry point's report: "agemem/training" is in `api/agemem.training.api.md`. */
export const reportPath = (name: string): string => `api/${name.replace("/", ".")}.api.md`;

/** Report of each entry point, by its path. */
export function apiReports(entries = ENTRY_POINTS): Map<string, string> {
  const { program, declarations } = emitDeclarations(
    Object.values(entries).map((file) => join(ROOT, "src", file)),
  );
  return new Map(
    Object.entries(entries).map(([name, file]) => {
      const exports = exportsOf(program, join(ROOT, "src", file), declarations);
      const head = `# ${name}\n\n${exports.length} exports. Written by \`npm run api\`; a change here is a change of the API.\n`;
      return [reportPath(name), [head, ...exports, ""].join("\n")];
    }),
  );
}

function emitDeclarations(files: string[]): {
  program: ts.Program;
  declarations: Map<string, ts.SourceFile>;
} {
  const config = ts.getParsedCommandLineOfConfigFile(
    join(ROOT, "tsconfig.build.json"),
    {},
    {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: ({ messageText }) => {
        throw new Error(ts.flattenDiagnosticMessageText(messageText, "\n"));
      },
    },
  );
  const options = {
    ...config?.options,
    emitDeclarationOnly: true,
    declarationMap: false,
    sourceMap: false,
    noCheck: true,
  };
  const program = ts.createProgram(files, options);
  const declarations = new Map<string, ts.SourceFile>();
  program.emit(undefined, (path, text, _mark, _onError, from) => {
    const source = from?.[0]?.fileName;
    if (source) declarations.set(source, ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true));
  });
  return { program, declarations };
}

/** `### name` sections with the declarations of an entry point's exports, by name. */
function exportsOf(program: ts.Program, entry: string, declarations: Map<string, ts.SourceFile>): string[] {
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(entry);
  const module = source && checker.getSymbolAtLocation(source);
  if (!module) throw new Error(`${relative(ROOT, entry)} is missing or exports nothing`);
  const printer = ts.createPrinter({ removeComments: true });
  return checker
    .getExportsOfModule(module)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((symbol) => {
      const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
      const files = new Set((target.declarations ?? []).map((each) => each.getSourceFile().fileName));
      const texts = [...files].flatMap((file) => {
        const declared = declarations.get(file);
        if (!declared) return [`// of ${file.replace(/^.*\/node_modules\//, "")}`];
        return declared.statements
          .filter((statement) => declares(statement, target.name))
          .map((statement) => printer.printNode(ts.EmitHint.Unspecified, publicPart(statement), declared));
      });
      return `### ${symbol.name}\n\n\`\`\`ts\n${texts.join("\n").replaceAll(/^export (declare )?/gm, "")}\n\`\`\`\n`;
    });
}

function declares(statement: ts.Statement, name: string): boolean {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.some((each) => each.name.getText() === name);
  }
  return (statement as ts.DeclarationStatement).name?.text === name;
}

/** A class without its private members. */
function publicPart(statement: ts.Statement): ts.Statement {
  if (!ts.isClassDeclaration(statement)) return statement;
  const isPrivate = (member: ts.ClassElement) =>
    (member.name && ts.isPrivateIdentifier(member.name)) ||
    (ts.canHaveModifiers(member) &&
      ts.getModifiers(member)?.some((each) => each.kind === ts.SyntaxKind.PrivateKeyword));
  const { modifiers, name, typeParameters, heritageClauses, members } = statement;
  const kept = members.filter((member) => !isPrivate(member));
  return ts.factory.updateClassDeclaration(statement, modifiers, name, typeParameters, heritageClauses, kept);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  mkdirSync(join(ROOT, "api"), { recursive: true });
  for (const [path, text] of apiReports()) {
    writeFileSync(join(ROOT, path), text);
    console.log(`${path}: ${text.match(/^(\d+) exports/m)?.[1]} exports`);
  }
}
