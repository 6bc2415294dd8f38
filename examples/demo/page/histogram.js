// SPDX-License-Identifier: MIT OR Apache-2.0
// The histogram of round trips on a logarithmic scale, its four figures, and the same as a table.
import { count, milliseconds } from "./format.js";
import { drawing, svg } from "./svg.js";
import { fillTable } from "./table.js";

const BINS = 36;
const HEIGHT = 200;
const TOP = 36; // room for the labels of the marks
const BOTTOM = 26; // room for the scale
// 0.1, 0.2, 0.5, 1 and so on to 500,000: where the scale may begin, end and carry a number
const roundNumbers = [-1, 0, 1, 2, 3, 4, 5].flatMap((power) =>
  [1, 2, 5].map((digit) => Number(`${digit}e${power}`)),
);
const marks = ["p50", "p95", "p99", "max"];
const table = document.getElementById("histogram-table");
let times = [];
const redraw = drawing(document.getElementById("histogram"), draw);

/** `roundTrips` in milliseconds, in any order. */
export function showRoundTrips(roundTrips) {
  times = Float64Array.from(roundTrips).sort();
  for (const name of marks) {
    document.getElementById(`burst-${name}`).textContent =
      times.length > 0 ? milliseconds(percentile(name)) : "–";
  }
  const { bins } = distribution();
  fillTable(
    table,
    bins
      .filter((bin) => bin.size > 0)
      .map((bin) => [`${scaleText(bin.from)} to ${scaleText(bin.to)} ms`, count(bin.size)]),
  );
  redraw();
}

/** Nearest rank: the smallest time that this share of the round trips did not exceed. */
function percentile(name) {
  const share = name === "max" ? 1 : Number(name.slice(1)) / 100;
  return times[Math.max(Math.ceil(share * times.length), 1) - 1];
}

/** Bins of equal width in the logarithm, between the round numbers around all times. */
function distribution() {
  if (times.length === 0) return { low: 1, high: 100, bins: [] };
  const low = roundNumbers.findLast((number) => number <= times[0]) ?? roundNumbers[0];
  const high = roundNumbers.find((number) => number > low && number >= times.at(-1));
  const edge = (index) => low * (high / low) ** (index / BINS);
  const bins = Array.from({ length: BINS }, (_, i) => ({
    from: edge(i),
    to: edge(i + 1),
    size: 0,
  }));
  for (const time of times) {
    const index = Math.floor((Math.log(time / low) / Math.log(high / low)) * BINS);
    bins[Math.min(Math.max(index, 0), BINS - 1)].size += 1;
  }
  return { low, high, bins };
}

function draw(width) {
  const { low, high, bins } = distribution();
  const floor = HEIGHT - BOTTOM;
  const tallest = Math.max(...bins.map((bin) => bin.size), 1);
  const x = (time) => (Math.log(Math.max(time, low) / low) / Math.log(high / low)) * width;
  const step = width / BINS;
  const axis = svg("line", { class: "axis", x1: 0, x2: width, y1: floor, y2: floor });
  if (times.length === 0) {
    const place = { x: width / 2, y: HEIGHT / 2, "text-anchor": "middle" };
    return {
      height: HEIGHT,
      elements: [axis, svg("text", place, "One bar for each range of round trips")],
    };
  }

  const elements = drawScale(x, width, low, high);
  for (const [index, { size }] of bins.entries()) {
    if (size === 0) continue;
    const height = Math.max((size / tallest) * (floor - TOP), 1.5);
    const place = { x: index * step + 0.5, y: floor - height, width: step - 1, height };
    elements.push(svg("rect", { class: "bar", ...place }));
  }
  const barTop = (at) => {
    const bin = bins[Math.min(Math.floor(at / step), BINS - 1)];
    return floor - (bin.size / tallest) * (floor - TOP);
  };
  elements.push(axis, ...drawMarks(x, width, barTop));
  return { height: HEIGHT, elements };
}

function drawScale(x, width, low, high) {
  const elements = [];
  let free = 0;
  for (const number of roundNumbers.filter((n) => n >= low && n <= high)) {
    const at = Math.min(Math.max(x(number), 0.5), width - 0.5);
    const [anchor, from] =
      number === low ? ["start", at] : number === high ? ["end", at - 46] : ["middle", at - 23];
    elements.push(svg("line", { class: "grid", x1: at, x2: at, y1: TOP, y2: HEIGHT - BOTTOM }));
    if (from < free || (number !== high && at > width - 80)) continue;
    const text = `${scaleText(number)} ms`;
    elements.push(svg("text", { x: at, y: HEIGHT - 6, "text-anchor": anchor }, text));
    free = from + 52;
  }
  return elements;
}

/** A line down to its bar for each figure; a label only where it does not run into the last one. */
function drawMarks(x, width, barTop) {
  const elements = [];
  let free = 0;
  for (const name of marks) {
    const at = Math.min(Math.max(x(percentile(name)), 0.5), width - 0.5);
    elements.push(svg("line", { class: "mark", x1: at, x2: at, y1: TOP - 8, y2: barTop(at) }));
    const from = Math.min(Math.max(at - 12, 0), width - 26);
    if (from < free) continue;
    elements.push(svg("text", { class: "mark-label", x: from, y: TOP - 14 }, name));
    free = from + 32;
  }
  return elements;
}

function scaleText(value) {
  return Number(value.toPrecision(2)).toLocaleString("en-GB", { maximumFractionDigits: 3 });
}
