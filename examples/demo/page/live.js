// SPDX-License-Identifier: MIT OR Apache-2.0
// The WebSocket on which Lua says what is new: its count four times a second, and each message
// that comes in, of any page.
import { live } from "/moonport.js";
import { plural } from "./format.js";
import { addMessage, showMessages } from "./messages.js";
import { hideNotice } from "./notice.js";
import { addPush } from "./pulse.js";
import { readHandled, showLua, showStatus } from "./status.js";

const state = document.getElementById("live-state");

export function startLive() {
  live("/live", { open, message, close });
}

function open() {
  state.className = "verdict good";
  state.textContent = "Connected. Lua pushes, this page listens.";
  hideNotice();
}

function message({ lua, messages, message, handled, kb }) {
  if (lua) showLua(lua);
  if (messages) showMessages(messages);
  if (message) addMessage(message);
  if (handled !== undefined) {
    showStatus({ handled, kb });
    addPush(handled);
  }
}

function close(code, reason, again) {
  state.className = "verdict bad";
  const wait = plural(Math.round(again / 1000), "second");
  state.textContent = `Not connected. The next attempt is in ${wait}.`;
  // A WebSocket cannot tell why; a request can, and shows it at the top.
  readHandled();
}
