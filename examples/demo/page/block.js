// SPDX-License-Identifier: MIT OR Apache-2.0
// Part 3: keeps Lua busy for a second while requests go on coming in, and shows what waited.
import { send as ask } from "/moonport.js";
import { reason, send } from "./api.js";
import { onPress } from "./busy.js";
import { milliseconds, plural } from "./format.js";
import { readHandled } from "./status.js";
import { showTimeline } from "./timeline.js";

const REQUESTS = 20;
const EVERY = 75; // milliseconds between two requests
const BLOCK_AT = 260; // milliseconds: the first few requests find Lua idle
const verdict = document.getElementById("block-verdict");

export function startBlock() {
  onPress(document.getElementById("block-start"), runBlock);
}

async function runBlock() {
  verdict.className = "verdict";
  verdict.textContent = "Lua is about to be busy for a second";
  const before = await readHandled();
  performance.clearResourceTimings();

  const origin = performance.now();
  const now = () => performance.now() - origin;
  const requests = [];
  const block = { started: null, ended: null };
  const shown = () => showTimeline(requests, block.started === null ? null : block, now());
  const drawing = setInterval(shown, 60);
  const all = Array.from({ length: REQUESTS }, (_, index) => sendOne(index + 1, requests, now));
  await Promise.all([blockLua(block, now), ...all]);
  clearInterval(drawing);
  addQueueTimes(requests, origin);
  shown();

  const after = await readHandled();
  const growth = before === null || after === null ? null : after - before;
  const { good, text } = judge(requests, block, growth);
  verdict.className = good ? "verdict good" : "verdict bad";
  verdict.textContent = text;
}

async function blockLua(block, now) {
  await wait(BLOCK_AT);
  block.started = now();
  block.failure = await ask("/block").then(() => null, (error) => error.message);
  block.ended = now();
}

async function sendOne(n, requests, now) {
  await wait((n - 1) * EVERY);
  const request = { n, path: `/burst?n=${n}`, started: now(), ended: null };
  requests.push(request);
  request.reply = await send("POST", request.path, JSON.stringify({ n }));
  request.ended = now();
}

/** When each request left the browser: it opens six connections, the seventh waits for one. */
function addQueueTimes(requests, origin) {
  for (const request of requests) {
    const url = new URL(request.path, location.href).href;
    const timing = performance.getEntriesByName(url, "resource").at(-1);
    if (timing?.requestStart > 0) request.taken = timing.requestStart - origin;
  }
}

function judge(requests, block, growth) {
  const answered = requests.filter(({ reply }) => reply.status === 200).length;
  const longest = Math.max(...requests.map(({ started, ended }) => ended - started));
  const waited = requests.filter(
    ({ started, ended }) => started < block.ended && ended > block.started && ended - started > 100,
  ).length;
  const handled = growth ?? "an unknown number";
  const counts = `${requests.length} sent, ${answered} answered, ${handled} handled by Lua.`;
  if (block.failure !== null) {
    return { good: false, text: `Lua was not blocked: ${block.failure}` };
  }
  if (answered !== requests.length || growth !== answered) {
    const refusal = requests.find(({ reply }) => reply.status !== 200);
    const detail = refusal
      ? ` ${refusal.reply.status || "No answer"}: ${reason(refusal.reply)}`
      : "";
    return { good: false, text: `Not in order: ${counts}${detail}` };
  }
  const wait = `${plural(waited, "request")} waited, the longest ${milliseconds(longest)}`;
  return { good: true, text: `Nothing lost: ${counts} ${wait}.` };
}

function wait(time) {
  return new Promise((resolve) => setTimeout(resolve, time));
}
