// SPDX-License-Identifier: MIT OR Apache-2.0
// Shows the Lua program that answers this page, as the program itself sends it.
import { reason, send } from "./api.js";
import { showCode } from "./colour.js";

export async function showSource() {
  const code = document.getElementById("source");
  const reply = await send("GET", "/source");
  if (reply.status === 200) showCode(code, reply.text.trimEnd(), "lua");
  else code.textContent = `The source could not be read: ${reason(reply)}`;
}
