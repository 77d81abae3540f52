/**
 * The operations that a store accepts: LangGraph's four, with agemem's options, checked before anything runs.
 *
 * Owns recognizing an operation by its shape, and the checks of namespaces, keys, values and paging. Leaves out the
 * limits themselves (`limits.ts`), filters (`search/filter.ts`) and running operations (`batch.ts`).
 */
import type { GetOperation, ListNamespacesOperation, PutOperation } from "@langchain/langgraph";
import { InputError } from "../errors.js";
import type { PutOptions } from "../types.js";
import { type StoreLimits, tooLarge } from "./limits.js";
import { namespacePath } from "./rows/namespaces.js";
import { compileFilter } from "./search/filter.js";
import { type CheckedSearch, checkSearchOptions, type SearchOp } from "./search/search-options.js";

/** A put with this store's options, and with vectors if the caller has them already. */
export type PutOp = PutOperation &
  PutOptions & {
    /** Vectors to store instead of embedding the value's texts, with any number of them and any paths. */
    vectors?: { path: string; vector: ArrayLike<number>; text?: string }[];
  };

/** A checked put, with the namespace's path, and the value as JSON (null for a deletion). */
export interface CheckedPut {
  kind: "put";
  op: PutOp;
  path: string;
  json: string | null;
}

/** A checked operation. */
export type Checked =
  | { kind: "get"; op: GetOperation }
  | CheckedPut
  | CheckedSearch
  | { kind: "list"; op: ListNamespacesOperation };

/**
 * Checks one operation and says which one it is.
 *
 * @throws InputError `AGEMEM_NAMESPACE_INVALID`, `AGEMEM_FILTER_INVALID`, `AGEMEM_INPUT_ARGUMENT`;
 * StoreError `AGEMEM_STORE_LIMIT`
 */
export function checkOperation(op: unknown, limits: StoreLimits): Checked {
  if (typeof op !== "object" || op === null) throw argument("An operation must be an object", "operation");
  if ("namespacePrefix" in op) return checkSearch(op as SearchOp, limits);
  if ("value" in op) return checkPut(op as PutOp, limits);
  if ("key" in op) return checkGet(op as GetOperation, limits);
  if ("matchConditions" in op || "limit" in op || "maxDepth" in op || "offset" in op) {
    return checkList(op as ListNamespacesOperation);
  }
  throw argument("The operation is none of get, put, search, listNamespaces", "operation");
}

function checkGet(op: GetOperation, limits: StoreLimits): Checked {
  checkNamespace(op.namespace, limits);
  checkKey(op.key, limits);
  return { kind: "get", op };
}

