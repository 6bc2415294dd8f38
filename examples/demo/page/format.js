// SPDX-License-Identifier: MIT OR Apache-2.0
// Numbers and JSON as text for people.

/** 10000 -> "10,000" */
export function count(number) {
  return number.toLocaleString("en-GB");
}

/** "1 request", "20 requests" */
export function plural(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** Milliseconds with as many digits as mean something. */
export function milliseconds(value) {
  const digits = value < 10 ? 1 : 0;
  return `${count(Number(value.toFixed(digits)))} ms`;
}

/** Indents JSON without decoding it, so that numbers beyond 2^53 are shown as they came. */
export function indentJson(text) {
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? [];
  let depth = 0;
  let before = "";
  let result = "";
  for (const token of tokens) {
    const opened = before === "{" || before === "[";
    const closes = token === "}" || token === "]";
    if (closes) depth -= 1;
    if (closes ? !opened : opened || before === ",") result += `\n${"  ".repeat(depth)}`;
    if (token === "{" || token === "[") depth += 1;
    result += token === ":" ? ": " : token;
    before = token;
  }
  return result;
}
