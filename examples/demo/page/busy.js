// SPDX-License-Identifier: MIT OR Apache-2.0
// Lets one experiment run at a time: each compares Lua's counter before and after, and two at
// once would count each other's messages.
const page = document.documentElement;

/** Runs `work` when the button is pressed, unless something runs already. */
export function onPress(button, work) {
  button.addEventListener("click", async () => {
    if (page.dataset.busy) return;
    setBusy(true);
    try {
      await work();
    } finally {
      setBusy(false);
    }
  });
}

function setBusy(busy) {
  if (busy) page.dataset.busy = "yes";
  else delete page.dataset.busy;
  // aria-disabled keeps the keyboard's focus where it is; disabled would lose it.
  for (const button of document.querySelectorAll("button[data-starts]")) {
    button.setAttribute("aria-disabled", String(busy));
  }
}
