/** The compiled kernels are what their sources compile to. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import wabt from "wabt";
import { ROOT } from "../../support/source-tree.js";

const read = (name: string) => readFileSync(join(ROOT, "src/store/vectors", name), "utf8");

it.each(["dot-kernel", "codes/code-kernel", "codes/row-kernel"])(
  "%s.ts holds the bytes of its source",
  async (name) => {
    const { parseWat } = await wabt();
    const parsed = parseWat("kernel.wat", read(`${name}.wat`), { simd: true });
    const { buffer } = parsed.toBinary({});
    parsed.destroy();
    const held = [...read(`${name}.ts`).matchAll(/^ {2}"([A-Za-z0-9+/=]+)"/gm)]
      .map(([, part]) => part)
      .join("");
    expect(held.length).toBeGreaterThan(200);
    expect(Buffer.from(buffer).toString("base64")).toBe(held);
  },
);
