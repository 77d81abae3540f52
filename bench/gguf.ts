/**
 * A local model answering eight conversations that share system prompt and tools, as K rollouts of a task do: calls per
 * second, prompt tokens that were not read again, and peak memory, by the number of sequences.
 *
 * `npm run bench -- gguf --model FILE` does 1 and 8 sequences, each in a process of its own; `--sequences 4` one of them,
 * `--threads` as llama.cpp has it, `--context` tokens per sequence.
 */
import { execFile } from "node:child_process";
import { parseArgs, promisify } from "node:util";
import { AIMessage, type BaseMessage, HumanMessage, SystemMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { GgufChatModel } from "../src/models/gguf/chat-model.js";
import { systemPrompt, TOOL_DESCRIPTIONS } from "../src/prompts.js";
import { ANNOUNCED_SCHEMAS } from "../src/tools/schemas.js";
import { MEMORY_OPS, PAPER_TOOL_NAMES } from "../src/types.js";

const CONVERSATIONS = 8;
const STEPS = 3;
const PASSAGE =
  "Read this and remember what matters: the museum of Tartu was founded in 1909 and shows the folk art of Estonia. ";

/** One row per number of sequences. */
export async function run(args: string[]): Promise<unknown> {
  const { values } = parseArgs({
    args,
    options: {
      model: { type: "string" },
      sequences: { type: "string" },
      threads: { type: "string", default: "1" },
      context: { type: "string", default: "3072" },
    },
  });
  if (values.model === undefined) throw new TypeError("Name a model file: --model model.gguf");
  if (values.sequences === undefined) return [await inProcess(args, 1), await inProcess(args, 8)];
  return measure(values.model, Number(values.sequences), Number(values.threads), Number(values.context));
}

/** Peak memory is the process's: each number of sequences gets its own. */
async function inProcess(args: readonly string[], sequences: number): Promise<unknown> {
  const own = ["--import", "tsx", "bench/main.ts", "gguf", ...args, "--sequences", `${sequences}`];
  const { stdout } = await promisify(execFile)(process.execPath, own);
  return JSON.parse(stdout.trim().split("\n").at(-1) as string);
}

async function measure(file: string, sequences: number, threads: number, contextSize: number) {
  const settings = { file, threads, contextSize, sequences, maxTokens: 24, recordTokens: true };
  const model = await new GgufChatModel(settings).load();
  const start = { at: performance.now(), cpu: cpuSeconds() };
  await Promise.all(Array.from({ length: CONVERSATIONS }, (_, k) => converse(model, k)));
  const seconds = (performance.now() - start.at) / 1000;
  const cpu = cpuSeconds() - start.cpu;
  const { calls, promptTokens, reusedTokens, responseTokens, copies } = model.engine.stats;
  await model.engine.dispose();
  return {
    sequences,
    threads,
    calls,
    calls_per_second: calls / seconds,
    // On a machine that does other things too, the one to compare.
    calls_per_cpu_second: calls / cpu,
    prompt_tokens: promptTokens,
    reused_share: reusedTokens / promptTokens,
    copies,
    response_tokens: responseTokens,
    peak_mib: Math.round(process.resourceUsage().maxRSS / 1024),
  };
}

async function converse(model: GgufChatModel, k: number): Promise<void> {
  const bound = model.bindTools(
    MEMORY_OPS.map((op) =>
      tool(() => "", {
        name: PAPER_TOOL_NAMES[op],
        description: TOOL_DESCRIPTIONS[op],
        schema: ANNOUNCED_SCHEMAS[op] as never,
      }),
    ),
  );
  const messages: BaseMessage[] = [new SystemMessage(systemPrompt({})), new HumanMessage(PASSAGE.repeat(2))];
  for (let step = 0; step < STEPS; step++) {
    const answer = await bound.invoke(messages, { seed: k * STEPS + step });
    messages.push(new AIMessage(answer.text || "…"), new HumanMessage(`Go on: step ${step}, number ${k}.`));
  }
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
