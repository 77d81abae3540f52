/** The one format that names a store in a setting, for deployed graphs and the command line alike. Pure. */
import { ConfigError } from "../errors.js";
import { redact } from "../text/redaction.js";

/** Where the store is when nothing says so. */
export const DEFAULT_STORE = "faiss:.agemem/store";

/** What a setting names. */
export type StoreSetting =
  | { kind: "faiss"; directory: string }
  | { kind: "postgres"; url: string }
  | { kind: "platform" };

/**
 * Reads `faiss:DIRECTORY`, `postgres:URL` (a URL that begins with `postgres://` may stand alone) or `platform`.
 *
 * @param name what the setting is called, for the message
 * @throws ConfigError `AGEMEM_CONFIG_INVALID`; never with a password in it
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