function checkPut(op: PutOp, limits: StoreLimits): Checked {
  checkNamespace(op.namespace, limits);
  checkKey(op.key, limits);
  const { index, ttl, idempotencyKey, ifRevision } = op;
  if (
    index !== undefined &&
    index !== null &&
    index !== false &&
    !(Array.isArray(index) && index.every(isText))
  ) {
    throw argument("`index` must be false or a list of paths", "index");
  }
  for (const path of index || []) {
    const steps = path.split(/[.[{]/).length;
    if (steps > limits.valueDepth)
      throw tooLarge("number of steps in an index path", steps, limits.valueDepth);
  }
  if (ttl !== undefined && !(typeof ttl === "number" && Number.isFinite(ttl) && ttl > 0)) {
    throw argument("`ttl` must be a positive number of minutes", "ttl");
  }
  if (ifRevision !== undefined && !(Number.isSafeInteger(ifRevision) && ifRevision >= 0)) {
    throw argument("`ifRevision` must be a whole number of 0 or more", "ifRevision");
  }
  if (idempotencyKey !== undefined && !(isText(idempotencyKey) && isWellFormed(idempotencyKey))) {
    throw argument("`idempotencyKey` must be a non-empty text", "idempotencyKey");
  }
  return { kind: "put", op, path: namespacePath(op.namespace), json: toJson(op.value, limits) };
}

function toJson(value: unknown, limits: StoreLimits): string | null {
  if (value === null) return null;
  if (typeof value !== "object" || Array.isArray(value)) {
    throw argument("A value must be an object, or null to delete the item", "value");
  }
  let json: string | undefined;
  try {
    json = JSON.stringify(value);
  } catch (cause) {
    throw new InputError("AGEMEM_INPUT_ARGUMENT", "A value cannot be written as JSON", {
      cause,
      remedy: "Store plain data: no cycles, no BigInt.",
    });
  }
  if (json === undefined || json[0] !== "{") throw argument("A value must be a plain object", "value");
  if (json.length > limits.valueChars) throw tooLarge("value", json.length, limits.valueChars);
  // Every level takes at least two characters, so short values cannot be too deep.
  const depth = json.length < limits.valueDepth * 2 ? 0 : depthOf(value);
  if (depth > limits.valueDepth) throw tooLarge("nesting of the value", depth, limits.valueDepth);
  return json;
}

function depthOf(value: object): number {
  let depth = 0;
  for (let level: object[] = [value]; level.length > 0; depth++) {
    level = level.flatMap((one) =>
      Object.values(one).filter((inner): inner is object => typeof inner === "object" && inner !== null),
    );
  }
  return depth;
}

function checkSearch(op: SearchOp, limits: StoreLimits): Checked {
  checkLabels(op.namespacePrefix, limits);
  const limit = count(op.limit ?? 10, "limit");
  const offset = count(op.offset ?? 0, "offset");
  if (op.query !== undefined && op.query !== null && typeof op.query !== "string") {
    throw argument("`query` must be text", "query");
  }
  checkSearchOptions(op);
  return { kind: "search", op, filter: op.filter ? compileFilter(op.filter) : null, limit, offset };
}

function checkList(op: ListNamespacesOperation): Checked {
  for (const condition of op.matchConditions ?? []) {
    if (condition.matchType !== "prefix" && condition.matchType !== "suffix") {
      throw argument(`Unknown match type "${String(condition.matchType)}"`, "matchConditions");
    }
    if (!Array.isArray(condition.path))
      throw argument("A match path must be a list of labels", "matchConditions");
  }
  if (op.maxDepth !== undefined && count(op.maxDepth, "maxDepth") < 1)
    throw argument("`maxDepth` must be 1 or more", "maxDepth");
  count(op.limit ?? 100, "limit");
  count(op.offset ?? 0, "offset");
  return { kind: "list", op };
}

function checkNamespace(namespace: unknown, limits: StoreLimits): void {
  checkLabels(namespace, limits);
  const labels = namespace as string[];
  if (labels.length === 0) throw invalid("Namespace cannot be empty.");
  if (labels[0] === "langgraph")
    throw invalid(`Root label for namespace cannot be "langgraph". Got: ${labels}`);
}

function checkLabels(namespace: unknown, limits: StoreLimits): void {
  if (!Array.isArray(namespace)) throw invalid("A namespace must be a list of labels.");
  if (namespace.length > limits.namespaceDepth)
    throw tooLarge("namespace", namespace.length, limits.namespaceDepth);
  for (const label of namespace as unknown[]) {
    if (typeof label !== "string") {
      throw invalid(
        `Invalid namespace label '${String(label)}' found in ${namespace}. Namespace labels must be strings, but got ${typeof label}.`,
      );
    }
    if (label.includes(".")) {
      throw invalid(
        `Invalid namespace label '${label}' found in ${namespace}. Namespace labels cannot contain periods ('.').`,
      );
    }
    if (label === "") throw invalid(`Namespace labels cannot be empty strings. Got ${label} in ${namespace}`);
    if (!isWellFormed(label)) throw invalid("A namespace label is not well-formed Unicode.");
    if (label.length > limits.keyChars) throw tooLarge("namespace label", label.length, limits.keyChars);
  }
}

function checkKey(key: unknown, limits: StoreLimits): void {
  if (!isText(key)) throw argument("A key must be a non-empty text", "key");
  if (!isWellFormed(key)) throw argument("A key must be well-formed Unicode", "key");
  if (key.length > limits.keyChars) throw tooLarge("key", key.length, limits.keyChars);
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function count(value: unknown, name: string): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
  throw argument(`\`${name}\` must be an integer of 0 or more`, name);
}

function invalid(message: string): InputError {
  return new InputError("AGEMEM_NAMESPACE_INVALID", message, {
    remedy: 'Use one or more non-empty labels without ".", the first not "langgraph".',
  });
}

function argument(message: string, name: string): InputError {
  return new InputError("AGEMEM_INPUT_ARGUMENT", message, { details: { argument: name } });
}

/** Whether a text has no lone surrogates, which would all become the same character in UTF-8. */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}
