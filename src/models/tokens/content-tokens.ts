/**
 * Tokens of message content that is not plain text: images, audio, files, reasoning, tool blocks. Pure.
 *
 * Providers do not publish most of these figures, and they depend on pixels and seconds that are not decoded here, so
 * these are estimates, on the high side. In tokens:
 * - image: 85 with detail "low", otherwise 765 (1024 x 1024 at high detail, OpenAI's tile rule)
 * - audio: 10 a second at 16 kB a second (128 kbit/s), at least 10; 600 (a minute) when only a reference is there
 * - video: 300 a second at 125 kB a second, at least 300; 3,000 when only a reference is there
 * - file: text counted as text; other data one token per 8 bytes, at least 250; 1,500 (two pages of PDF) when only a
 *   reference is there
 * - anything else: its JSON as text
 */
type Block = Record<string, unknown>;
type CountText = (text: string) => number;

const IMAGE = { low: 85, high: 765 } as const;
const BY_SIZE = {
  audio: { bytesPerToken: 1600, least: 10, unknown: 600 },
  video: { bytesPerToken: 417, least: 300, unknown: 3000 },
  file: { bytesPerToken: 8, least: 250, unknown: 1500 },
} as const;
const TOOL_BLOCKS = new Set([
  "tool_use",
  "tool_call",
  "function_call",
  "input_json_delta",
  "tool_call_chunk",
]);

/**
 * Tokens of a message's content.
 *
 * @param countedCalls ids of tool calls that the caller counts from the message's `tool_calls`; blocks that repeat
 * one of them are not counted twice
 */
export function countContent(
  content: unknown,
  countText: CountText,
  countedCalls: ReadonlySet<string> = new Set(),
): number {
  if (typeof content === "string") return countText(content);
  if (!Array.isArray(content))
    return content === undefined || content === null ? 0 : json(content, countText);
  let total = 0;
  for (const block of content) {
    total +=
      typeof block === "string" ? countText(block) : countBlock(block as Block, countText, countedCalls);
  }
  return total;
}

function countBlock(block: Block, countText: CountText, countedCalls: ReadonlySet<string>): number {
  const type = String(block.type ?? "");
  if (type === "text" || type === "input_text" || type === "output_text") return countText(textOf(block));
  if (TOOL_BLOCKS.has(type)) {
    const id = block.id ?? block.call_id;
    return typeof id === "string" && countedCalls.has(id) ? 0 : json(block, countText);
  }
  if (/^(reasoning|thinking|redacted_thinking)/.test(type)) return countReasoning(block, countText);
  if (type.includes("image")) return detailOf(block) === "low" ? IMAGE.low : IMAGE.high;
  if (type.includes("audio")) return bySize(block, BY_SIZE.audio);
  if (type.includes("video")) return bySize(block, BY_SIZE.video);
  if (/^(file|text-plain|document|input_file)$/.test(type)) return countFile(block, countText);
  return json(block, countText);
}

function countReasoning(block: Block, countText: CountText): number {
  const parts = [block.reasoning, block.thinking, block.text, block.data].filter(
    (x) => typeof x === "string",
  );
  const summary = Array.isArray(block.summary) ? block.summary.map((part) => textOf(part as Block)) : [];
  const text = [...parts, ...summary].join("\n");
  return text === "" ? json(block, countText) : countText(text);
}

function countFile(block: Block, countText: CountText): number {
  if (typeof block.text === "string") return countText(block.text);
  const source = block.source as Block | undefined;
  if (typeof source?.text === "string") return countText(source.text);
  if (source?.type === "text" && typeof source.data === "string") return countText(source.data);
  if (source) return bySize(source, BY_SIZE.file);
  return bySize(block, BY_SIZE.file);
}

function bySize(block: Block, rate: { bytesPerToken: number; least: number; unknown: number }): number {
  const bytes = bytesOf(block);
  return bytes === undefined ? rate.unknown : Math.max(rate.least, Math.ceil(bytes / rate.bytesPerToken));
}

/** Bytes of the data a block carries itself: base64 text, a data URL or an array of bytes. */
function bytesOf(block: Block): number | undefined {
  for (const holder of [block, block.input_audio, block.file, block.source]) {
    if (typeof holder !== "object" || holder === null) continue;
    const { data, file_data, url } = holder as Block;
    const inline = typeof url === "string" && url.startsWith("data:") ? url : undefined;
    const value = data ?? file_data ?? inline;
    if (typeof value === "string") return Math.ceil((value.length * 3) / 4);
    if (value instanceof Uint8Array) return value.byteLength;
  }
  return undefined;
}

function detailOf(block: Block): unknown {
  const image = block.image_url;
  if (typeof image === "object" && image !== null) return (image as Block).detail;
  return block.detail ?? (block.metadata as Block | undefined)?.detail;
}

function textOf(block: Block | string): string {
  if (typeof block === "string") return block;
  return typeof block?.text === "string" ? block.text : "";
}

function json(value: unknown, countText: CountText): number {
  try {
    return countText(JSON.stringify(value) ?? "") || 1;
  } catch {
    // A BigInt or a circular reference, which no provider accepts either: count its string form.
    return countText(String(value)) || 1;
  }
}
