/**
 * GBNF, llama.cpp's form of grammars, from JSON schemas: for tool calls and structured answers that cannot be malformed. Pure.
 *
 * Owns the schemas' parts that matter for tools: objects, arrays, enums, constants, unions, references, numbers, strings. What
 * a grammar cannot say well (long lengths, patterns, ranges) is left to whoever validates the arguments.
 */
import { ConfigError } from "../../errors.js";
import type { ToolTextForm } from "../tool-text/forms.js";
import type { OpenAITool } from "./template-messages.js";

type Schema = Record<string, unknown>;

const BASICS: Readonly<Record<string, string>> = {
  ws: '" "?',
  character: '[^"\\\\\\x00-\\x1f] | "\\\\" (["\\\\/bfnrt] | "u" [0-9a-fA-F]{4})',
  string: '"\\"" character* "\\""',
  integer: '"-"? ("0" | [1-9] [0-9]{0,14})',
  number: '"-"? ("0" | [1-9] [0-9]{0,14}) ("." [0-9]{1,15})? ([eE] [-+]? [0-9]{1,2})?',
  boolean: '"true" | "false"',
  null: '"null"',
  value: "string | number | boolean | null | object | array",
  object: '"{" ws (string ":" ws value ("," ws string ":" ws value)*)? ws "}"',
  array: '"[" ws (value ("," ws value)*)? ws "]"',
};

/** A grammar of one JSON value. */
export function jsonGrammar(schema: Schema): string {
  const rules = new Rules();
  const root = rules.of(schema, schema, "answer");
  return rules.text(root);
}

/**
 * A grammar of responses with tools: calls in the model's form, whose arguments fit the schemas; also plain text, unless a
 * call is `required`.
 */
export function toolGrammar(tools: readonly OpenAITool[], form: ToolTextForm, required: boolean): string {
  const rules = new Rules();
  const key = form === "llama3" ? "parameters" : "arguments";
  const calls = tools.map(({ function: { name, parameters = {} } }, index) => {
    const args = rules.of(parameters, parameters, `args${index}`);
    const body = `"{" ws ${quoted('"name"')} ":" ws ${quoted(JSON.stringify(name))} "," ws`;
    return rules.add(`call${index}`, `${body} ${quoted(`"${key}"`)} ":" ws ${args} ws "}"`);
  });
  const call = rules.add("call", calls.join(" | "));
  // No end in sight: a small model would call for ever. One call where one is required, else a few.
  const marked = rules.add("calls", MARKED[form](call, required ? 0 : 3));
  if (required) return rules.text(marked);
  // An answer does not begin like a call, and does not come to one later either.
  const never =
    form === "llama3" ? "[^[{<]" : form === "mistral" ? "[^[]" : form === "fenced" ? "[^`]" : "[^<]";
  const answer = rules.add("answer", `${never} ${form === "llama3" ? "[^\\x00]*" : `${never}*`}`);
  return rules.text(`${marked} | ${answer}`);
}

const MARKED: Readonly<Record<ToolTextForm, (call: string, more: number) => string>> = {
  hermes: (call, more) => `("<tool_call>" "\\n"? ${call} "\\n"? "</tool_call>" "\\n"?){1,${more + 1}}`,
  mistral: (call, more) => `"[TOOL_CALLS]" ws "[" ${call} ("," ws ${call}){0,${more}} "]"`,
  llama3: (call, more) => `"<|python_tag|>"? ${call} (";" ws ${call}){0,${more}}`,
  fenced: (call, more) => `("\`\`\`json\\n" ${call} "\\n\`\`\`" "\\n"?){1,${more + 1}}`,
};

class Rules {
  readonly #rules = new Map<string, string>();
  readonly #references = new Map<Schema, Map<string, string>>();

  add(name: string, body: string): string {
    this.#rules.set(name, body);
    return name;
  }

