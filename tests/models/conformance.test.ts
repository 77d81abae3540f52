import { ScriptedChatModel } from "../../src/testing/scripted-model.js";
import { chatModelConformance } from "../support/chat-model-conformance.js";

const call = {
  tool_calls: [{ name: "add_memory", args: { content: "Ada lives in Oslo", memory_type: "fact" } }],
};

chatModelConformance("scripted", {
  text: () => new ScriptedChatModel(["It is Oslo."]),
  calling: (tools) => new ScriptedChatModel([call]).bindTools(tools),
  usage: false,
  aborts: false,
});
