/** A memory of WebAssembly; it is never grown here, so its buffer is always the same one. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer;
}

// The compiler's libraries know it with browsers only.
declare const WebAssembly: {
  readonly Memory: new (size: { readonly initial: number }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array) => WasmModule;
  readonly Instance: new (
    module: WasmModule,
    imports: Readonly<Record<string, Readonly<Record<string, WasmMemory>>>>,
  ) => { readonly exports: Readonly<Record<string, unknown>> };
};

export type WasmModule = object;

/** @param pages of 64 KiB */
export function newWasmMemory(pages: number): WasmMemory {
  return new WebAssembly.Memory({ initial: pages });
}

/** Throws where a feature that the module needs is missing. */
export function compileWasm(bytes: Uint8Array): WasmModule {
  return new WebAssembly.Module(bytes);
}

/** What a module exports, on memories given by their names. */
export function instantiateWasm(
  module: WasmModule,
  memories: Readonly<Record<string, WasmMemory>>,
): Readonly<Record<string, unknown>> {
  return new WebAssembly.Instance(module, { memory: memories }).exports;
}
