// SPDX-License-Identifier: MIT OR Apache-2.0
// Asks the demo's Lua program, with each answer as it came: the experiments count refusals, and
// show text that JSON.parse would round. moonport.js would send again, and decode. Never throws.
// When the server is gone or no longer knows this page, a notice at the top says what to do.
import { hideNotice, showNotice } from "./notice.js";

/** Sends a request. `status` 0 means that no answer came; times are in milliseconds. */
export async function send(method, path, body) {
  const started = performance.now();
  let response;
  let text;
  try {
    const headers = body === undefined ? {} : { "Content-Type": "application/json" };
    response = await fetch(path, { method, headers, body, cache: "no-store" });
    text = await response.text();
  } catch (error) {
    showNotice("The server gave no answer. Is the program in the terminal still running?");
    return { status: 0, text: error.message, data: null, started, ended: performance.now() };
  }
  const ended = performance.now();
  if (response.status === 401) {
    showNotice("The server does not know this page. Open the link printed in the terminal again.");
  } else {
    hideNotice();
  }
  const retryAfter = Number(response.headers.get("Retry-After")) || 1; // seconds
  return { status: response.status, text, data: parse(text), started, ended, retryAfter };
}

/** What a refusal says: the `error` of a JSON body, else the text itself. */
export function reason(reply) {
  return reply.data?.error ?? (reply.text.trim() || "no text");
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
