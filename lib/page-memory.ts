/** Size and alignment that every file system takes for direct I/O. */
export const PAGE_BYTES = 4096;

// The compiler's libraries know it with browsers only.
declare const WebAssembly: {
  readonly Memory: new (size: { readonly initial: number }) => { readonly buffer: ArrayBuffer };
};

const WASM_PAGE_BYTES = 65_536;
const pageBuffers = new WeakSet<ArrayBufferLike>();

/**
 * Memory whose address is a multiple of the page size, as direct I/O wants it: JavaScript's own buffers may lie anywhere,
 * WebAssembly's begin on a page. What is never touched takes no memory. It is given back when nothing refers to it.
 */
export function pageMemory(bytes: number): Uint8Array {
  const { buffer } = new WebAssembly.Memory({ initial: Math.ceil(bytes / WASM_PAGE_BYTES) });
  pageBuffers.add(buffer);
  return new Uint8Array(buffer, 0, bytes);
}

/** Whether it begins on a page and takes whole pages. */
export function isWholePages(part: Uint8Array): boolean {
  return (
    pageBuffers.has(part.buffer) &&
    part.byteOffset % PAGE_BYTES === 0 &&
    part.length % PAGE_BYTES === 0
  );
}
