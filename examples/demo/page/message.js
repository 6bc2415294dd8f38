// SPDX-License-Identifier: MIT OR Apache-2.0
// Part 1: sends what was typed to Lua, shows the answer and what has come in so far.
import { reason, send } from "./api.js";
import { onPress } from "./busy.js";
import { showCode } from "./colour.js";
import { count, indentJson, milliseconds } from "./format.js";
import { readHandled } from "./status.js";
import { fillTable } from "./table.js";

const ROWS = 6;
const result = document.getElementById("message-result");
const answer = document.getElementById("message-answer");

export function startMessage() {
  onPress(document.getElementById("message-send"), sendMessage);
}

async function sendMessage() {
  const reply = await send("POST", "/messages", document.getElementById("message-text").value);
  const accepted = reply.status === 200;
  const time = milliseconds(reply.ended - reply.started);
  result.className = accepted ? "verdict good" : "verdict bad";
  result.textContent = accepted
    ? `Lua answered in ${time}`
    : `${reply.status || "No answer"} after ${time}: ${reason(reply)}`;
  answer.hidden = !accepted;
  if (accepted) showCode(answer.firstElementChild, indentJson(reply.text), "json");
  await showMessages();
  await readHandled();
}

/** The last messages, as Lua keeps them. */
export async function showMessages() {
  const { status, data } = await send("GET", "/messages");
  if (status !== 200) return;
  document.getElementById("messages-count").textContent =
    data.length > ROWS ? `the newest ${ROWS} of the ${data.length} that Lua keeps` : "";
  document.getElementById("messages-none").hidden = data.length > 0;
  const table = document.getElementById("messages");
  table.hidden = data.length === 0;
  fillTable(
    table,
    data.slice(0, ROWS).map((item) => [count(item.number), item.at, item.body.slice(0, 300)]),
  );
}
