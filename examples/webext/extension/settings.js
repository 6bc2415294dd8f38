// SPDX-License-Identifier: MIT OR Apache-2.0
// The settings: pairing by token, or native messaging.
import { readSettings, saveSettings } from "./store.js";

const form = document.getElementById("form");
const { way, address, token } = form.elements;

const settings = await readSettings();
for (const field of ["way", "address", "token"]) form.elements[field].value = settings[field];
document.getElementById("command").textContent =
  `moonport native-messaging install --name moonport.webext --extension ${location.host}`;

form.onchange = showWay;
form.onsubmit = async (event) => {
  event.preventDefault();
  // Asked for when it is needed: the prompt says that the extension may talk to programs.
  const allowed =
    way.value === "http" || (await chrome.permissions.request({ permissions: ["nativeMessaging"] }));
  if (allowed) {
    await saveSettings({ way: way.value, address: address.value, token: token.value.trim() });
  }
  document.getElementById("saved").textContent = allowed
    ? "Saved. Open the popup on a page to send it."
    : "Not saved: native messaging was not allowed.";
};

showWay();
form.hidden = false; // not before: nobody fills in what is about to be filled in

function showWay() {
  const native = way.value === "native";
  document.getElementById("http").hidden = native;
  document.getElementById("native").hidden = !native;
  address.disabled = token.disabled = native; // what is not shown is not checked
  document.getElementById("saved").textContent = "";
}
