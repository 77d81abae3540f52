/** Provider tool calling: tools are bound to the model, calls come back parsed. */
import type { AIMessage } from "@langchain/core/messages";
import { ConfigError } from "../../errors.js";
import { withIds } from "../calls.js";
import type { AgentProtocol, ModelTurn, ProtocolOptions } from "../protocol.js";

/** @throws ConfigError `AGEMEM_CONFIG_INVALID` when the model cannot bind tools. */
export function nativeProtocol({ model, ask, tools, schemas }: ProtocolOptions): AgentProtocol {
  if (!model.bindTools) {
    throw new ConfigError("AGEMEM_CONFIG_INVALID", `${model._llmType()} has no native tool calling`, {
      remedy: 'Use protocol: "text".',
    });
  }
  const acting = model.bindTools([...tools]);
  const answering = model.bindTools([...tools], { tool_choice: "none" });
  return {
    name: "native",
    systemSuffix: undefined,
    sentTools: schemas,
    call: (messages, config, { lastStep }) => ask(lastStep ? answering : acting, messages, config),
    read,
  };
}

/** Calls whose arguments are not JSON arrive in `invalid_tool_calls`; they are a format error, and nothing runs. */
function read(response: AIMessage): ModelTurn {
  const calls = response.tool_calls ?? [];
  const invalid = response.invalid_tool_calls ?? [];
  if (invalid.length > 0) {
    const names = invalid.map((call) => call.name ?? "?").join(", ");
    return { message: response, answer: null, formatError: `the arguments of ${names} are not JSON` };
  }
  if (calls.length > 0) {
    response.tool_calls = withIds(calls, response.id);
    return { message: response, answer: null };
  }
  const text = response.text.trim();
  return text
    ? { message: response, answer: text }
    : { message: response, answer: null, formatError: "it has neither tool calls nor text" };
}
