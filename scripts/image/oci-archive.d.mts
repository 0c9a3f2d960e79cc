/** Packs a folder into an OCI archive. */
export function packImage(options: {
  readonly folder: string;
  readonly output: string;
  readonly name: string;
  readonly config: object;
  readonly compress: boolean;
}): Promise<{ readonly digest: string; readonly bytes: number }>;
