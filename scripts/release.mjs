/**
 * Prepares a release: the version, and the changelog's heading for it.
 *
 *   node scripts/release.mjs 0.2.0            writes package.json, package-lock.json and CHANGELOG.md
 *   node scripts/release.mjs --check 0.2.0    whether the tree is that release: for the workflow, before it publishes
 *   node scripts/release.mjs --notes 0.2.0    prints its section of the changelog
 *
 * Changes are written under "[Unreleased]" with the change itself. Nothing is committed or published. Node built-ins only.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const HEADING = /^## \[([^\]]+)\].*$/gm;

/** Text below a version's heading, without it; undefined when there is no such heading. */
export function sectionOf(changelog, version) {
  const headings = [...changelog.matchAll(HEADING)];
  const at = headings.findIndex((match) => match[1] === version);
  if (at === -1) return undefined;
  const start = headings[at].index + headings[at][0].length;
  return changelog.slice(start, headings[at + 1]?.index ?? changelog.length).trim();
}

/** The changelog with what is unreleased under a heading of its own, and an empty "[Unreleased]" above. */
export function release(changelog, version, date) {
  if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) throw new Error(`"${version}" is no version such as 0.2.0`);
  if (sectionOf(changelog, version) !== undefined)
    throw new Error(`CHANGELOG.md has a section ${version} already`);
  if (!sectionOf(changelog, "Unreleased")) throw new Error('CHANGELOG.md has nothing under "[Unreleased]"');
  return changelog.replace(/^## \[Unreleased\].*$/m, `## [Unreleased]\n\n## [${version}] - ${date}`);
}

/** What keeps the tree from being published as `version`. */
export function problems(manifest, changelog, version) {
  const found = [];
  if (manifest.version !== version)
    found.push(`package.json has version ${manifest.version}, not ${version}`);
  if (!sectionOf(changelog, version)) found.push(`CHANGELOG.md has no section ${version}`);
  for (const name of ["repository", "bugs", "homepage"]) {
    if (JSON.stringify(manifest[name] ?? "OWNER").includes("OWNER"))
      found.push(`package.json: "${name}" still names OWNER`);
  }
  return found;
}

function main([first, second]) {
  const read = (path) => readFileSync(join(ROOT, path), "utf8");
  const [manifest, changelog] = [JSON.parse(read("package.json")), read("CHANGELOG.md")];
  if (first === "--check") {
    const found = problems(manifest, changelog, second);
    if (found.length > 0) throw new Error(found.join("\n"));
  } else if (first === "--notes") {
    const section = sectionOf(changelog, second);
    if (!section) throw new Error(`CHANGELOG.md has no section ${second}`);
    console.log(section);
  } else {
    const next = release(changelog, String(first), new Date().toISOString().slice(0, 10));
    writeFileSync(join(ROOT, "CHANGELOG.md"), next);
    for (const path of ["package.json", "package-lock.json"]) {
      const text = JSON.parse(read(path));
      text.version = first;
      if (text.packages) text.packages[""].version = first;
      writeFileSync(join(ROOT, path), `${JSON.stringify(text, null, 2)}\n`);
    }
    console.log(`Now: review, commit, and push the tag v${first}.`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    main(process.argv.slice(2));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
