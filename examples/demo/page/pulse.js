// SPDX-License-Identifier: MIT OR Apache-2.0
// The chart that moves: how many messages Lua handled between two pushes, over the last half
// minute. Where no push came, Lua was busy, or is gone.
import { count } from "./format.js";
import { drawing, svg } from "./svg.js";
import { fillTable } from "./table.js";

const SPAN = 30_000; // milliseconds shown
const EVERY = 250; // milliseconds between two pushes, and between two drawings
const SILENT = 600; // milliseconds without a push that are worth a shade
const HEIGHT = 150;
const TOP = 22; // room for the labels
const BOTTOM = 26; // room for the scale
const table = document.getElementById("live-table");
const details = table.closest("details");
let pushes = []; // when each came, how many messages it told of, and where the one before it was
let total = 0;
let lastHandled = null;
const redraw = drawing(document.getElementById("live-chart"), draw);

export function startPulse() {
  setInterval(() => {
    if (document.hidden) return;
    showFigures();
    redraw();
  }, EVERY);
}

/** A push has come: Lua has handled so many messages so far. */
export function addPush(handled) {
  const at = Date.now();
  const size = lastHandled === null ? 0 : Math.max(handled - lastHandled, 0);
  pushes = pushes.filter((push) => push.at > at - SPAN - EVERY);
  pushes.push({ at, size, before: pushes.at(-1)?.at ?? at });
  lastHandled = handled;
  total += 1;
}

/** How many messages were handled in each second, the last one first. */
function seconds() {
  const now = Date.now();
  const sizes = new Array(SPAN / 1000).fill(0);
  for (const { at, size } of pushes) {
    const age = Math.floor((now - at) / 1000);
    if (age < sizes.length) sizes[age] += size;
  }
  return sizes;
}

function showFigures() {
  const sizes = seconds();
  document.getElementById("live-pushes").textContent = count(total);
  document.getElementById("live-second").textContent = count(sizes[0]);
  document.getElementById("live-most").textContent = count(Math.max(...sizes));
  if (!details.open) return;
  const rows = sizes.map((size, age) => [age === 0 ? "the last second" : `${age} s before`, size]);
  fillTable(
    table,
    rows.filter(([, size]) => size > 0).map(([when, size]) => [when, count(size)]),
  );
}

function draw(width) {
  const now = Date.now();
  const floor = HEIGHT - BOTTOM;
  const from = now - SPAN;
  const x = (time) => ((time - from) / SPAN) * width;
  const slots = new Map();
  for (const { at, size } of pushes) {
    const slot = Math.floor(at / EVERY);
    slots.set(slot, (slots.get(slot) ?? 0) + size);
  }
  const most = Math.max(...slots.values(), 1);
  const elements = [...drawSilence(x, now, floor), ...drawClock(x, from, now, width, floor)];
  for (const [slot, size] of slots) {
    if (size === 0 || slot * EVERY < from) continue;
    const height = Math.max((size / most) * (floor - TOP), 1.5);
    const place = { x: x(slot * EVERY) + 0.5, y: floor - height, height };
    elements.push(svg("rect", { class: "bar", ...place, width: (EVERY / SPAN) * width - 1 }));
  }
  elements.push(svg("line", { class: "axis", x1: 0, x2: width, y1: floor, y2: floor }));
  if (most > 1) {
    elements.push(svg("text", { x: 0, y: 13 }, `${count(most)} in a quarter of a second`));
  }
  return { height: HEIGHT, elements };
}

function drawSilence(x, now, floor) {
  const ends = [...pushes.map(({ at, before }) => [before, at]), [pushes.at(-1)?.at ?? now, now]];
  return ends
    .filter(([from, to]) => to - from > SILENT)
    .map(([from, to]) => {
      const left = Math.max(x(from), 0);
      const place = { x: left, y: TOP, width: Math.max(x(to) - left, 0), height: floor - TOP };
      return svg("rect", { class: "blocked", ...place });
    });
}

/** A line with the time every ten seconds, as on the paper of a tide gauge. */
function drawClock(x, from, now, width, floor) {
  const elements = [];
  for (let time = Math.ceil(from / 10_000) * 10_000; time <= now; time += 10_000) {
    const at = x(time);
    elements.push(svg("line", { class: "grid", x1: at, x2: at, y1: TOP, y2: floor }));
    if (at < 30 || at > width - 30) continue;
    const place = { x: at, y: floor + 19, "text-anchor": "middle" };
    elements.push(svg("text", place, new Date(time).toLocaleTimeString("en-GB")));
  }
  return elements;
}
