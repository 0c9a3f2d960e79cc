/**
 * Node's own `http` and `https`, without a module namespace (edge). To make one, which `import` does, Node reads every
 * export once, and one of them loads a whole second HTTP client: 13 MiB and 60 ms of a process that never uses it.
 */
export const http = process.getBuiltinModule("node:http");

/** Loaded where it is used: it brings TLS. */
export function https(): typeof import("node:https") {
  return process.getBuiltinModule("node:https");
}
