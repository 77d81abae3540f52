/** `--weight name=number`: single weights of a reward over those of its preset. */
import { InputError } from "../errors.js";
import type { RewardWeights } from "../rewards/reward.js";

const TERMS = ["task", "context", "memory", "tool", "penalty"] as const;
const PARTS = ["alpha", "beta"] as const;

export const WEIGHT_HELP = `one weight over the preset, repeatable: ${TERMS.join(", ")}=N; ${PARTS.join(", ")}=N,N,N`;

/** Adds one option to the earlier ones. Errors: `AGEMEM_INPUT_ARGUMENT`. */
export function addWeight(text: string, earlier: Partial<RewardWeights>): Partial<RewardWeights> {
  const [name, value, ...rest] = text.split("=");
  const figures = (value ?? "").split(",");
  const numbers = figures.map(Number);
  const readable =
    rest.length === 0 && figures.every((figure) => figure.trim()) && numbers.every(Number.isFinite);
  const term = TERMS.find((each) => each === name);
  const part = PARTS.find((each) => each === name);
  if (term && readable && numbers.length === 1) return { ...earlier, [term]: numbers[0] };
  if (part && readable && numbers.length === 3) return { ...earlier, [part]: numbers };
  throw new InputError("AGEMEM_INPUT_ARGUMENT", `--weight ${text} is not NAME=NUMBER`, {
    remedy: `Give one of ${TERMS.join(", ")}, such as task=1, or the three figures of ${PARTS.join(" or ")}, such as alpha=0.5,0.5,0.`,
  });
}
