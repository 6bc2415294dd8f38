// SPDX-License-Identifier: MIT OR Apache-2.0
// Reads Lua's own counter (GET /status, which is not counted itself) and shows it in the header.
import { send } from "./api.js";
import { count } from "./format.js";

/** How many messages Lua has handled since it started, or null if that cannot be read. */
export async function readHandled() {
  const { status, data } = await send("GET", "/status");
  if (status !== 200) return null;
  document.getElementById("status-handled").textContent = count(data.handled);
  document.getElementById("status-lua").textContent = data.lua;
  document.getElementById("status-memory").textContent = `${count(Math.round(data.kb))} KiB`;
  return data.handled;
}
