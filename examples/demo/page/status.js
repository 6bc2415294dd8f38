// SPDX-License-Identifier: MIT OR Apache-2.0
// Lua's own counter in the header: as it is pushed, and as it is at one moment (GET /status, which
// is not counted itself).
import { send } from "./api.js";
import { count } from "./format.js";

/** How many messages Lua has handled since it started, or null if that cannot be read. */
export async function readHandled() {
  const { status, data } = await send("GET", "/status");
  if (status !== 200) return null;
  show("handled", count(data.handled));
  return data.handled;
}

/** What Lua pushes four times a second. */
export function showStatus({ handled, kb }) {
  show("handled", count(handled));
  show("memory", `${count(Math.round(kb))} KiB`);
}

export function showLua(version) {
  show("lua", version);
}

function show(name, text) {
  document.getElementById(`status-${name}`).textContent = text;
}
