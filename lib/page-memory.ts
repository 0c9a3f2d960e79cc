import { newWasmMemory, type WasmMemory } from "./wasm.ts";

/** Size and alignment that every file system takes for direct I/O. */
export const PAGE_BYTES = 4096;

const WASM_PAGE_BYTES = 65_536;
const memories = new WeakMap<ArrayBufferLike, WasmMemory>();

/**
 * Memory whose address is a multiple of the page size, as direct I/O wants it: JavaScript's own buffers may lie anywhere,
 * WebAssembly's begin on a page, and checksums of what lies there take a third of the time (crc32c.ts). What is never
 * touched takes no memory. It is given back when nothing refers to it.
 */
export function pageMemory(bytes: number): Uint8Array {
  const memory = newWasmMemory(Math.ceil(bytes / WASM_PAGE_BYTES));
  memories.set(memory.buffer, memory);
  return new Uint8Array(memory.buffer, 0, bytes);
}

/** WebAssembly's view of the memory that a buffer of `pageMemory` lies in; undefined for any other. */
export function wasmMemoryOf(buffer: ArrayBufferLike): WasmMemory | undefined {
  return memories.get(buffer);
}

/** Whether it begins on a page and takes whole pages. */
export function isWholePages(part: Uint8Array): boolean {
  return (
    memories.has(part.buffer) &&
    part.byteOffset % PAGE_BYTES === 0 &&
    part.length % PAGE_BYTES === 0
  );
}
