import winston from "winston";
import type { LogFields, Logger } from "./logger.ts";

/** The process's logger (edge): JSON lines, or lines for people, on standard output. */
export function createLogger(options: {
  readonly level: string;
  readonly format: "json" | "text";
}): Logger {
  const { combine, timestamp, json, printf } = winston.format;
  const text = printf(({ level, message, timestamp: time, ...fields }) => {
    const rest = Object.keys(fields).length === 0 ? "" : ` ${JSON.stringify(fields)}`;
    return `${String(time)} ${level} ${String(message)}${rest}`;
  });
  const root = winston.createLogger({
    level: options.level,
    format: combine(timestamp(), options.format === "json" ? json() : text),
    // winston's types and those of its transports come from two packages that disagree on the class.
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment
    transports: new winston.transports.Console(),
  });
  return wrap(root);
}

function wrap(logger: winston.Logger): Logger {
  return {
    error: (message, fields) => void logger.error(message, fields),
    warn: (message, fields) => void logger.warn(message, fields),
    info: (message, fields) => void logger.info(message, fields),
    debug: (message, fields) => void logger.debug(message, fields),
    child: (fields: LogFields) => wrap(logger.child(fields)),
  };
}
