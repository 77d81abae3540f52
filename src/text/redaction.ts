/**
 * Blots keys and passwords out of texts that leave the process: error messages, answers to a model, recordings, traces.
 *
 * Owns what looks like a secret, for every place at which text leaves.
 */

/** Names of environment variables whose values are secrets. */
const SECRET_NAME = /(?:^|_)(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS|DSN)$/i;

/** Shorter values are left: they would blot out ordinary words. */
const SHORTEST = 6;

/** What is put in a secret's place. */
const BLOT = "[redacted]";

/**
 * Values of the variables whose names say that they are secret (`…_API_KEY`, `…_TOKEN`, `…_PASSWORD`).
 *
 * @example
 * secretsOf({ ACME_API_KEY: "abcdef-123456", PATH: "/bin" }); // ["abcdef-123456"]
 */
export function secretsOf(environment: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(environment)
    .filter(([name, value]) => SECRET_NAME.test(name) && (value?.length ?? 0) >= SHORTEST)
    .map(([, value]) => value as string);
}

/**
 * A function that blots out the given values, and whatever has the form of a key: `sk-…`, `Bearer …`, keys of well-known
 * providers, what follows `api_key=`, `token:` or `password=`, and the user and password of an address.
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
        /((?:(?:api|access|secret|auth)[-_]?key|token|secret|password|passwd)["']?\s{0,8}[=:]\s{0,8}["']?)[^\s"',&}]+/gi,
        `$1${BLOT}`,
      )
      .replace(/(\/\/)[^\s/@]+@/g, `$1${BLOT}@`);
  };
}

/**
 * A text without what {@link redactor} knows, and without the secrets of the process's own environment.
 *
 * @example
 * redact("postgres://ada:pass@db/x"); // "postgres://[redacted]@db/x"
 */
export function redact(text: string, secrets: readonly (string | undefined)[] = []): string {
  return redactor([...secrets, ...secretsOf(process.env)])(text);
}

/** What may be kept of a foreign error: its name, text and stack, blotted; no headers, requests or bodies. */
export function redactError(error: unknown, secrets: readonly (string | undefined)[] = []): Error {
  const copy = new Error(redact(error instanceof Error ? error.message : String(error), secrets));
  if (error instanceof Error) {
    copy.name = error.name;
    copy.stack = redact(error.stack ?? "", secrets);
  }
  return copy;
}
