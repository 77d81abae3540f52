/** A judge's verdicts on disk, as JSON Lines of `{key, value}`, so that no question is paid for twice. */
import { JsonlWriter, readJsonl } from "../../lib/jsonl.js";
import type { JudgeCache } from "./llm.js";

/** Cache in one append-only file. Only one process at a time may write it. */
export class DiskJudgeCache implements JudgeCache {
  private constructor(
    private readonly known: Map<string, unknown>,
    private readonly file: JsonlWriter,
  ) {}

  /** Opens the file, or creates it. @throws InputError `AGEMEM_INPUT_FILE`, `AGEMEM_INPUT_FORMAT` */
  static async open(path: string): Promise<DiskJudgeCache> {
    const known = new Map<string, unknown>();
    const file = await JsonlWriter.open(path);
    for await (const { value } of readJsonl(path)) {
      const { key, value: verdict } = value as { key?: unknown; value?: unknown };
      if (typeof key === "string") known.set(key, verdict);
    }
    return new DiskJudgeCache(known, file);
  }

  get size(): number {
    return this.known.size;
  }

  get(key: string): unknown {
    return this.known.get(key);
  }

  async set(key: string, value: unknown): Promise<void> {
    this.known.set(key, value);
    await this.file.append([{ key, value }]);
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}
