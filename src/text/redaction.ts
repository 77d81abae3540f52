/**
 * Blotting keys and passwords out of texts that leave the process: error messages, answers to a model, traces.
 *
 * Owns what looks like a secret. Pure: the values that are known to be secret come in.
 */

/** Names of environment variables whose values are secrets. */
const SECRET_NAME = /(?:^|_)(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS|DSN)$/i;

/** Shorter values are left: they would blot out ordinary words. */
const SHORTEST = 6;

/** What is put in a secret's place. */
const BLOT = "[key]";

/**
 * Values of the variables whose names say that they are secret (`…_API_KEY`, `…_TOKEN`, `…_PASSWORD`).
 *
 * @example
 * redactor(secretsOf(process.env))("401 for key abcdef-123456");
 */
export function secretsOf(environment: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(environment)
    .filter(([name, value]) => SECRET_NAME.test(name) && (value?.length ?? 0) >= SHORTEST)
    .map(([, value]) => value as string);
}

/**
 * A function that blots out the given values, and whatever has the form of a key: `sk-…`, `Bearer …`, keys of well-known
 * providers, `api_key=…`, and the user and password of an address.
 */
export function redactor(secrets: readonly (string | undefined)[]): (text: string) => string {
  const known = [...new Set(secrets)]
    .filter((secret): secret is string => (secret?.length ?? 0) >= SHORTEST)
    // The longest first: one may be the beginning of another.
    .sort((a, b) => b.length - a.length);
  return (text) => {
    let out = text;
    for (const secret of known) out = out.split(secret).join(BLOT);
    return out
      .replace(/\b(?:sk|pk|rk|gsk|xai|hf|lsv2|ghp|gho|glpat|xox[abp])[-_][\w*.-]{4,}/g, BLOT)
      .replace(/\b(?:AIza|AKIA|ASIA)[\w-]{8,}/g, BLOT)
      .replace(/\b(Bearer|Basic)\s{1,8}[^\s"',]+/gi, `$1 ${BLOT}`)
      .replace(
        /\b((?:api|access|secret|auth)[-_]?(?:key|token)["']?\s{0,8}[=:]\s{0,8}["']?)[^\s"',&]{4,}/gi,
        `$1${BLOT}`,
      )
      .replace(/\b([a-z][a-z0-9+]{1,15}:\/\/)[^\s/@]{1,300}@/gi, `$1${BLOT}@`);
  };
}
