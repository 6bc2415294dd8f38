// SPDX-License-Identifier: MIT OR Apache-2.0
// The popup: sends the page and shows the answer. What the program says is shown as text, never as HTML.
import { isPaired, readSettings } from "./store.js";

const element = (id) => document.getElementById(id);
element("settings").onclick = element("pair").onclick = () => chrome.runtime.openOptionsPage();
element("send").onclick = send;

const [tab] = await chrome.tabs.query({ active: true, currentWindow: true });
const paired = isPaired(await readSettings());
element("page").textContent = tab.title ?? "";
element("pairing").hidden = paired;
element("sending").hidden = !paired;

async function send() {
  element("send").disabled = true;
  const { answer, trouble } = await chrome.runtime.sendMessage({ tab: tab.id });
  element("send").disabled = false;
  element("trouble").hidden = !trouble;
  element("trouble").textContent = trouble ?? "";
  element("answer").hidden = !answer;
  if (answer) show(answer);
}

function show({ about, words, minutes, times, frequent }) {
  element("about").textContent = about;
  element("words").textContent = words.toLocaleString();
  element("minutes").textContent = minutes.toLocaleString();
  element("minutes-unit").textContent = minutes === 1 ? "minute to read" : "minutes to read";
  element("times").textContent = times.toLocaleString();
  element("times-unit").textContent = times === 1 ? "time sent" : "times sent";
  element("frequent").replaceChildren(...frequent.map(chip));
}

function chip({ word, times }) {
  const item = document.createElement("li");
  const count = document.createElement("span");
  count.textContent = `${times}×`;
  item.append(word, " ", count);
  return item;
}
