/** What comments and documents name: files, symbols, links, scripts and commands, and whether they exist. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { codeBlocks, ROOT, readText, repositoryFiles, type SourceFile } from "./source-tree.js";

/** A name in a comment or document, and where it stands. */
export interface Reference {
  name: string;
  where: string;
}

/** Names of programs and documents. Data files (`rollouts.jsonl`) are the reader's; `Node.js` is no file. */
const NAMED_FILE =
  /(?<![\w@*{}$.-]|[\w*}]\/)(?:[\w@-][\w.@-]*\/)*[a-z\d_@-][\w.@-]*\.(?:ts|mts|mjs|cjs|js|py|md|toml|wat|sh)(?![\w-]|\.\w)/g;

/** Files of trainers that comments refer to. */
const OTHER_PROJECTS = /^(trinity\/common|verl\/experimental)\/|^scripts\/setup_verl\.sh$/;

/** Comments of a file, with the line each begins at. */
export function commentsOf(ast: ts.SourceFile): { text: string; line: number }[] {
  const found = new Map<number, string>();
  const note = (ranges: ts.CommentRange[] | undefined) => {
    for (const { pos, end } of ranges ?? []) found.set(pos, ast.text.slice(pos, end));
  };
  const visit = (node: ts.Node): void => {
    note(ts.getLeadingCommentRanges(ast.text, node.getFullStart()));
    note(ts.getTrailingCommentRanges(ast.text, node.getEnd()));
    for (const child of node.getChildren(ast)) visit(child);
  };
  visit(ast);
  return [...found].map(([pos, text]) => ({
    // Code of an example has names of its own.
    text: text
      .replace(/^[ \t]*\*(?!\/)/gm, "")
      .replace(/^\s*```[\s\S]*?^\s*```/gm, "")
      .replace(/@example[\s\S]*?(?=^\s*@|\*\/$)/gm, ""),
    line: ast.getLineAndCharacterOfPosition(pos).line + 1,
  }));
}

/** Programs and documents that a text names: `agent.ts`, `docs/store.md`. Addresses and data files are none. */
export function filesNamedIn(text: string): string[] {
  return [...text.replace(/\bhttps?:\/\/\S+/g, "").matchAll(NAMED_FILE)].map(([name]) => name);
}

