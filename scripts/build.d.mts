/** Compiles the product into dist/ if it is older than the sources. @returns whether it is now as new as they are */
export function build(options: { readonly fast: boolean }): boolean;
