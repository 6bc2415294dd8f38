// SPDX-License-Identifier: MIT OR Apache-2.0
// The notice at the top of the page, read aloud when it appears.
const box = document.getElementById("notice");

export function showNotice(text) {
  if (box.textContent !== text) box.textContent = text;
  box.hidden = false;
}

export function hideNotice() {
  box.hidden = true;
  box.textContent = "";
}
