/** Resolves namespace templates such as `["memories", "{user_id}"]` for a run. Pure. */
import { ConfigError, InputError } from "../errors.js";

/** Labels of a namespace, in which `{name}` stands for a value of the run. */
export type NamespaceTemplate = readonly string[];

/** What is wrong with a template; undefined for a usable one. */
export function namespaceProblem(template: NamespaceTemplate): string | undefined {
  if (template.length === 0) return 'is empty; give at least one label, such as ["memories", "{user_id}"]';
  if (template[0] === "langgraph") return 'begins with "langgraph", which LangGraph reserves';
  for (const label of template) {
    const literal = label.replace(/\{[\w-]+\}/g, "");
    const shown = JSON.stringify(label);
    if (label === "") return "has an empty label";
    if (/[{}]/.test(literal)) return `${shown} has a brace that belongs to no {name}`;
    if (literal.includes(".")) return `${shown} has a dot, which LangGraph's stores reject`;
  }
  return undefined;
}

/**
 * Fills a template with the run's values. The isolation of users depends on it: a missing, empty or non-text value is an
 * error, never a shared default, and a value cannot add labels or reach another user's namespace.
 *
 * Values may contain any character. Those that some LangGraph store forbids in labels ("." everywhere, ":" and NUL since
 * 1.7, "%", "_" and "\\" in PostgreSQL), and "~" itself, become "~" and two hexadecimal digits, so that different values
 * always give different labels.
 *
 * @param values one or more records, searched in order (context, configurable)
 * @throws ConfigError `AGEMEM_NAMESPACE_VALUE_MISSING`, InputError `AGEMEM_NAMESPACE_INVALID`
 * @example
 * resolveNamespace(["memories", "{user_id}"], { user_id: "ada" }); // ["memories", "ada"]
 */
export function resolveNamespace(
  template: NamespaceTemplate,
  ...values: (Record<string, unknown> | undefined)[]
): string[] {
  if (template.length === 0) {
    throw new InputError("AGEMEM_NAMESPACE_INVALID", "The namespace template is empty", {
      remedy: 'Give at least one label, such as ["memories", "{user_id}"].',
    });
  }
  return template.map((label) => label.replace(PLACEHOLDER, (_, name: string) => lookUp(name, values)));
}

/** The names of the values in a template, each once. */
export function valueNames(template: NamespaceTemplate): string[] {
  return [
    ...new Set(
      template.flatMap((label) => [...label.matchAll(PLACEHOLDER)].map((match) => match[1] as string)),
    ),
  ];
}

const PLACEHOLDER = /\{([^{}]+)\}/g;

function lookUp(name: string, values: (Record<string, unknown> | undefined)[]): string {
  for (const record of values) {
    const value = record && Object.hasOwn(record, name) ? record[name] : undefined;
    if (value === undefined || value === null || value === "") continue;
    // Text only, because 5 and "5" from two callers would be the same user.
    if (typeof value === "string") return encodeLabel(value);
    throw new ConfigError("AGEMEM_NAMESPACE_VALUE_MISSING", `The namespace value "${name}" is not text`, {
      remedy: `Pass "${name}" as a string in the run's context or configurable.`,
      details: { name, type: typeof value },
    });
  }
  throw new ConfigError(
    "AGEMEM_NAMESPACE_VALUE_MISSING",
    `The run supplies no "${name}" for the memory namespace`,
    {
      remedy: `Pass it with the run: graph.invoke(input, { configurable: { ${name}: "…" } }).`,
      details: { name },
    },
  );
}

function encodeLabel(value: string): string {
  return value.replace(/[.:%_\\~\0]/g, (c) => `~${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
