/**
 * The order of the offline policy's rules, and the decision for one call.
 */
import type { Random } from "../../lib/random.js";
import { actingRule } from "./acting-rule.js";
import { type Action, choose, feasible, made, type Rule, type Situation } from "./action.js";
import { gatherRule, replyRule, settleRule, statementsNow } from "./chat-rule.js";
import { backgroundRule, overflowRule, pasteRule } from "./context-rules.js";
import { noteRule } from "./note-rule.js";
import { answerRule, hopRule } from "./question-rules.js";
import { composeReply } from "./reply.js";
import { toldLineRule } from "./told-line-rule.js";
import { toldRule } from "./told-rule.js";

/** The first rule that applies decides. */
const RULES: readonly Rule[] = [
  toldLineRule,
  pasteRule,
  backgroundRule,
  overflowRule,
  noteRule,
  toldRule,
  gatherRule,
  hopRule,
  settleRule,
];

/** After this many responses to one user message the policy answers, whatever is left to do. */
const MAX_RESPONSES = 8;

/** What to do next. Deterministic in the situation, the temperature and the random source. */
export function decide(situation: Situation, temperature: number, random: Random): Action {
  const { view } = situation;
  // A game has its own limit of steps.
  const move = choose(feasible(situation, actingRule(situation)), temperature, random);
  if (move) return move;
  const mayAct =
    view.userText !== "" && !view.lastStep && view.responses < MAX_RESPONSES && !allFailing(situation);
  if (mayAct) {
    for (const rule of RULES) {
      const action = choose(feasible(situation, rule(situation)), temperature, random);
      if (action) return action;
    }
    const last = [...answerRule(situation), ...replyRule(situation)];
    const action = choose(feasible(situation, last), temperature, random);
    if (action) return action;
  }
  return { thought: "I answer now.", answer: composeReply(situation, statementsNow(situation)) };
}

/** Three failed calls and no good one: trying further would only repeat the failure. */
function allFailing(situation: Situation): boolean {
  const failed = situation.view.calls.filter((call) => call.ok === false).length;
  return failed >= 6 && made(situation, "RETRIEVE").every((call) => !call.ok);
}
