/**
 * The agents of the stages: as a plain loop, or as the deployed graph.
 *
 * Owns the choice between the two, and sets up a model that many rollouts share only once. Both behave alike
 * (`tests/rollout/driver/loop.test.ts`); tracers need the graph, because they read LangChain's run trees.
 */
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { createAgeMemAgent } from "../../agent/agent.js";
import type { VersionedStore } from "../../types.js";
import { withSignal } from "../deadline.js";
import type { RolloutSettings } from "../settings.js";
import type { AgentDriver } from "./agent-driver.js";
import { createAgentLoop } from "./loop.js";

/** The agents of one run. */
export class StageAgents {
  private readonly loops = new WeakMap<BaseChatModel, AgentDriver>();

  constructor(private readonly settings: RolloutSettings) {}

  /** The agent of one rollout, which calls `model` and writes to `store`. */
  of(model: BaseChatModel, store: VersionedStore): AgentDriver {
    return (this.settings.driver ?? defaultDriver()) === "loop"
      ? this.loop(model, store)
      : this.graph(model, store);
  }

  private loop(model: BaseChatModel, store: VersionedStore): AgentDriver {
    const loop =
      this.loops.get(model) ?? createAgentLoop({ ...this.shared(model), store: this.settings.store });
    this.loops.set(model, loop);
    return { invoke: (input, run) => loop.invoke(input, { ...run, store }) };
  }

  private graph(model: BaseChatModel, store: VersionedStore): AgentDriver {
    const graph = createAgeMemAgent({ ...this.shared(model), store });
    return {
      invoke: (input, { signal, ...run } = {}) => {
        const recursionLimit = 3 * (run.context?.max_steps ?? this.settings.maxTurns) + 10;
        return withSignal(signal, (own) => graph.invoke(input, { ...run, recursionLimit, signal: own }));
      },
    };
  }

  private shared(model: BaseChatModel) {
    const {
      budget,
      topK,
      searchMode,
      counter,
      protocol,
      think,
      promptVariant,
      operations,
      embeddings,
      summarizer,
    } = this.settings;
    return {
      model,
      budget,
      topK,
      ...(searchMode ? { searchMode } : {}),
      counter,
      protocol,
      ...(think ? { think } : {}),
      promptVariant,
      operations,
      onOverflow: "record" as const,
      ...(embeddings ? { embeddings } : {}),
      ...(summarizer ? { summarizer } : {}),
    };
  }
}

/** The variables by which LangChain decides whether to trace. */
const TRACING = ["LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING", "LANGCHAIN_TRACING"];

function defaultDriver(): "loop" | "graph" {
  return TRACING.some((name) => process.env[name] === "true") ? "graph" : "loop";
}
