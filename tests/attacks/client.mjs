// SPDX-License-Identifier: MIT OR Apache-2.0
// The client that behaves, in a process of its own: node client.mjs URL TOKEN. On a connection that it keeps it sends one
// request each 10 ms; each 100 ms it comes as somebody new. It prints "ready" when it has warmed up, and at the end of its
// stdin what it saw: milliseconds from sending a request to the end of its answer.
import http from "node:http";
import { setTimeout as pause } from "node:timers/promises";

const [url, token] = process.argv.slice(2);
const body = JSON.stringify({ text: "x".repeat(180) });
const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json", "Content-Length": body.length };
const WARM = 50;
const STEP = 10_000; // the longest that a request may take

/** One request; gives its status (0: none came) and how long it took. */
function ask(agent) {
  const begun = performance.now();
  return new Promise((resolve) => {
    const end = (status) => resolve({ status, time: performance.now() - begun, reused: sent.reusedSocket });
    const sent = http.request(`${url}/ping`, { method: "POST", headers, agent, timeout: STEP }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (piece) => (text += piece));
      answer.on("end", () => end(answer.statusCode === 200 && text !== body ? 0 : answer.statusCode));
      answer.on("error", () => end(0));
    });
    sent.on("timeout", () => sent.destroy());
    sent.on("error", () => end(0));
    sent.end(body);
  });
}

let measuring = false;
let over = false;

/** Asks again and again, at most once in `interval` ms, until all is over. */
async function repeat(agent, interval) {
  const seen = [];
  let count = 0;
  while (!over) {
    const due = performance.now() + interval;
    const answer = await ask(agent);
    count += 1;
    if (measuring) seen.push(answer);
    if (agent && count === WARM) console.log("ready");
    await pause(Math.max(0, due - performance.now()));
  }
  return seen;
}

function summary(answers) {
  const times = answers.filter(({ status }) => status === 200).map(({ time }) => time);
  times.sort((one, other) => one - other);
  const at = (part) => times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? NaN;
  const count = (wanted) => answers.filter(({ status }) => status === wanted).length;
  return {
    asked: answers.length,
    answered: times.length,
    busy: count(503),
    lost: count(0),
    opened: answers.filter(({ reused }) => !reused).length,
    p50: at(0.5),
    p99: at(0.99),
    max: at(1),
  };
}

process.stdin.on("data", () => (measuring = true));
process.stdin.on("end", () => (over = true));
const kept = repeat(new http.Agent({ keepAlive: true, maxSockets: 1 }), 10);
const fresh = repeat(false, 100);
console.log(JSON.stringify({ kept: summary(await kept), fresh: summary(await fresh) }));
