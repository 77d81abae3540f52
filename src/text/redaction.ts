/**
 * Redacts keys and passwords in texts that leave the process: error messages, answers to a model, recordings, traces.
 *
 * Owns what looks like a secret. Leaves out the places where texts leave, all of which call this file.
 */

/** Names of environment variables whose values are secrets. */
const SECRET_NAME = /(?:^|_)(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS|DSN)$/i;

/** Shorter values are not redacted, because that would also hit ordinary words. */
const SHORTEST = 6;

/** What replaces a secret. */
const BLOT = "[redacted]";

/**
 * Values of the environment variables whose names mark them as secret (`…_API_KEY`, `…_TOKEN`, `…_PASSWORD`).
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
 * Creates a function that redacts the given values and whatever looks like a key: `sk-…`, `Bearer …`, keys of well-known
 * providers, what follows `api_key=`, `token:` or `password=`, and the user and password in a URL.
 */
export function redactor(secrets: readonly (string | undefined)[]): (text: string) => string {
  const known = [...new Set(secrets)]
    .filter((secret): secret is string => (secret?.length ?? 0) >= SHORTEST)
    // Longest first, because one may be a prefix of another.
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
 * Redacts what {@link redactor} recognizes, and the secrets in this process's environment.
 *
 * @example
 * redact("postgres://ada:pass@db/x"); // "postgres://[redacted]@db/x"
 */
export function redact(text: string, secrets: readonly (string | undefined)[] = []): string {
  return redactor([...secrets, ...secretsOf(process.env)])(text);
}

/** A copy of a foreign error with only its name, message and stack, redacted: no headers, requests or bodies. */
export function redactError(error: unknown, secrets: readonly (string | undefined)[] = []): Error {
  const copy = new Error(redact(error instanceof Error ? error.message : String(error), secrets));
  if (error instanceof Error) {
    copy.name = error.name;
    copy.stack = redact(error.stack ?? "", secrets);
  }
  return copy;
}
