/** `agemem memory export | import | backup | verify | repair | vacuum | reembed | stats`: commands that maintain a store. */
import { Command, Option } from "commander";
import { FaissStore } from "../../store/faiss-store.js";
import { exportLangChainFaiss, importLangChainFaiss } from "../../store/upkeep/langchain-faiss.js";
import { finiteNumber, wholeNumber } from "../arguments.js";
import {
  counter,
  indexOptions,
  openStore,
  parseNamespace,
  print,
  type StoreOptions,
  storeDirectory,
} from "./open.js";

const FORMATS = ["jsonl", "langchain-faiss"];

export function exportMemoriesCommand(): Command {
  return new Command("export")
    .description("write items as JSON Lines, or as a folder for LangChain's FaissStore")
    .argument("<path>")
    .option("--namespace <namespace>", "a/b or a JSON list; default everything")
    .addOption(new Option("--to <format>", "format").choices(FORMATS).default("jsonl"))
    .action(async (path: string, _: object, command: Command) => {
      const options = command.optsWithGlobals<StoreOptions & { namespace?: string; to: string }>();
      await using store = await openStore(options, "items");
      const prefix = parseNamespace(options.namespace);
      const exported =
        options.to === "jsonl"
          ? await store.export(path, { prefix, onProgress: counter("items") })
          : await exportLangChainFaiss(store, path, prefix);
      print(options, { exported }, () => `${exported} items written to ${path}`);
    });
}

export function importCommand(): Command {
  return new Command("import")
    .description("import items; running it again after an interruption continues")
    .argument("<path>")
    .option("--namespace <namespace>", "namespace for the items of a LangChain folder", "memories")
    .addOption(new Option("--from <format>", "format").choices(FORMATS).default("jsonl"))
    .action(async (path: string, _: object, command: Command) => {
      const options = command.optsWithGlobals<StoreOptions & { namespace: string; from: string }>();
      await using store = await openStore(options, "vectors", true);
      if (options.from === "jsonl") {
        const result = await store.import(path, { onProgress: counter("items") });
        print(options, result, () => `${result.imported} items imported, ${result.skipped} already there`);
        return;
      }
      const { dims } = await store.stats();
      const into = parseNamespace(options.namespace);
      const onProgress = counter("items");
      const imported = await importLangChainFaiss(store, path, into, {
        onProgress,
        ...(dims ? { dims } : {}),
      });
      print(options, { imported }, () => `${imported} items imported into ${into.join("/")}`);
    });
}

export function backupCommand(): Command {
  return new Command("backup")
    .description("copy the store to a new directory while it is in use")
    .argument("<directory>")
    .action(async (directory: string, _: object, command: Command) => {
      const options = command.optsWithGlobals<StoreOptions>();
      await using store = await openStore(options, "items");
      await store.backup(directory, { onProgress: counter("pages") });
      print(options, { directory }, () => `copied to ${directory}`);
    });
}

export function verifyCommand(): Command {
  return new Command("verify")
    .description(
      "check rows, vectors, history and indexes against each other; exit code 1 if something is wrong",
    )
    .action(async (_: object, command: Command) => {
      const options = command.optsWithGlobals<StoreOptions>();
      await using store = await openStore(options, "items");
      const result = await store.verify({ onProgress: counter("vectors") });
      print(options, result, () => [
        `${result.versions} rows, ${result.vectors} vectors: ${result.ok ? "no problems" : "problems found"}`,
        ...result.problems.map(({ kind, count, repair }) => `${count} × ${kind}; repair would ${repair}`),
      ]);
      if (!result.ok) process.exitCode = 1;
    });
}

export function repairCommand(): Command {
  return new Command("repair")
    .description("repair what verify finds")
    .action(async (_: object, command: Command) => {
      const options = command.optsWithGlobals<StoreOptions>();
      await (await openStore(options, "items")).close();
      const { before, after } = await FaissStore.repair(storeDirectory(options), await indexOptions(options));
      print(options, { before, after }, () => [
        `${before.problems.length} kinds of problems before, ${after.problems.length} after`,
        ...after.problems.map(({ kind, count, repair }) => `${count} × ${kind}: ${repair}`),
      ]);
      if (!after.ok) process.exitCode = 1;
    });
}

export function vacuumCommand(): Command {
  return new Command("vacuum")
    .description("remove old revisions that no branch or pin needs, and shrink the file")
    .option("--keep-revisions <n>", "revisions that stay readable", wholeNumber)
    .option("--keep-minutes <n>", "minutes that stay readable", finiteNumber)
    .action(async (_: object, command: Command) => {
      const options = command.optsWithGlobals<
        StoreOptions & { keepRevisions?: number; keepMinutes?: number }
      >();
      await using store = await openStore(options, "items");
      const result = await store.vacuum({
        ...(options.keepRevisions === undefined ? {} : { keepRevisions: options.keepRevisions }),
        ...(options.keepMinutes === undefined ? {} : { keepMinutes: options.keepMinutes }),
      });
      print(
        options,
        result,
        () => `${result.removed} rows removed, ${result.bytesBefore} → ${result.bytesAfter} bytes`,
      );
    });
}

export function reembedCommand(): Command {
  return new Command("reembed")
    .description(
      "convert to another embedding model (--embeddings); running it again after an interruption continues",
    )
    .action(async (_: object, command: Command) => {
      const options = command.optsWithGlobals<StoreOptions>();
      await (await openStore(options, "items")).close();
      const vectors = await FaissStore.reembed(storeDirectory(options), {
        ...(await indexOptions(options, true)),
        onProgress: counter("vectors"),
      });
      print(options, { vectors }, () => `${vectors} vectors made`);
    });
}

export function storeStatsCommand(): Command {
  return new Command("stats").description("sizes and state").action(async (_: object, command: Command) => {
    const options = command.optsWithGlobals<StoreOptions>();
    await using store = await openStore(options, "items");
    const stats = await store.stats();
    print(options, stats, () =>
      Object.entries(stats).map(([name, value]) => `${name}: ${JSON.stringify(value)}`),
    );
  });
}
