/**
 * What a user's message asks for or tells, sentence by sentence: facts, changes, withdrawals, questions.
 *
 * Owns recognizing them (English, by patterns). Leaves out: what is done about them (`rules/`) and pasted
 * documents (`paste.ts`).
 */
import { collapseSpace, splitSentences, stripEnd } from "../../text/text.js";
import { stripLeadIn, toThirdPerson } from "./person.js";

export type StatementKind = "fact" | "change" | "forget" | "question";

/** One thing said. `content` is the statement in the third person, or the topic to forget, or the question. */
export interface Statement {
  kind: StatementKind;
  content: string;
  memoryType: "fact" | "preference" | "plan";
}

const FIRST_PERSON = /\b(?:I|i|I['’](?:m|ve|ll|d)|i['’]m|my|My|we|We|our|Our|mine)\b/;
const FORGET =
  /\b(?:forget|stop remembering|(?:don['’]t|do not) (?:remember|store|keep)|delete|erase|remove)\b[^.?!]{0,60}\b(?:i|i['’](?:m|ve|d)|my|me|our|that|about|what)\b/i;
const NOT_FORGET = /\b(?:don['’]t|do not|never|won['’]t|can['’]t|didn['’]t) (?:ever )?forget\b/i;
const CHANGE =
  /\b(?:moved (?:to|from|back|in)|switched|no longer|not (?:\w+ ){0,3}any ?more|don['’]t (?:\w+ ){1,4}any ?more|changed (?:my|jobs?|to|from)|instead of|quit|stopped|used to|turns out|correction|rescheduled|postponed|gave up|new job|is now|are now|am now|i['’]m now|now (?:i|my|we)\b|gone (?:vegan|vegetarian)|became|left my job|has changed|have changed)/i;
const ACTUALLY = /^\W*(?:actually|correction|update|small update|wait|scratch that)\b/i;
const REMEMBER =
  /\b(?:remember|note|keep in mind|don['’]t forget|make a note|for the record)\b[,:]?(?: that| this:?)?\s+(?=\S)/i;
const FILLER =
  /^(?:(?:what|how) (?:an?\b|\w+ )|i (?:think|guess|wonder|hope|suppose|see|mean|know|understand|agree|was wondering|was just|wanted to|want to ask|would like to (?:know|ask)|have (?:a|one|another) question|forgot to (?:mention|say)|told you|asked|appreciate|just|['’]?d like to (?:know|ask))|i['’]m (?:back|good|fine|ok|okay|great|curious|not sure|just|sure|here|happy to|glad|sorry|wondering|asking|done)|let me|thank)\b/i;
const TELLS =
  /\b(?:i['’]?m|i am|am|is|are|was|were|have|['’]ve|has|had|live|work|like|love|hate|prefer|enjoy|drink|eat|own|play|speak|study|learn|learning|moved|switched|started|quit|stopped|born|grew|married|planning|plan|going|will|['’]ll|booked|flying|fly|need|want|use|run|train|collect|stand|travel|take|got|adopted|named|called|turns?|arrives?|departs?|lives?|works?|signed|joined|bought|sold|met|teach|volunteer|went|graduated|avoid|wear|celebrate|support)\b/i;
const PREFERENCE =
  /\b(?:likes?|loves?|hates?|prefers?|enjoys?|favou?rite|can['’]t stand|vegetarian|vegan|drinks?|avoids?|dislikes?|fan of|into)\b/i;
const PLAN =
  /\b(?:going to|will|['’]ll|plan(?:s|ning)?|booked|tomorrow|next (?:week|month|year|spring|summer|autumn|fall|winter|monday|tuesday|wednesday|thursday|friday|saturday|sunday)|flight|appointment|departs?|trip|deadline|signed up|on (?:\d{1,2}(?:st|nd|rd|th)? )?(?:january|february|march|april|may|june|july|august|september|october|november|december))\b/i;
const QUESTION_START =
  /^(?:(?:and|so|ok|okay|well|hey|hi|then|but)[,\s]+)*(?:what|who|whom|whose|when|where|which|why|how|do|does|did|is|are|was|were|can|could|would|will|should|have|has|am)\b/i;
const REQUEST =
  /^(?:(?:please|can you|could you)\s+)*(?:suggest|recommend|tell me|remind me|give me|help me|plan (?:me|a|my)|what about|any (?:idea|ideas|suggestion|tips?))\b/i;

/** Statements of a message in order, each content once. Small talk gives none. */
export function readStatements(text: string): Statement[] {
  const out: Statement[] = [];
  const seen = new Set<string>();
  for (const sentence of sentencesOf(text)) {
    for (const statement of readSentence(sentence)) {
      const key = `${statement.kind}:${statement.content.toLowerCase()}`;
      if (seen.has(key) || out.length >= 12) continue;
      seen.add(key);
      out.push(statement);
    }
  }
  return out;
}

/** Sentences of a text; line breaks end sentences too. */
export function sentencesOf(text: string): string[] {
  return text.split(/\n+/).flatMap((line) => splitSentences(line).map(collapseSpace));
}

/** Whether a sentence asks for something. */
export function isQuestion(sentence: string): boolean {
  const plain = stripLeadIn(sentence);
  return (
    /\?["”’')\]]*$/.test(sentence) ||
    REQUEST.test(plain) ||
    (QUESTION_START.test(plain) && !/[.!]$/.test(plain))
  );
}

/** Whether a statement says that something is no longer as it was. */
export function isChange(sentence: string): boolean {
  return CHANGE.test(sentence);
}

/** The kind of memory a statement makes. */
export function memoryTypeOf(content: string): Statement["memoryType"] {
  if (PREFERENCE.test(content)) return "preference";
  return PLAN.test(content) ? "plan" : "fact";
}

function readSentence(sentence: string): Statement[] {
  if (sentence.length > 600) return [];
  if (FORGET.test(sentence) && !NOT_FORGET.test(sentence)) {
    return [{ kind: "forget", content: forgetTopic(sentence), memoryType: "fact" }];
  }
  if (isQuestion(sentence)) return [{ kind: "question", content: sentence, memoryType: "fact" }];
  const asked = REMEMBER.exec(sentence);
  if (asked && !FIRST_PERSON.test(sentence.slice(asked.index + asked[0].length))) {
    const rest = ended(sentence.slice(asked.index + asked[0].length));
    return rest.split(" ").length < 3 ? [] : [statement("fact", `User asked to remember: ${rest}`)];
  }
  const corrects = ACTUALLY.test(sentence);
  return clausesOf(stripLeadIn(sentence))
    .filter(isPersonalFact)
    .map((clause) => {
      const changes = CHANGE.test(clause) || corrects;
      return statement(changes ? "change" : "fact", ended(toThirdPerson(clause)));
    });
}

function statement(kind: StatementKind, content: string): Statement {
  return { kind, content, memoryType: memoryTypeOf(content) };
}

/** "I'm vegetarian and my sister lives in Lyon" holds two facts: each clause with its own subject and verb. */
function clausesOf(sentence: string): string[] {
  const parts = collapseSpace(sentence).split(
    /(?:,|;| [–—-])? (?:and|but|so|because) (?=(?:I|I['’]\w+|my|we)\b)|; /,
  );
  const whole = parts.every((part) => part.split(" ").length >= 3 && TELLS.test(part)) ? parts : [sentence];
  return whole.map(withoutReason);
}

/** "…, so everyone knows": cuts off a reason or a consequence that is not about the speaker. */
function withoutReason(clause: string): string {
  const persons = [...clause.matchAll(/\b(?:I|my|we)\b/g)];
  const about = (persons.at(-1)?.index ?? -1) + 1;
  for (const { index } of clause.matchAll(/, (?:so|because|which is why)\s/g)) {
    if (index >= about) return `${clause.slice(0, index)}.`;
  }
  return clause;
}

function isPersonalFact(clause: string): boolean {
  const count = clause.split(/\s+/).length;
  return count >= 3 && count <= 60 && FIRST_PERSON.test(clause) && !FILLER.test(clause) && TELLS.test(clause);
}

function forgetTopic(sentence: string): string {
  const asked = /\b(?:forget|remembering|remember|store|keep|delete|erase|remove)\b/i.exec(sentence);
  const after = asked ? sentence.slice(asked.index + asked[0].length).trimStart() : sentence;
  const topic = after
    .replace(
      /^(?:what|everything|all|that|the \w+) (?:that )?i(?:['’]ve)? (?:said|told you|mentioned|wrote)(?: about)?\s+/i,
      "",
    )
    .replace(/^(?:about|that|what|the fact that|everything about|the (?:thing|bit|part) about)\s+/i, "")
    .replace(/\b(?:i (?:told|said to|gave) you(?: about| that)?|from (?:your )?memory|please)\b/gi, "");
  return collapseSpace(stripEnd(topic, /[.!?]/));
}

function ended(text: string): string {
  const trimmed = stripEnd(text, /[\s,;:–—-]/).trimStart();
  return /[.!?]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}
