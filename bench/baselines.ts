/**
 * What each compared memory costs and keeps: every one is shown the same conversations, and asked their questions.
 *
 * `npm run bench -- baselines --data locomo.json [--conversations 10] [--turns 20] [--questions 3] [--systems mem0,langmem]
 * [--model gguf:FILE] [--embeddings hf:FOLDER]`. A conversation is the first turns of one LoCoMo session. Without `--model` a script
 * stands in for the model: it keeps the first eight turns of twelve words or more, adds and never changes, draws no graph, and
 * links A-Mem's notes to their nearest; agemem acts by its rules.
 * Calls and prompts are then real, what is stored follows from the script, and nothing is said of quality. Prints, for each memory:
 * model calls, tokens, memories kept, failures, and the recalled memories' tokens.
 */
import { parseArgs } from "node:util";
import { openSystem, SYSTEM_NAMES, type SystemParts } from "../src/evaluation/systems/by-name.js";
import {
  combineUsage,
  type MemorySystem,
  NO_USAGE,
  type ObservedMessage,
} from "../src/evaluation/systems/memory-system.js";
import { type ChatBody, ModelProxy } from "../src/evaluation/systems/model-proxy.js";
import { PEERS, startPeer } from "../src/evaluation/systems/peers.js";
import { modelBackend, type ProxyReply, scriptedBackend } from "../src/evaluation/systems/proxy-backends.js";
import { readJson } from "../src/lib/jsonl.js";
import { resolveChatModel } from "../src/models/chat-model.js";
import { resolveEmbeddings } from "../src/models/embeddings.js";
import { counterOf, tokenCounter } from "../src/models/tokens.js";
import { OfflinePolicy } from "../src/offline/policy.js";
import type { TokenCounter } from "../src/types.js";

/** Without the systems that differ only in how they answer, which is not asked here. */
const OWN = ["no-memory", "full-context", "keyword", "rag", "rag-hybrid", "agemem", "agemem-rag"];

interface Conversation {
  messages: ObservedMessage[];
  questions: string[];
}

/** Shows every memory the conversations; the last line is a table's rows. */
export async function run(args: string[]): Promise<unknown> {
  const { values } = parseArgs({
    args,
    options: {
      data: { type: "string" },
      conversations: { type: "string", default: "10" },
      turns: { type: "string", default: "20" },
      questions: { type: "string", default: "3" },
      systems: {
        type: "string",
        default: [...OWN, ...Object.keys(PEERS)].join(","),
      },
      model: { type: "string" },
      embeddings: { type: "string" },
    },
  });
  if (!values.data) throw new TypeError("Name LoCoMo's file: --data locomo.json");
  const [conversations, turns, questions] = [values.conversations, values.turns, values.questions].map(
    Number,
  ) as [number, number, number];
  const shown = pick(await readJson(values.data), conversations, turns, questions);
  const index = await resolveEmbeddings(values.embeddings);
  const model = values.model
    ? resolveChatModel(values.model, process.env, { temperature: 0, maxTokens: 200 })
    : undefined;
  const counter = model ? await counterOf(model) : tokenCounter("gpt-4o");
  const parts = { embeddings: index.embeddings, counter };
  const proxy = await ModelProxy.start(
    model ? modelBackend({ model, ...parts }) : scriptedBackend(keepLongTurns, parts),
  );
  const dims = (await index.embeddings.embedQuery("a")).length;
  const rows = [];
  try {
    for (const name of values.systems.split(",")) {
      const { system, stop } = await open(name, {
        proxy,
        dims,
        model: model ?? new OfflinePolicy(),
        index: { embeddings: index.embeddings, embeddingName: index.name },
      });
      try {
        rows.push(await measure(system, shown, counter));
      } finally {
        await system.close();
        await stop();
      }
      console.error(JSON.stringify(rows.at(-1)));
    }
  } finally {
    await proxy.close();
  }
  return {
    model: model?.model ?? "script",
    embeddings: index.name,
    conversations: shown.length,
    turns,
    rows,
  };
}

async function open(
  name: string,
  given: { proxy: ModelProxy; dims: number } & Pick<SystemParts, "model" | "index">,
): Promise<{ system: MemorySystem; stop: () => Promise<void> }> {
  const own = SYSTEM_NAMES.find((each) => each === name);
  if (own) return { system: openSystem(own, given), stop: async () => undefined };
  return startPeer({ name, ...given });
}

