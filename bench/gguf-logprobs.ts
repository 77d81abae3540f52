/**
 * What a local model says of its own tokens, for another program to check: prompt ids, response ids and log-probabilities.
 *
 * `npm run -s bench -- gguf-logprobs --model FILE --out FILE` has the model answer six prompts at temperature 1 (seeded) and
 * writes one JSON line for each. `python scripts/models/compare_logprobs.py MODEL.gguf FILE` compares them with transformers
 * on the same weights.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { AIMessage, type BaseMessage, HumanMessage, SystemMessage } from "@langchain/core/messages";
import { GgufChatModel } from "../src/models/gguf/chat-model.js";
import { systemPrompt } from "../src/prompts.js";
import { extractTokens } from "../src/trajectory/token-ids.js";

const PROMPTS: BaseMessage[][] = [
  [new HumanMessage("What is the capital of Norway, and what is it known for?")],
  [new SystemMessage("You are brief."), new HumanMessage("Name three rivers of Europe.")],
  [new HumanMessage('Write {"city": "Oslo"} as YAML, then say "naïve café 🚲" in French.')],
  [
    new HumanMessage("My name is Ada. I live in Tartu."),
    new AIMessage("Nice to meet you, Ada."),
    new HumanMessage("Where do I live?"),
  ],
  [new HumanMessage("Count from 1 to 40, with commas.")],
  [
    new SystemMessage(systemPrompt({})),
    new HumanMessage("I moved from Bergen to Oslo in March. Please remember it."),
  ],
];

/** The number of responses and tokens written. */
export async function run(args: string[]): Promise<Record<string, number>> {
  const { values } = parseArgs({
    args,
    options: {
      model: { type: "string" },
      out: { type: "string" },
      "max-tokens": { type: "string", default: "110" },
    },
  });
  const { model: file, out } = values;
  if (file === undefined || out === undefined)
    throw new TypeError("Name --model model.gguf and --out file.jsonl");
  const settings = { file, threads: 1, contextSize: 3072, temperature: 1, recordTokens: true };
  const model = await new GgufChatModel({ ...settings, maxTokens: Number(values["max-tokens"]) }).load();
  const lines: string[] = [];
  let tokens = 0;
  for (const [seed, prompt] of PROMPTS.entries()) {
    const answer = await model.with({ seed }).invoke(prompt);
    const recorded = extractTokens({ raw: answer.additional_kwargs.__raw_response });
    lines.push(JSON.stringify({ ...recorded, text: answer.text }));
    tokens += recorded.responseTokenIds?.length ?? 0;
  }
  await model.engine.dispose();
  writeFileSync(out, `${lines.join("\n")}\n`);
  return { responses: lines.length, tokens };
}
