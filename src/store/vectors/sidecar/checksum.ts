/** CRC-32 over several pieces. Pure. */
import * as zlib from "node:zlib";

/** Continues the CRC-32 of earlier data with `data`; start with 0. */
export function crc32(data: Uint8Array, value = 0): number {
  // zlib treats an empty array as none and would start over.
  if (data.length === 0) return value;
  // Node before 20.15 has no zlib.crc32.
  return typeof zlib.crc32 === "function" ? zlib.crc32(data, value) : slowCrc32(data, value);
}

let table: Uint32Array | undefined;

function slowCrc32(data: Uint8Array, value: number): number {
  table ??= Uint32Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    return c;
  });
  let crc = ~value;
  for (const byte of data) crc = (table[(crc ^ byte) & 255] as number) ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** The bytes of a typed array; they share its memory. */
export function bytesOf(
  array: Float64Array | Float32Array | Int32Array | Uint32Array | Int8Array | Uint8Array,
): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
