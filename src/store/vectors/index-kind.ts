/**
 * Decides whether FAISS may hold the codes of large scopes on this machine.
 *
 * Owns the choice by option and `AGEMEM_INDEX`, and the warning when FAISS is missing. Leaves out loading it
 * (`vector-indexes/faiss.ts`) and which scopes are large (`index-set.ts`).
 */
import { ConfigError } from "../../errors.js";
import { reasonOf } from "../addons.js";
import { faissFailures, loadFaiss } from "./vector-indexes/faiss.js";

/** The choice. `fallback` says why it is not FAISS although nobody chose "flat"; else null. */
export interface ChosenIndex {
  kind: "faiss" | "flat";
  fallback: string | null;
  /** Whether it was chosen by name, so that it is used without measuring whether it is faster. */
  insists: boolean;
}

/** Something that an operator should know, but that does not stop the store. */
export interface StoreWarning {
  /** A stable code: `AGEMEM_INDEX_FALLBACK`. */
  code: string;
  message: string;
}

const SETUP =
  "For FAISS run `npx agemem setup` (`pnpm exec agemem setup`); index.kind or AGEMEM_INDEX set to flat does without it and without this warning.";

/**
 * Chooses whether FAISS may hold the codes of large scopes.
 *
 * @param option the store's option; `AGEMEM_INDEX` overrides it
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` (unknown value), `AGEMEM_PACKAGE_MISSING` (FAISS was chosen but does not
 * load)
 */
export function chooseIndex(option: "auto" | "faiss" | "flat" = "auto"): ChosenIndex {
  const forced = process.env.AGEMEM_INDEX;
  const wanted = forced || option;
  if (wanted !== "flat" && wanted !== "faiss" && wanted !== "auto") {
    throw new ConfigError(
      "AGEMEM_CONFIG_INVALID",
      `${forced ? "AGEMEM_INDEX" : "index.kind"} is "${String(wanted)}"`,
      { remedy: "Set it to auto, faiss or flat." },
    );
  }
  if (wanted === "flat") return { kind: "flat", fallback: null, insists: true };
  if (loadFaiss()) return { kind: "faiss", fallback: null, insists: wanted === "faiss" };
  const reason = reasonOf(faissFailures());
  if (wanted === "auto") return { kind: "flat", fallback: reason, insists: false };
  throw new ConfigError(
    "AGEMEM_PACKAGE_MISSING",
    `FAISS was chosen, but faiss-node does not load (${reason})`,
    {
      cause: faissFailures()[0],
      remedy:
        "Run `npx agemem setup` (`pnpm exec agemem setup`), or set index.kind or AGEMEM_INDEX to auto or flat (same recall).",
      details: { package: "faiss-node" },
    },
  );
}

let said = false;

/**
 * Reports a fallback: to `listener` at every opening, or else once per process as a Node.js warning
 * (`process.on("warning", …)`, printed to standard error unless turned off).
 */
export function warnOfFallback({ fallback }: ChosenIndex, listener?: (warning: StoreWarning) => void): void {
  if (fallback === null) return;
  const code = "AGEMEM_INDEX_FALLBACK";
  const message = `FAISS does not load (${fallback}); vectors are searched without it, to the same recall. ${SETUP}`;
  if (listener) {
    listener({ code, message });
  } else if (!said) {
    said = true;
    process.emitWarning(message, { type: "AgeMemWarning", code });
  }
}
