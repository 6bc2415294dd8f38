// SPDX-License-Identifier: MIT OR Apache-2.0
// Part 2: a burst of requests, a live histogram of their round trips, and the count of all.
import { onPress } from "./busy.js";
import { Delivery } from "./delivery.js";
import { count, plural } from "./format.js";
import { showRoundTrips } from "./histogram.js";
import { readHandled } from "./status.js";
import { judge } from "./verdict.js";

const progress = document.getElementById("burst-progress");
const sent = document.getElementById("burst-sent");
const answered = document.getElementById("burst-answered");
const handled = document.getElementById("burst-handled");
const figures = document.getElementById("burst-figures");
const refused = document.getElementById("burst-refused");
const verdict = document.getElementById("burst-verdict");
const cancel = document.getElementById("burst-cancel");
let delivery = null;

export function startBurst() {
  onPress(document.getElementById("burst-start"), runBurst);
  cancel.addEventListener("click", () => delivery?.cancel());
}

async function runBurst() {
  const total = Number(document.querySelector("input[name=burst-size]:checked").value);
  verdict.className = "verdict";
  verdict.textContent = `Sending ${count(total)}`;
  delete figures.dataset.equal; // "=" or "≠" only once it is settled
  delivery = new Delivery(total);
  show(delivery, 0);
  cancel.setAttribute("aria-disabled", "false");

  const before = await readHandled();
  const growthSoFar = () => (before === null ? null : delivery.lastNumber - before);
  const drawing = setInterval(() => show(delivery, growthSoFar()), 100);
  await delivery.run();
  clearInterval(drawing);
  const after = await readHandled();

  cancel.setAttribute("aria-disabled", "true");
  const growth = before === null || after === null ? null : after - before;
  show(delivery, growth);
  const { sent: out, answered: back } = delivery;
  figures.dataset.equal = String(out === back && back === growth);
  const { good, text } = judge(delivery, growth);
  verdict.className = good ? "verdict good" : "verdict bad";
  verdict.textContent = `${text} ${rate(delivery)}`;
  delivery = null;
}

function show(tally, growth) {
  progress.max = tally.total;
  progress.value = tally.answered;
  sent.textContent = count(tally.sent);
  answered.textContent = count(tally.answered);
  handled.textContent = growth === null ? "unknown" : count(Math.max(growth, 0));
  const again = tally.refused - tally.abandoned;
  refused.textContent =
    tally.refused > 0
      ? `${plural(tally.refused, "time")} refused (503), ${count(again)} sent again`
      : "";
  showRoundTrips(tally.times);
}

function rate({ answered: number, seconds }) {
  const each = count(Math.round(number / seconds));
  return `${plural(number, "answer")} in ${seconds.toFixed(2)} s, ${each} a second.`;
}
