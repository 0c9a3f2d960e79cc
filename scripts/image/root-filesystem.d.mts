/** Uid and gid of everything in the image. */
export const USER: number;
/** Makes the image's root file system; returns what is in it. */
export function makeRootFilesystem(
  root: string,
  target: string,
): readonly { readonly name: string; readonly bytes: number }[];
