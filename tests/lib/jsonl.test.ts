import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { JsonlWriter, readJson, readJsonl } from "../../src/lib/jsonl.js";
import { ROOT } from "../support/source-tree.js";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "agemem-jsonl-"));
  path = join(folder, "records.jsonl");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function values(file = path): Promise<unknown[]> {
  const out: unknown[] = [];
  for await (const { value } of readJsonl(file)) out.push(value);
  return out;
}

async function appendTo(file: string, ...records: unknown[]): Promise<void> {
  const writer = await JsonlWriter.open(file);
  await writer.append(records);
  await writer.close();
}

describe("JsonlWriter and readJsonl", () => {
  it("give back what was written, with line numbers, over several openings", async () => {
    await appendTo(path, { text: "a\nb\u2028c" }, [1, null]);
    await appendTo(path, "ü");
    const lines = [];
    for await (const line of readJsonl(path)) lines.push(line);
    expect(lines).toEqual([
      { line: 1, value: { text: "a\nb\u2028c" } },
      { line: 2, value: [1, null] },
      { line: 3, value: "ü" },
    ]);
  });

  it("skips a torn last line, and cuts it off before the next append", async () => {
    await appendTo(path, { id: 1 });
    appendFileSync(path, '{"id":2,"text":"cut of');
    expect(await values()).toEqual([{ id: 1 }]);
    await appendTo(path, { id: 3 });
    expect(readFileSync(path, "utf8")).toBe('{"id":1}\n{"id":3}\n');
  });

  it("cuts a torn line longer than one read, and a file that is nothing but one", async () => {
    await appendTo(path, { id: 1 });
    appendFileSync(path, `{"text":"${"x".repeat(200_000)}`);
    await appendTo(path, { id: 2 });
    expect(await values()).toEqual([{ id: 1 }, { id: 2 }]);
    const only = join(folder, "only.jsonl");
    writeFileSync(only, `{"text":"${"x".repeat(70_000)}`);
    await appendTo(only, { id: 3 });
    expect(await values(only)).toEqual([{ id: 3 }]);
  });

  it("keeps every acknowledged line when the process is killed while it writes", async () => {
    const code = `
      import { JsonlWriter } from ${JSON.stringify(join(ROOT, "src/lib/jsonl.ts"))};
      const writer = await JsonlWriter.open(${JSON.stringify(path)});
      for (let id = 0; ; id++) {
        await writer.append([{ id, text: "y".repeat(20000) }]);
        process.stdout.write(id + "\\n");
      }`;
    const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", code], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "inherit"],
    });
    let acknowledged = "";
    child.stdout.on("data", (chunk) => {
      acknowledged += chunk;
      if (acknowledged.split("\n").length > 20) child.kill("SIGKILL");
    });
    await once(child, "close");
    const last = Number(acknowledged.trimEnd().split("\n").at(-1));
    await appendTo(path, { id: "after" });
    const ids = (await values()).map((value) => (value as { id: unknown }).id);
    expect(ids.at(-1)).toBe("after");
    expect(ids.slice(0, last + 1)).toEqual(Array.from({ length: last + 1 }, (_, i) => i));
  });

  it("reads a last line without newline when it is whole", async () => {
    writeFileSync(path, '{"id":1}\n{"id":2}');
    expect(await values()).toEqual([{ id: 1 }, { id: 2 }]);
  });

  it("keeps a whole last line without newline when it appends", async () => {
    writeFileSync(path, '{"id":1}\n{"id":2}');
    await appendTo(path, { id: 3 });
    expect(await values()).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
  });

  it("skips blank lines and counts them", async () => {
    writeFileSync(path, '\n{"id":1}\r\n\n{"id":2}\n');
    const lines = [];
    for await (const { line } of readJsonl(path)) lines.push(line);
    expect(lines).toEqual([2, 4]);
  });

  it.each([
    ["in the middle", '{"id":1}\n{"id":\n{"id":3}\n', 2],
    ["at the end, with its newline", '{"id":1}\n{"id":2}\nnot json\n', 3],
    ["before blank lines", "nope\n\n\n", 1],
    ["before a torn one", '{"id":1}\nnope\n{"id":', 2],
  ])("names a broken line %s", async (_, text, line) => {
    writeFileSync(path, text);
    await expect(values()).rejects.toMatchObject({ code: "AGEMEM_INPUT_FORMAT", details: { path, line } });
  });

  it("yields the lines before a broken one", async () => {
    writeFileSync(path, '{"id":1}\nnope\n{"id":3}\n');
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const { value } of readJsonl(path)) seen.push(value);
    })();
    await expect(reading).rejects.toMatchObject({ code: "AGEMEM_INPUT_FORMAT" });
    expect(seen).toEqual([{ id: 1 }]);
  });

  it("names a file that cannot be read or written", async () => {
    await expect(values()).rejects.toMatchObject({ code: "AGEMEM_INPUT_FILE", details: { path } });
    await expect(values(folder)).rejects.toMatchObject({ code: "AGEMEM_INPUT_FILE" });
    const below = join(folder, "none", "records.jsonl");
    await expect(JsonlWriter.open(below)).rejects.toMatchObject({ code: "AGEMEM_INPUT_FILE" });
    mkdirSync(path);
    await expect(JsonlWriter.open(path)).rejects.toMatchObject({ code: "AGEMEM_INPUT_FILE" });
  });

  it("writes nothing for an empty batch", async () => {
    await appendTo(path);
    expect(readFileSync(path, "utf8")).toBe("");
  });
});

describe("readJson", () => {
  it("reads a file, and tells a missing one from a broken one", async () => {
    writeFileSync(path, '[1, {"a": "ü"}]');
    expect(await readJson(path)).toEqual([1, { a: "ü" }]);
    writeFileSync(path, "[1,");
    await expect(readJson(path)).rejects.toMatchObject({ code: "AGEMEM_INPUT_FORMAT", details: { path } });
    await expect(readJson(join(folder, "none.json"))).rejects.toMatchObject({ code: "AGEMEM_INPUT_FILE" });
  });
});
