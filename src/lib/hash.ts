/** Content hashes and ids derived from them. Pure. */
import { createHash } from "node:crypto";

/** Hex SHA-256 of UTF-8 text or bytes. */
export function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

const CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz";

/** `length` characters (5 bits each) of the SHA-256 of `text`, in Crockford base 32: short, unambiguous ids. */
export function shortHash(text: string, length = 10): string {
  const bytes = createHash("sha256").update(text).digest();
  let out = "";
  for (let i = 0; i < length; i++) out += CROCKFORD[(bytes[i] ?? 0) & 31];
  return out;
}
