/**
 * The pages of `docs/` in TypeDoc's site: named by their first heading, in the groups of `GROUPS`.
 *
 * Owns the groups. A page that no group names fails the build, so that none is forgotten.
 */
import { Converter } from "typedoc";

/** Pages by group. Their order is that of `projectDocuments` in `typedoc.json`. */
const GROUPS = {
  Guide: [
    "agent",
    "store",
    "configuration",
    "troubleshooting",
    "install",
    "local-models",
    "tracing",
    "command-line",
    "deployment",
  ],
  Recipes: ["create-agent", "own-graph", "from-mem0", "from-langmem", "auth", "train"],
  Research: ["rollouts", "rewards", "trajectory", "training", "evaluation", "thresholds"],
  Project: ["architecture"],
};

export function load(app) {
  app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_, document) => {
    const page = document.name.split("/").at(-1);
    const group = Object.keys(GROUPS).find((name) => GROUPS[name].includes(page));
    if (!group)
      app.logger.error(`docs/${document.name}.md is in no group of scripts/docs/typedoc-plugin.mjs`);
    document.frontmatter.group = group;
    const [first] = document.content;
    const heading = first?.kind === "text" && first.text.match(/^\s*# (.*)\n/);
    if (!heading) return;
    document.name = heading[1].replaceAll("`", "");
    first.text = first.text.slice(heading[0].length);
  });
}
