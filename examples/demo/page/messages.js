// SPDX-License-Identifier: MIT OR Apache-2.0
// What has come in: the last messages that Lua keeps, of every page.
import { count } from "./format.js";
import { fillTable } from "./table.js";

const ROWS = 6;
const KEPT = 50; // by Lua
let messages = [];

/** All of them, newest first. */
export function showMessages(all) {
  messages = all.slice(0, KEPT);
  document.getElementById("messages-count").textContent =
    messages.length > ROWS ? `the newest ${ROWS} of the ${messages.length} that Lua keeps` : "";
  document.getElementById("messages-none").hidden = messages.length > 0;
  const table = document.getElementById("messages");
  table.hidden = messages.length === 0;
  fillTable(
    table,
    messages.slice(0, ROWS).map(({ number, at, body }) => [count(number), at, body.slice(0, 300)]),
  );
}

/** One more. */
export function addMessage(message) {
  showMessages([message, ...messages]);
}
