/** The format of a setting that names a store, for deployed graphs and the command line alike. Pure. */
import { ConfigError } from "../errors.js";
import { redact } from "../text/redaction.js";

/** The default setting. */
export const DEFAULT_STORE = "faiss:.agemem/store";

/** What a setting names. */
export type StoreSetting =
  | { kind: "faiss"; directory: string }
  | { kind: "postgres"; url: string }
  | { kind: "platform" };

/**
 * Reads `faiss:DIRECTORY`, `postgres:URL` (or only the URL if it begins with `postgres://`) or `platform`.
 *
 * @param name the setting's name, for the message
 * @throws ConfigError `AGEMEM_CONFIG_INVALID`, with any password redacted
 */
export function parseStoreSetting(text: string, name = "AGEMEM_STORE"): StoreSetting {
  if (/^postgres(ql)?:\/\//.test(text)) return { kind: "postgres", url: text };
  const at = text.indexOf(":");
  const [kind, rest] = at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
  if (kind === "platform" && at < 0) return { kind };
  if (kind === "postgres" && rest) return { kind, url: rest };
  if (kind === "faiss" && rest) return { kind, directory: rest };
  throw new ConfigError("AGEMEM_CONFIG_INVALID", `${name} is "${redact(text)}"`, {
    remedy: "Set it to faiss:DIRECTORY, postgres:URL or platform, or leave it out.",
  });
}
