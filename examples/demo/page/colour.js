// SPDX-License-Identifier: MIT OR Apache-2.0
// Colours Lua and JSON: splits the text by one pattern per language, builds spans, nothing more.
const words =
  "and|do|else|elseif|end|false|for|function|if|in|" +
  "local|nil|not|or|repeat|return|then|true|until|while";
const languages = {
  lua: pattern({
    comment: /--[^\n]*/,
    string: /"(?:[^"\\\n]|\\.)*"/,
    keyword: new RegExp(`\\b(?:${words})\\b`),
    number: /\b\d[\w.]*/,
  }),
  json: pattern({
    key: /"(?:[^"\\]|\\.)*"(?=\s*:)/,
    string: /"(?:[^"\\]|\\.)*"/,
    keyword: /\b(?:true|false|null)\b/,
    number: /-?\b\d[\w.+-]*/,
  }),
};

export function showCode(element, text, language) {
  element.replaceChildren();
  let end = 0;
  for (const match of text.matchAll(languages[language])) {
    const [kind, token] = Object.entries(match.groups).find(([, value]) => value !== undefined);
    const span = document.createElement("span");
    span.className = `code-${kind}`;
    span.textContent = token;
    element.append(text.slice(end, match.index), span);
    end = match.index + token.length;
  }
  element.append(text.slice(end));
}

/** One expression that names the kind of what it found. */
function pattern(kinds) {
  const named = Object.entries(kinds).map(([kind, { source }]) => `(?<${kind}>${source})`);
  return new RegExp(named.join("|"), "g");
}
