/** Composes the terms of a reward from their parts. Pure. */
import { type PartsByName, type PartWeights, type RewardPart, weigh } from "../scoring.js";

type Three = [RewardPart, RewardPart, RewardPart];

/** The parts of a reward, not yet summed. */
interface Parts {
  task: RewardPart;
  /** compression, preventive, preservation */
  context: Three;
  /** storage, maintenance, relevance */
  memory: Three;
  /** rounds, tokens */
  penalty: [RewardPart, RewardPart];
}

/** All parts by name, including the sums of composed terms. */
export function composed({ alpha, beta }: PartWeights, parts: Parts): PartsByName<RewardPart> {
  const [compression, preventive, preservation] = parts.context;
  const [storage, maintenance, relevance] = parts.memory;
  const [rounds, tokens] = parts.penalty;
  return {
    task: parts.task,
    context: weigh(parts.context, alpha, "alpha-weighted sum of compression, preventive, preservation"),
    "context.compression": compression,
    "context.preventive": preventive,
    "context.preservation": preservation,
    memory: weigh(parts.memory, beta, "beta-weighted sum of storage, maintenance, relevance"),
    "memory.storage": storage,
    "memory.maintenance": maintenance,
    "memory.relevance": relevance,
    penalty: weigh(parts.penalty, [1, 1], "sum of both penalties"),
    "penalty.rounds": rounds,
    "penalty.tokens": tokens,
  };
}
