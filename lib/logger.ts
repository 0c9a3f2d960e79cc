/** Fields of a structured log line; values must be plain data. */
export type LogFields = Readonly<Record<string, unknown>>;

/**
 * Where parts report what a person wants to know. `error`: we are at fault or need help; `warn`: something outside
 * is at fault and is being coped with; `info`: state changes; `debug`: the rest. Never on a hot path.
 */
export interface Logger {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  /** A logger whose lines also carry `fields`. */
  child(fields: LogFields): Logger;
}

/** Drops everything. */
export const silentLogger: Logger = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
  child: () => silentLogger,
};
