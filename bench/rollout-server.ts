/** The model server of `bench/rollout.ts`, in a process of its own: answers after 50 ms, always the same. */
import { startOpenAIServer } from "../src/testing/openai-server.js";

const DELAY_MS = 50;

const server = await startOpenAIServer(({ messages = [] }) => {
  const last = messages.findLast((message) => message.role === "user");
  const told = String(last?.content ?? "").split("\n\n")[0] ?? "";
  if (told.endsWith("?")) return { content: "Porto", delayMs: DELAY_MS };
  return { tool_calls: [{ name: "Add_memory", args: { content: told } }], delayMs: DELAY_MS };
});
console.log(server.url);
// Ends with the process that started it.
process.stdin.resume().on("end", () => process.exit(0));
