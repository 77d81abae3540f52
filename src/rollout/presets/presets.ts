/**
 * Complete recipes of a run: what the three stages show, how long each may last, the reward and the advantages.
 *
 * Owns their figures. A setting given beside a preset wins. Leaves out how the messages are made (`messages.ts`).
 */
import type { AdvantagePreset } from "../../grpo.js";
import type { RewardOptions } from "../../rewards/reward.js";

/** What a preset sets; the names are those of the options. */
interface PresetSettings {
  maxTurns: number;
  messageRounds: number;
  earlyAnswer: "stage" | "message";
  told: "passages" | "together";
  introspection: boolean;
  maxDistractors: number;
  reward: RewardOptions;
  advantage: AdvantagePreset;
}

const NO_LIMIT = Number.MAX_SAFE_INTEGER;

/**
 * - `paper`: AgeMem, alg. 3-5 and appendix A.2.
 * - `official`: the recipe of the authors' released code: all passages in one message, three lines of small talk, up to
 *   five rounds per message, its reward, advantages over samples.
 * - `agemem`: the paper's, with a plain reply ending only its message's calls, and with the reward whose shortcuts are
 *   closed.
 */
export const ROLLOUT_PRESETS = {
  paper: {
    maxTurns: 10,
    messageRounds: 1,
    earlyAnswer: "stage",
    told: "passages",
    introspection: true,
    maxDistractors: NO_LIMIT,
    reward: { preset: "paper" },
    advantage: "agemem",
  },
  official: {
    maxTurns: 5,
    messageRounds: 5,
    earlyAnswer: "message",
    told: "together",
    introspection: false,
    maxDistractors: 3,
    reward: { preset: "official" },
    advantage: "official",
  },
  agemem: {
    maxTurns: 10,
    messageRounds: 1,
    earlyAnswer: "message",
    told: "passages",
    introspection: true,
    maxDistractors: NO_LIMIT,
    reward: { preset: "agemem" },
    advantage: "agemem",
  },
} as const satisfies Record<string, PresetSettings>;

export type RolloutPreset = keyof typeof ROLLOUT_PRESETS;
