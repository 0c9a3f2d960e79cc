import { isIPv4, isIPv6 } from "node:net";

const TIME = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:?\d{2})$/;
const DURATION = /^[+-]?(?:\d+(?:\.\d+)?\s*(?:ns|us|µs|ms|s|sec|m|min|h|hr|d|w)[a-z]*\s*)+$/i;
const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;
const EMAIL = /^[^@\s]+@[^@\s]+$/;
const HOSTNAME =
  /^[a-zA-Z0-9](?:[-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)*$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Tests of the formats of strings that the API server knows; those that it does not know it lets through. */
const FORMATS: ReadonlyMap<string, (text: string) => boolean> = new Map([
  ["byte", (text) => BASE64.test(text)],
  ["date", (text) => /^\d{4}-\d{2}-\d{2}$/.test(text) && isDate(`${text}T00:00:00Z`)],
  ["date-time", (text) => TIME.test(text) && isDate(text.replace(" ", "T"))],
  ["duration", (text) => text === "0" || DURATION.test(text)],
  ["email", (text) => EMAIL.test(text)],
  ["hostname", (text) => text.length <= 253 && HOSTNAME.test(text)],
  ["ipv4", (text) => isIPv4(text)],
  ["ipv6", (text) => isIPv6(text)],
  ["cidr", isNetwork],
  ["mac", (text) => /^[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}$/i.test(text)],
  ["uri", (text) => URL.canParse(text) || text.startsWith("/")],
  ["uuid", (text) => UUID.test(text)],
]);

/** Whether a string has a format of OpenAPI, or one that nothing is known of. */
export function hasFormat(text: string, format: string): boolean {
  return FORMATS.get(format)?.(text) ?? true;
}

function isDate(text: string): boolean {
  return !Number.isNaN(Date.parse(text));
}

function isNetwork(text: string): boolean {
  const [address = "", bits = ""] = text.split("/");
  if (!/^\d{1,3}$/.test(bits)) return false;
  return (isIPv4(address) && Number(bits) <= 32) || (isIPv6(address) && Number(bits) <= 128);
}
