// SPDX-License-Identifier: MIT OR Apache-2.0
// Part 1: sends what was typed to Lua and shows the answer. Lua pushes the list below it.
import { reason, send } from "./api.js";
import { onPress } from "./busy.js";
import { showCode } from "./colour.js";
import { indentJson, milliseconds } from "./format.js";

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
}