  /** The name of a rule for a schema; `root` resolves references. */
  of(schema: Schema, root: Schema, name: string): string {
    const reference = schema.$ref;
    if (typeof reference === "string") return this.#reference(reference, root, name);
    if ("const" in schema) return this.add(name, quoted(JSON.stringify(schema.const)));
    if (Array.isArray(schema.enum)) {
      return this.add(name, schema.enum.map((each) => quoted(JSON.stringify(each))).join(" | "));
    }
    const union = schema.anyOf ?? schema.oneOf;
    if (Array.isArray(union)) return this.#union(union as Schema[], root, name);
    const { type } = schema;
    if (Array.isArray(type)) {
      return this.#union(
        type.map((each) => ({ ...schema, type: each as string })),
        root,
        name,
      );
    }
    if (type === "object" || schema.properties !== undefined) return this.#object(schema, root, name);
    if (type === "array") return this.#array(schema, root, name);
    if (type === "string" && typeof schema.maxLength === "number") return this.#text(schema.maxLength, name);
    return typeof type === "string" && type in BASICS ? type : "value";
  }

  /** All rules, the basic ones included. */
  text(root: string): string {
    const all = [["root", root], ...this.#rules, ...Object.entries(BASICS)];
    return all.map(([name, body]) => `${name} ::= ${body}`).join("\n");
  }

  #union(parts: readonly Schema[], root: Schema, name: string): string {
    const names = parts.map((part, index) => this.of(part, root, `${name}-${index}`));
    return this.add(name, names.join(" | "));
  }

  /** Properties in the order of the schema; optional ones may be left out. */
  #object(schema: Schema, root: Schema, name: string): string {
    const properties = Object.entries((schema.properties ?? {}) as Record<string, Schema>);
    if (properties.length === 0)
      return schema.additionalProperties === false ? this.add(name, '"{" ws "}"') : "object";
    const required = new Set(Array.isArray(schema.required) ? (schema.required as string[]) : []);
    const pairs = properties.map(([key, inner], index) => {
      const value = this.of(inner, root, `${name}-${index}`);
      return { text: `${quoted(JSON.stringify(key))} ":" ws ${value}`, needed: required.has(key) };
    });
    // `rest` of a position: what may follow when something was written before it.
    let rest = "";
    let begin = '""';
    for (const { text, needed } of pairs.reverse()) {
      begin = needed ? `(${text} ${rest})` : `(${text} ${rest} | ${begin})`;
      rest = needed ? `"," ws ${text} ${rest}` : `("," ws ${text})? ${rest}`;
    }
    return this.add(name, `"{" ws ${begin} ws "}"`);
  }

  /** Of limited length, where the limit is one that a grammar can carry: it keeps a small model from going on for ever. */
  #text(length: number, name: string): string {
    return length > 1000 ? "string" : this.add(name, `"\\"" character{0,${length}} "\\""`);
  }

  #array(schema: Schema, root: Schema, name: string): string {
    const items = typeof schema.items === "object" && schema.items !== null ? (schema.items as Schema) : {};
    const item = this.of(items, root, `${name}-item`);
    const some = `${item} ("," ws ${item})*`;
    const atLeastOne = typeof schema.minItems === "number" && schema.minItems > 0;
    return this.add(name, `"[" ws ${atLeastOne ? some : `(${some})?`} ws "]"`);
  }

  #reference(reference: string, root: Schema, name: string): string {
    const names = this.#references.get(root) ?? new Map<string, string>();
    this.#references.set(root, names);
    const known = names.get(reference);
    if (known !== undefined) return known;
    const path = reference.startsWith("#/") ? reference.slice(2).split("/") : [];
    const target = path.reduce<unknown>((at, key) => (at as Schema | undefined)?.[key], root);
    if (path.length === 0 || typeof target !== "object" || target === null) {
      throw new ConfigError(
        "AGEMEM_CONFIG_INVALID",
        `A schema refers to "${reference}", which is not in it`,
        {
          remedy: "Write the schema without references to other documents.",
        },
      );
    }
    // Before the rule itself, so that a schema may refer to itself.
    names.set(reference, `${name}-ref`);
    return this.add(`${name}-ref`, this.of(target as Schema, root, `${name}-target`));
  }
}

/** A literal of GBNF. */
function quoted(text: string): string {
  return `"${text.replace(/[\\"]/g, "\\$&").replace(/\n/g, "\\n")}"`;
}
