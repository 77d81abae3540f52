/**
 * Runs compiled WebAssembly modules that compute on a memory given to them.
 *
 * Owns the types, and compiling each module once per process. Leaves out the modules and what is in their memory.
 */

/** Bytes of a page, the unit in which a memory grows. */
export const WASM_PAGE = 65_536;

/** A module's memory. `buffer` is another one after it has grown. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer;
  /** Adds pages; returns how many there were. */
  grow(pages: number): number;
}

/** Node.js has it, but its types come with TypeScript's DOM library, which a package for Node.js leaves out. */
declare const WebAssembly: {
  Memory: new (size: { initial: number; maximum?: number }) => WasmMemory;
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { readonly exports: Record<string, unknown> };
};

const compiled = new Map<string, object>();

/**
 * A memory of so many pages, filled with zeros. With `most`, the pages it may grow to, growing does not copy what is in it.
 * Throws the runtime's error when there is none to be had.
 */
export function wasmMemory(pages: number, most?: number): WasmMemory {
  return new WebAssembly.Memory(most === undefined ? { initial: pages } : { initial: pages, maximum: most });
}

/**
 * The functions that a module exports, working on a memory that it imports as `m.memory`. Throws the runtime's error where
 * WebAssembly, or an instruction of the module, is not supported.
 *
 * @param module the compiled module as base64
 * @example
 * const memory = wasmMemory(1);
 * const scores = wasmExports(MODULE, memory).scores as (...numbers: number[]) => void;
 */
export function wasmExports(module: string, memory: WasmMemory): Record<string, unknown> {
  const made = compiled.get(module) ?? new WebAssembly.Module(Buffer.from(module, "base64"));
  compiled.set(module, made);
  return new WebAssembly.Instance(made, { m: { memory } }).exports;
}