/** Whether the repository has a file of this name, or whose path ends with it. */
export function fileFinder(files = repositoryFiles()): (name: string) => boolean {
  const has = (name: string) => files.some((file) => file === name || file.endsWith(`/${name}`));
  return (named) => {
    const name = named.replace(/^\.\//, "");
    // A compiled file stands for its source; LangGraph's own are looked up where they are installed.
    const source = name.replace(/^dist\//, "src/").replace(/\.js$/, ".ts");
    return (
      OTHER_PROJECTS.test(name) ||
      has(name) ||
      has(source) ||
      existsSync(join(ROOT, "node_modules/@langchain/langgraph/dist", name))
    );
  };
}

/** Symbols of `{@link …}` in a comment. */
export function linksIn(text: string): string[] {
  return [...text.matchAll(/\{@link\s+([^}|\s]+)/g)].map(([, name]) => name as string);
}

/** Names of products, formats and other projects' functions, which stand in nobody's code here. */
const PROPER_NAMES = new Set(
  `AgeMem LangGraph LangChain LangSmith LangMem PostgreSQL SQLite TypeScript JavaScript OpenAI GitHub NumPy HotpotQA LoCoMo
  PyTorch DeepSeek AgentBoard ScienceWorld BabyAI AgentGym ALFWorld MemoryAgentBench TextWorld
   MiniLM SmolLM WebAssembly WordPiece SentencePiece DeepMind LongMemEval FlashAttention MemOS OpenAPI ModernBERT
  NodeNext WebSocket macOS pgvector AgentLightning iOS XLNet RoBERTa BERTScore OpenPipe
  compute_grpo_outcome_advantage compute_advantage_for_multi_trajectories group_norm return_meta_info
  ERR_PNPM_IGNORED_BUILDS mergeFrom combineAbortSignals heartbeat_stale_after_s verl.trainer.main_ppo_sync verl.trainer.ppo.v1
  create_manage_memory_tool create_search_memory_tool SummarizationNode summarize_messages create_memory_store_manager
  agentId expirationDate LANGSMITH_ENDPOINT`.split(/\s+/),
);

/**
 * Names in a text that look like symbols of a program: `camelCase`, `PascalCase`, `UPPER_CASE`, `a.b`, `call()` in
 * backticks, and words of several humps without them.
 */
export function symbolsIn(text: string): string[] {
  const inTicks = [...text.matchAll(/`([^`\n]+)`/g)].flatMap(([, span]) =>
    // A call's arguments are an example; its name has to exist.
    /^[A-Za-z_$][\w$]*(\.[A-Za-z_$][\w$]*)*(\(.*\))?$/.test(span as string)
      ? [(span as string).replace(/\(.*$/, "()")]
      : [],
  );
  const bare = text
    .replace(/`[^`]*`/g, "")
    .replace(/\bhttps?:\/\/\S+/g, "")
    .match(/(?<![\w.@/:-])[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]+)+(?![\w-]|\.\w|\/\w)/g);
  const symbols = [...inTicks.filter(isSymbol), ...(bare ?? [])];
  return symbols.filter((name) => !PROPER_NAMES.has(name));
}

const isSymbol = (name: string): boolean =>
  !/\.(ts|mts|mjs|cjs|js|jsonl?|py|md|toml|wat|sh|ya?ml|db|index|node|gz|tgz|gguf|onnx|txt|csv|npy)$/.test(
    name,
  ) &&
  (/[a-z][A-Z]|_|\(\)$/.test(name) || name.includes("."));

/** Identifiers and words of string literals of the repository's programs, tests and comments left out. */
export function readVocabulary(files = repositoryFiles()): Set<string> {
  const words = new Set<string>();
  const add = (text: string): void => {
    for (const [word] of text.matchAll(/[A-Za-z_$][\w$]*/g)) words.add(word);
  };
  for (const path of files) {
    // The Python tests of trainers, here and in the example, are where names of the trainers' own classes come from.
    if (/^tests\/(?!trainers\/.*\.py$)/.test(path)) continue;
    if (/\.(ts|mts|mjs|js)$/.test(path)) add(withoutComments(readText(path)));
    else if (/\.py$/.test(path)) add(readText(path).replace(/^\s*#.*$/gm, ""));
    else if (
      /(^|\/)(package|langgraph[\w.]*|tsconfig[\w.]*)\.json$|^schemas\/|\.(toml|ya?ml|sh|wat)$/.test(path)
    )
      add(readText(path));
  }
  return words;
}

function withoutComments(text: string): string {
  const scanner = ts.createScanner(ts.ScriptTarget.ES2022, true, ts.LanguageVariant.Standard, text);
  const parts: string[] = [];
  for (let kind = scanner.scan(); kind !== ts.SyntaxKind.EndOfFileToken; kind = scanner.scan()) {
    parts.push(scanner.getTokenText());
  }
  return parts.join(" ");
}

/** Whether each part of a dotted name is a word of the code or of a package's declarations. */
export function symbolFinder(vocabulary = readVocabulary()): (name: string) => boolean {
  let external: Set<string> | undefined;
  return (name) =>
    name
      .replace(/\(\)$/, "")
      .split(".")
      .every((part) => {
        if (vocabulary.has(part)) return true;
        external ??= declaredByPackages();
        return external.has(part);
      });
}

/** Words of the declarations of packages that comments and documents refer to. */
function declaredByPackages(): Set<string> {
  const words = new Set<string>();
  const packages = [
    "@langchain/core/dist",
    "@langchain/langgraph/dist",
    "@langchain/langgraph-checkpoint/dist",
    "@langchain/langgraph-checkpoint-postgres/dist",
    "@langchain/langgraph-sdk/dist",
    "@langchain/openai/dist",
    "langchain/dist",
    "langsmith/dist",
    "@types/node",
    "@types/better-sqlite3",
    "undici-types",
    "typescript/lib",
  ];
  for (const name of packages) {
    const folder = join(ROOT, "node_modules", name);
    if (!existsSync(folder)) continue;
    for (const path of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
      if (!path.endsWith(".d.ts")) continue;
      for (const [word] of readFileSync(join(folder, path), "utf8").matchAll(/[A-Za-z_$][\w$]*/g))
        words.add(word);
    }
  }
  return words;
}

/** Text of a document without its fenced blocks. */
export function proseOf(path: string): string {
  return readText(path).replace(/^(```+)[\s\S]*?^\1$/gm, "");
}

/** Command lines of a document: those of its shell blocks, continued lines joined, and inline ones in backticks. */
export function commandLines(path: string): Reference[] {
  const blocks = codeBlocks(path)
    .filter(({ language }) => ["bash", "sh", "shell", "console"].includes(language))
    .flatMap(({ code, line }) =>
      code
        .replace(/\\\n\s*/g, " ")
        .split("\n")
        .map((text) => ({ name: text.replace(/(^|\s)#.*$/, ""), where: `${path}:${line}` })),
    );
  const inline = [...proseOf(path).matchAll(/`([^`]+)`/g)].map(([, span]) => ({
    name: (span as string).replace(/\s*\n\s*/g, " "),
    where: path,
  }));
  return [...blocks, ...inline];
}

/** References of every comment of src/. */
export function commentReferences(sources: SourceFile[], find: (text: string) => string[]): Reference[] {
  return sources.flatMap((file) =>
    commentsOf(file.ast).flatMap(({ text, line }) =>
      find(text).map((name) => ({ name, where: `src/${file.path}:${line}` })),
    ),
  );
}
