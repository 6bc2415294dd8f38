// SPDX-License-Identifier: MIT OR Apache-2.0
// The service worker: reads the page, sends it to the program, and gives the popup an answer or a
// sentence that says what went wrong.
import { readSettings } from "./store.js";
import { overHttp, overNative, Trouble } from "./ways.js";

const LONGEST = 200_000; // characters of a page; the program takes 1 MiB

// Scripts in pages have no business with the token.
chrome.storage.local.setAccessLevel?.({ accessLevel: "TRUSTED_CONTEXTS" });

chrome.runtime.onMessage.addListener((message, _sender, respond) => {
  sendPage(message.tab).then(
    (answer) => respond({ answer }),
    (error) => respond({ trouble: error instanceof Trouble ? error.message : String(error) }),
  );
  return true; // the answer comes later
});

async function sendPage(tab) {
  const page = await readPage(tab);
  const settings = await readSettings();
  const { status, body } =
    settings.way === "native" ? await overNative("/page", page) : await overHttp(settings, "/page", page);
  if (status !== 200) throw Trouble.ofStatus(status, body);
  return body;
}

async function readPage(tab) {
  try {
    const [{ result }] = await chrome.scripting.executeScript({
      target: { tabId: tab },
      func: lookAtPage,
      args: [LONGEST],
    });
    return result;
  } catch {
    throw new Trouble("The browser keeps extensions out of this page.");
  }
}

/** Runs in the page, and so uses nothing from outside itself. */
function lookAtPage(longest) {
  // A cut inside a character would not be UTF-8.
  const cut = (text) => text.slice(0, longest).toWellFormed();
  return {
    title: cut(document.title),
    address: location.href,
    selection: cut(String(getSelection() ?? "")),
    text: cut(document.body?.innerText ?? ""),
  };
}
