/** Path of deploy/operator.yaml. */
export const MANIFEST: string;
/** What `helm` is to be called with. */
export const helmArguments: readonly string[];
/** The file's text, from what `helm` says. */
export function manifestOf(rendered: string): string;
