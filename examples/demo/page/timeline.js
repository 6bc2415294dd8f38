// SPDX-License-Identifier: MIT OR Apache-2.0
// The start and end of each request as a bar, one below the other, the blocked second shaded.
import { milliseconds } from "./format.js";
import { drawing, svg } from "./svg.js";
import { fillTable } from "./table.js";

const ROW = 13;
const TOP = 22; // room for the label of the shade
const BOTTOM = 26; // room for the scale
const NOTABLE = 10; // milliseconds: a shorter wait in the browser is not drawn apart
let chart = { requests: [], block: null, span: 1500 };
const redraw = drawing(document.getElementById("timeline"), draw);

/** Times in milliseconds since the experiment began; `ended` is null for a request on its way. */
export function showTimeline(requests, block, now) {
  chart = { requests, block, now, span: Math.max(1500, now) };
  fillTable(
    document.getElementById("timeline-table"),
    requests.map(({ n, started, ended }) => [
      String(n),
      milliseconds(started),
      ended === null ? "on its way" : milliseconds(ended),
      ended === null ? "" : milliseconds(ended - started),
    ]),
  );
  redraw();
}

function draw(width) {
  const { requests, block, now, span } = chart;
  const floor = TOP + Math.max(requests.length, 20) * ROW;
  const x = (time) => (time / span) * width;
  const elements = [];
  if (block) {
    const from = x(block.started);
    const size = Math.max(x(block.ended ?? now) - from, 1);
    elements.push(
      svg("rect", { class: "blocked", x: from, y: 0, width: size, height: floor }),
      svg("text", { class: "blocked-label", x: from + 6, y: 15 }, "Lua is busy"),
    );
  }
  requests.forEach(({ started, taken, ended }, index) => {
    const y = TOP + index * ROW + 3;
    const bar = (kind, from, to) =>
      svg("rect", {
        class: kind,
        x: x(from),
        y,
        width: Math.max(x(to) - x(from), 2.5),
        height: ROW - 6,
      });
    const left = taken - started > NOTABLE ? taken : started;
    if (left > started) elements.push(bar("bar queued", started, left));
    elements.push(bar("bar", left, ended ?? now));
  });
  if (requests.length === 0) {
    const place = { x: width / 2, y: floor / 2, "text-anchor": "middle" };
    elements.push(svg("text", place, "One bar for each request, from start to end"));
  }
  elements.push(svg("line", { class: "axis", x1: 0, x2: width, y1: floor, y2: floor }));
  for (let time = 0; time <= span; time += 500) {
    const anchor = time === 0 ? "start" : time + 200 > span ? "end" : "middle";
    const place = { x: x(time), y: floor + 19, "text-anchor": anchor };
    elements.push(svg("text", place, `${time / 1000} s`));
  }
  return { height: floor + BOTTOM, elements };
}
