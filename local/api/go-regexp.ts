/**
 * Go's regular expressions (RE2) as JavaScript ones, for patterns of schemas and `matches` of rules. What RE2 has and
 * JavaScript lacks is rewritten; what JavaScript has and RE2 lacks (look-around, back-references) is refused.
 */

/** Longer patterns are refused. */
const MAX_PATTERN_LENGTH = 10_000;
/** Compiled patterns that are kept. */
const MAX_KEPT = 1_000;

const POSIX_CLASSES: Readonly<Record<string, string>> = {
  alnum: "0-9A-Za-z",
  alpha: "A-Za-z",
  ascii: "\\x00-\\x7F",
  blank: "\\t ",
  cntrl: "\\x00-\\x1F\\x7F",
  digit: "0-9",
  graph: "!-~",
  lower: "a-z",
  print: " -~",
  punct: "!-\\/:-@\\[-`\\{-~",
  space: "\\t\\n\\v\\f\\r ",
  upper: "A-Z",
  word: "0-9A-Za-z_",
  xdigit: "0-9A-Fa-f",
};

const kept = new Map<string, RegExp>();

/** @throws SyntaxError when it is not a pattern of RE2 */
export function goRegExp(pattern: string): RegExp {
  const known = kept.get(pattern);
  if (known !== undefined) return known;
  const compiled = compile(pattern);
  if (kept.size >= MAX_KEPT) kept.clear();
  kept.set(pattern, compiled);
  return compiled;
}

function compile(pattern: string): RegExp {
  if (pattern.length > MAX_PATTERN_LENGTH) throw new SyntaxError("expression is too long");
  let source = "";
  let flags = "u";
  let position = 0;
  let inClass = false;
  const take = (form: RegExp): RegExpExecArray | null => {
    form.lastIndex = position;
    const found = form.exec(pattern);
    if (found !== null) position += found[0].length;
    return found;
  };
  while (position < pattern.length) {
    const start = position;
    const leading = start === 0 ? take(/\(\?([ims]+)\)/y) : null;
    if (leading !== null) {
      flags += [...new Set(leading[1])].join("");
      continue;
    }
    const posix = inClass ? take(/\[:(\^?)([a-z]+):\]/y) : null;
    if (posix !== null) {
      const members = POSIX_CLASSES[posix[2] ?? ""];
      if (members === undefined || posix[1] === "^") {
        throw new SyntaxError(`invalid character class range: \`${posix[0]}\``);
      }
      source += members;
      continue;
    }
    if (take(/\\Q/y) !== null) {
      const quoted = take(/([\s\S]*?)(?:\\E|$)/y)?.[1] ?? "";
      source += Array.from(quoted).map(literal).join("");
      continue;
    }
    const escape = take(/\\([\s\S])/uy);
    if (escape !== null) {
      source += escaped(escape[1] ?? "", inClass);
      continue;
    }
    if (!inClass && take(/\(\?P?</y) !== null) {
      if (/[=!]/.test(pattern.charAt(position))) refused(pattern.slice(start, position + 1));
      source += "(?<";
      continue;
    }
    if (!inClass && take(/\(\?(?!:|[ims]*(?:-[ims]+)?:)/y) !== null) {
      refused(pattern.slice(start, position + 1));
    }
    const character = pattern.charAt(position);
    position++;
    if (character === "[" && !inClass) {
      inClass = true;
      source += "[";
      if (pattern.charAt(position) === "^") {
        source += "^";
        position++;
      }
      // A bracket that comes first is a member of the class.
      if (pattern.charAt(position) === "]") {
        source += "\\]";
        position++;
      }
      continue;
    }
    if (character === "]") {
      source += inClass ? "]" : "\\]";
      inClass = false;
    } else if (character === "[") source += "\\[";
    else if (!inClass && character === "{" && !/^\d+(?:,\d*)?\}/.test(pattern.slice(position))) {
      source += "\\{";
    } else if (!inClass && character === "}" && !/\{\d+(?:,\d*)?$/.test(source)) source += "\\}";
    else if (inClass && character === "-" && isEscapedSet(source)) {
      // After a set such as \w a minus is itself.
      source += "\\-";
    } else source += character;
  }
  return new RegExp(source, flags);
}

function escaped(character: string, inClass: boolean): string {
  switch (character) {
    case "A":
      return "(?<![\\s\\S])";
    case "z":
      return "(?![\\s\\S])";
    case "a":
      return "\\x07";
    case "C":
      return "[\\s\\S]";
    case "s":
      // Without the spaces of Unicode and without \v.
      return inClass ? "\\t\\n\\f\\r " : "[\\t\\n\\f\\r ]";
    case "S":
      return inClass ? "\\S" : "[^\\t\\n\\f\\r ]";
    case "-":
      return "\\x2d";
  }
  if (/[dDwWbBnrtfvpPx]/.test(character)) return `\\${character}`;
  if (/[0-7]/.test(character)) return refused(`\\${character}`);
  if (/[A-Za-z89]/.test(character)) {
    throw new SyntaxError(`invalid escape sequence: \`\\${character}\``);
  }
  return literal(character);
}

/** A character that stands for itself. */
function literal(character: string): string {
  return /[\^$\\.*+?()[\]{}|/]/.test(character)
    ? `\\${character}`
    : character === "-"
      ? "\\x2d"
      : character;
}

function isEscapedSet(source: string): boolean {
  return /(?:^|[^\\])(?:\\\\)*\\[dDwW]$/.test(source);
}

function refused(what: string): never {
  throw new SyntaxError(`invalid or unsupported Perl syntax: \`${what}\``);
}
