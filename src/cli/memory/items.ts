/** `agemem memory ls | get | search | history`: commands that inspect items. */
import { Command } from "commander";
import { InputError } from "../../errors.js";
import type { SearchItem, SearchMode } from "../../store/search/search-options.js";
import { truncate } from "../../text/text.js";
import { choice, wholeNumber } from "../arguments.js";
import { openStore, parseNamespace, print, type StoreOptions } from "./open.js";

const shown = (value: Record<string, unknown>): string =>
  truncate(typeof value.content === "string" ? value.content : JSON.stringify(value), 100);

const line = ({ namespace, key, value, score }: SearchItem): string =>
  `${score === undefined ? "" : `${score.toFixed(3)}  `}${namespace.join("/")}  ${key}  ${shown(value)}`;

export function lsCommand(): Command {
  return new Command("ls")
    .description("list namespaces, or the items below one")
    .argument("[namespace]", "a/b or a JSON list")
    .option("--limit <n>", "at most this many", wholeNumber, 100)
    .action(async (namespace: string | undefined, _: object, command: Command) => {
      const options = command.optsWithGlobals<StoreOptions & { limit: number }>();
      await using store = await openStore(options, "items");
      if (namespace === undefined) {
        const found = await store.listNamespaces({ limit: options.limit });
        print(options, found, () => found.map((labels) => labels.join("/")));
        return;
      }
      const items = await store.search(parseNamespace(namespace), { limit: options.limit });
      print(options, items, () => items.map(line));
    });
}

export function getCommand(): Command {
  return new Command("get")
    .description("print one item")
    .argument("<namespace>", "a/b or a JSON list")
    .argument("<key>")
    .action(async (namespace: string, key: string, _: object, command: Command) => {
      const options = command.optsWithGlobals<StoreOptions>();
      await using store = await openStore(options, "items");
      const item = await store.get(parseNamespace(namespace), key);
      if (!item) throw notFound(namespace, key);
      print(options, item, () => JSON.stringify(item, null, 2));
    });
}

export function searchCommand(): Command {
  return new Command("search")
    .description("search below a namespace")
    .argument("<query>")
    .option("--namespace <namespace>", "a/b or a JSON list; default everything")
    .addOption(choice("--mode <mode>", "how to rank", ["vector", "keyword", "hybrid"], "hybrid"))
    .option("--limit <n>", "at most this many", wholeNumber, 10)
    .action(async (query: string, _: object, command: Command) => {
      const options = command.optsWithGlobals<
        StoreOptions & { namespace?: string; mode: SearchMode; limit: number }
      >();
      await using store = await openStore(options, options.mode === "keyword" ? "items" : "vectors");
      const { mode, limit } = options;
      const found = await store.search(parseNamespace(options.namespace), { query, mode, limit });
      print(options, found, () => found.map(line));
    });
}

export function historyCommand(): Command {
  return new Command("history")
    .description("print every state of an item, newest first")
    .argument("<namespace>", "a/b or a JSON list")
    .argument("<key>")
    .action(async (namespace: string, key: string, _: object, command: Command) => {
      const options = command.optsWithGlobals<StoreOptions>();
      await using store = await openStore(options, "items");
      const entries = await store.history(parseNamespace(namespace), key);
      if (entries.length === 0) throw notFound(namespace, key);
      print(options, entries, () =>
        entries.map(({ revision, branch, operation, value, at }) =>
          [revision, branch, at.toISOString(), operation, value ? shown(value) : ""].join("  ").trimEnd(),
        ),
      );
    });
}

function notFound(namespace: string, key: string): InputError {
  return new InputError("AGEMEM_MEMORY_NOT_FOUND", `There is no item ${key} in ${namespace}`, {
    remedy: "List the items with `agemem memory ls`.",
  });
}