/** The first turns of one session each, sessions of several people first. */
function pick(data: unknown, conversations: number, turns: number, questions: number): Conversation[] {
  const samples = data as {
    conversation: Record<string, unknown>;
    qa: { question: string; evidence?: string[] }[];
  }[];
  const all = [1, 2, 3, 4].flatMap((session) =>
    samples.map(({ conversation, qa }) => {
      const said = (conversation[`session_${session}`] ?? []) as {
        speaker: string;
        text: string;
        dia_id: string;
      }[];
      const ids = new Set(said.slice(0, turns).map(({ dia_id: id }) => id));
      return {
        messages: said.slice(0, turns).map(({ speaker, text, dia_id: id }) => ({
          id,
          role: speaker === conversation.speaker_a ? ("user" as const) : ("assistant" as const),
          speaker,
          content: text,
        })),
        questions: qa
          .filter(({ evidence = [] }) => evidence.length > 0 && evidence.every((id) => ids.has(id)))
          .slice(0, questions)
          .map(({ question }) => question),
      };
    }),
  );
  return all.filter(({ questions: asked }) => asked.length > 0).slice(0, conversations);
}

async function measure(system: MemorySystem, shown: Conversation[], counter: TokenCounter) {
  let used = NO_USAGE;
  let [kept, failed, asked, recalled] = [0, 0, 0, 0];
  const examples: string[] = [];
  for (const [at, { messages, questions }] of shown.entries()) {
    await system.reset({ user: `user-${at}` });
    try {
      used = combineUsage(used, await system.observe(messages));
      for (const question of questions) {
        const { memories, usage } = await system.recall(question, { k: 5 });
        used = combineUsage(used, usage);
        recalled += memories.reduce((sum, { text }) => sum + counter.countText(text), 0);
        asked++;
      }
    } catch (error) {
      failed++;
      console.error(system.name, (error as Error).message.slice(0, 200));
    }
    const all = await system.all();
    kept += all.length;
    if (all[0] && examples.length < 3) examples.push(all[0].text.slice(0, 120));
  }
  return {
    system: system.name,
    ...used,
    kept,
    failed,
    tokens_per_recall: asked ? Math.round(recalled / asked) : null,
    examples,
  };
}

/** Facts are the long turns themselves; each memory is answered in the form that its prompts ask for. */
function keepLongTurns({ messages, tools = [] }: ChatBody): ProxyReply {
  const text = messages.map(({ content }) => String(content)).join("\n");
  const names = tools.map((tool) => (tool.function as { name: string }).name);
  if (/smart memory manager/.test(text)) {
    const fenced = text.split("```").map((part) => part.trim());
    const listed = fenced.filter((part) => part.startsWith("[")).at(-1) ?? "[]";
    return JSON.stringify({
      memory: quoted(listed).map((fact, id) => ({ id: `${id}`, text: fact, event: "ADD" })),
    });
  }
  if (/memory evolution agent/.test(text)) return JSON.stringify(linkToNearest(text));
  if (/structured analysis of the following content/.test(text)) {
    const content = text.split("Content for analysis:").at(-1) ?? "";
    const words = [...new Set(content.match(/\b[a-z]{7,}\b/g) ?? [])].slice(0, 3);
    return JSON.stringify({ keywords: words, context: "A conversation.", tags: ["conversation"] });
  }
  const told = text.slice(Math.max(0, text.lastIndexOf("## New Messages")));
  const turns = told
    .split("\n")
    .filter((line) => /^(?:user|assistant|\w+): /.test(line) && line.split(" ").length >= 12);
  const facts = [...new Set(turns)].slice(0, 8).map((line) => line.replace(/["'`]/g, ""));
  if (names.includes("Memory"))
    return { tool_calls: facts.map((content, at) => called("Memory", { content }, at)) };
  if (names.length > 0) return "Nothing to call.";
  const memory = facts.map((fact, id) => ({ id: `${id}`, text: fact, attributed_to: "user" }));
  return JSON.stringify(/Memory Extractor/.test(text) ? { memory } : { facts });
}

/** A-Mem asks which of its neighbors a note belongs to: the first, and no neighbor is rewritten. */
function linkToNearest(text: string): object {
  const nearest = /memory_id:(\S+)/.exec(text)?.[1];
  return {
    should_evolve: nearest !== undefined,
    actions: ["strengthen"],
    suggested_connections: nearest === undefined ? [] : [nearest],
    tags_to_update: ["conversation"],
    new_context_neighborhood: [],
    new_tags_neighborhood: [],
  };
}

function quoted(list: string): string[] {
  return [...list.matchAll(/"([^"]+)"|'([^']+)'/g)].map(([, a, b]) => a ?? b ?? "");
}

function called(name: string, args: object, at: number) {
  return { id: `c${at}`, type: "function", function: { name, arguments: JSON.stringify(args) } };
}
