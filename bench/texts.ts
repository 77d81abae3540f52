/**
 * Real texts for measuring search: turns, sentences and neighboring sentences of LoCoMo, HotpotQA, LongMemEval and
 * ALFWorld's tasks, and as queries the questions that people asked about them, which are stored nowhere.
 *
 * Owns reading the files and cutting them into distinct texts. Leaves out embedding (`embedded.ts`). The folder is
 * `--data`, else `AGEMEM_BENCH_DATA`, else `../shared/data`.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readJson } from "../src/lib/jsonl.js";
import { createRandom } from "../src/lib/random.js";

/** Texts to store, in an order that mixes the sources, and texts to search with. */
export interface Texts {
  stored: string[];
  queries: string[];
}

interface LoCoMo {
  conversation: Record<string, unknown>;
  qa: { question: string }[];
}
interface Hotpot {
  question: string;
  context: [string, string[]][];
}
interface Session {
  question?: string;
  messages?: { content: string }[];
}

/** The folder with the data, or null where there is none. */
export function dataFolder(given?: string): string | null {
  const folder =
    given ?? process.env.AGEMEM_BENCH_DATA ?? fileURLToPath(new URL("../../shared/data", import.meta.url));
  return existsSync(join(folder, "locomo_conv1-5.json")) ? folder : null;
}

/** All distinct texts of a folder. */
export async function readTexts(folder: string): Promise<Texts> {
  const [stored, asked] = [new Set<string>(), new Set<string>()];
  const passages: string[][] = [];
  for (const { conversation, qa } of (await readJson(join(folder, "locomo_conv1-5.json"))) as LoCoMo[]) {
    for (const { question } of qa) asked.add(question);
    for (const [key, turns] of Object.entries(conversation)) {
      if (!/^session_\d+$/.test(key) || !Array.isArray(turns)) continue;
      for (const { speaker, text } of turns as { speaker: string; text: string }[]) {
        stored.add(`${speaker}: ${text}`);
        passages.push(sentences(text));
      }
    }
  }
  for (const { question, context } of (await readJson(join(folder, "hotpotqa_train_100.json"))) as Hotpot[]) {
    asked.add(question);
    for (const [title, lines] of context) {
      passages.push(lines.map((line) => line.trim()));
      for (const line of lines) stored.add(`${title}: ${line.trim()}`);
    }
  }
  for (const file of ["source_input.jsonl", "target.jsonl"]) {
    for (const { question, messages = [] } of await lines(join(folder, "longmemeval", file))) {
      if (question) asked.add(question);
      for (const { content } of messages) passages.push(sentences(content));
    }
  }
  for (const file of ["valid_train.tgz", "valid_unseen.tgz"]) {
    for (const text of games(join(folder, "alfworld", file))) passages.push(sentences(text));
  }
  for (const passage of passages) for (const text of windows(passage)) stored.add(text);
  for (const passage of passages)
    for (const line of passage) for (const text of clauses(line)) stored.add(text);
  for (const question of asked) stored.delete(question);
  const random = createRandom("texts");
  return { stored: random.shuffle([...stored]), queries: random.shuffle([...asked]) };
}

async function lines(path: string): Promise<Session[]> {
  const { readFile } = await import("node:fs/promises");
  return (await readFile(path, "utf8"))
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Session);
}

/** What an agent is to do and does in ALFWorld's games, game by game. */
function games(archive: string): string[] {
  const out = execFileSync("tar", ["xzOf", archive, "--wildcards", "*.tw-pddl"], { maxBuffer: 2 ** 30 });
  return out
    .toString("utf8")
    .split('{"pddl_domain"')
    .slice(1)
    .map((game) => {
      const task = /Your task is to: ([^"\\]+)/.exec(game)?.[1] ?? "";
      const steps = [...(/"walkthrough": \[([^\]]*)\]/.exec(game)?.[1]?.matchAll(/"([^"]+)"/g) ?? [])];
      return [task, ...steps.map(([, step]) => `To ${task.replace(/\.$/, "")}: ${step}.`)].join("\n");
    });
}

function sentences(text: string): string[] {
  return text
    .split(/(?<=[.!?])\s+|\n+/)
    .map((one) => one.replace(/\s+/g, " ").trim())
    .filter((one) => one.length >= 12);
}

/** Clauses of a sentence, for short facts. */
function clauses(line: string): string[] {
  return line.split(/[,;:]\s+/).filter((one) => one.length >= 20 && one.length < line.length);
}

/** Sentences, and two to eight neighbors together, as a memory or a chunk of a document holds them. */
function windows(passage: readonly string[]): string[] {
  const out: string[] = [];
  for (let width = 1; width <= 8; width++) {
    for (let at = 0; at + width <= passage.length; at++) {
      out.push(
        passage
          .slice(at, at + width)
          .join(" ")
          .slice(0, 400),
      );
    }
  }
  return out;
}
