// SPDX-License-Identifier: MIT OR Apache-2.0
// What the user has set: the way to the program, its address and its token.

const DEFAULTS = { way: "http", address: "http://127.0.0.1:8788", token: "" };

export function readSettings() {
  return chrome.storage.local.get(DEFAULTS);
}

export function saveSettings(settings) {
  return chrome.storage.local.set(settings);
}

export function isPaired({ way, token }) {
  return way === "native" || token !== "";
}
