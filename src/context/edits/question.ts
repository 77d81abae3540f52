/**
 * Tells what a user asks, which must survive a filter, from what a user only supplies (a pasted page, a remark).
 *
 * Owns this rule, which is lexical: a question mark of any script, or the words people ask with in some widely spoken
 * languages. If in doubt it keeps the passage. Pure.
 */
import { stripEnd } from "../../text/text.js";
import { segmentText } from "../segments.js";

const QUESTION_MARK = /[?？؟՞፧⸮\u037e]/u;
const CLOSING = /[\s"'”’»)\]*_.!…]/u;
/** Asking words at the start of a passage, after at most two greetings or list marks. */
const ASKS_FIRST =
  /^(?:(?:hi|hello|hey|ok|okay|so|and|then|now|but)[\s,!.:-]{1,5}|[-*•\d.)\s]{1,6}){0,2}(?:what|who|whose|whom|when|where|why|how|which|please|tell|give|list|explain|summari[sz]e|sum up|write|rewrite|help|show|find|compare|translate|describe|answer|draft|plan|recommend|suggest|remind|remember|forget|save|store|delete|update|check|fix|calculate|compute|extract|analy[sz]e|was|wer|wann|wo|warum|wie|welche[rsnm]?|fasse|nenne|erkläre|übersetze|quel(?:le)?s?|qui|quand|où|pourquoi|comment|combien|résume|explique|qué|quién|cuándo|dónde|cómo|cuánto|resume|explica|chi|quando|dove|perché|come|riassumi|spiega)(?![\p{L}\p{M}\p{N}])/iu;
const ASKS_ANYWHERE =
  /(?<![\p{L}\p{M}\p{N}])(?:please|can you|could you|would you|will you|do you|i(?:['’]d| would) like|i want|i need|let me know|bitte|kannst du|können sie|ich möchte|s['’]il (?:te|vous) pla[iî]t|peux-tu|pouvez-vous|je voudrais|por favor|puedes|quiero|per favore|puoi|vorrei)(?![\p{L}\p{M}\p{N}])|请|請|吗|呢|ください|お願い|ですか|ますか|까요|주세요/iu;

/**
 * Whether a passage asks for something.
 *
 * @example
 * asks("Please sum this up."); // true
 * asks("Quantum computers use qubits."); // false
 */
export function asks(passage: string): boolean {
  if (QUESTION_MARK.test(stripEnd(passage, CLOSING).slice(-1))) return true;
  return ASKS_FIRST.test(passage) || ASKS_ANYWHERE.test(passage);
}

/** Whether any passage of a text asks for something. */
export function hasQuestion(text: string): boolean {
  return segmentText(text).some((segment) => asks(segment.text));
}
