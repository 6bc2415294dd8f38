// SPDX-License-Identifier: MIT OR Apache-2.0
// One measurement of a JavaScript contestant, printed as one line of JSON:
//   peer.js CONTESTANT LIBRARY PEERS flood COUNT THREADS | check COUNT THREADS | ask COUNT CORE OWNERS_CORE | time COUNT
// A contestant (node-api.js, koffi.js, bun.js) gives the functions of caller.h, as JavaScript calls them.
"use strict";

const fs = require("node:fs");

const [contestant, library, peers, mode, ...numbers] = process.argv.slice(2);
const native = require(`./${contestant}.js`)(library, peers);
const [MONOTONIC, PROCESS, THREAD] = [1, 2, 3];
const TICK = 100;
const PATIENCE = 20;

/** The handler of all contestants. It reports how far it is to the senders, and counts. */
function counting(total, done, each) {
  const share = native.share();
  const state = { count: 0 };
  let mark = share;
  state.handler = (text) => {
    if (each) each(text);
    state.count += 1;
    if (state.count === mark) {
      mark += share;
      native.handled(state.count);
    }
    if (state.count === total) done();
  };
  return state;
}

/** Waits until done() is called, or until nothing has come for two seconds. A timer, so that the process does not end. */
function waiting(begin) {
  return new Promise((resolve) => {
    let before = -1;
    let quiet = 0;
    const finish = () => {
      clearInterval(timer);
      resolve();
    };
    const progress = begin(finish);
    const timer = setInterval(() => {
      const count = progress();
      quiet = count === before ? quiet + 1 : 0;
      before = count;
      if (quiet === PATIENCE) finish();
    }, TICK);
  });
}

/** COUNT calls, or what has come of them: how long they took on which clocks. */
async function flood(count, threads, each) {
  let state, begun, ended;
  const read = () => [MONOTONIC, PROCESS, THREAD].map((clock) => native.clock(clock));
  await waiting((done) => {
    state = counting(count, () => ((ended = read()), done()), each);
    native.text(state.handler);
    begun = read();
    if (native.flood(count, threads) !== 0) throw new Error("no thread");
    return () => state.count;
  });
  ended ??= read();
  const [wall, cpu, owner] = ended.map((value, at) => value - begun[at]);
  if (state.count === count) native.join();
  return { count: state.count, wall, process: cpu, thread: owner };
}

async function check(count, threads) {
  if (native.expect(count) !== 0) throw new Error("no memory");
  const { count: received } = await flood(count, threads, (text) => native.check(text));
  return { received, corrupted: native.corrupted() };
}

async function ask(count, core, own) {
  if (native.place(own) !== 0) throw new Error(`no core ${own}`);
  await waiting((done) => {
    let answered = 0;
    native.number((number) => {
      answered += 1;
      // The answer leaves when this has returned.
      if (answered === count) setImmediate(done);
      return number + 1;
    });
    if (native.ask(count, core) !== 0) throw new Error("no thread");
    return () => answered;
  });
  return spread();
}

async function time(count) {
  await waiting((done) => {
    const state = counting(count, done);
    native.text(state.handler);
    if (native.time(count) !== 0) throw new Error("no thread");
    return () => state.count;
  });
  return spread();
}

function spread() {
  const [low, median, high] = [1, 2, 3].map((which) => native.took(which));
  return { low, median, high };
}

async function main() {
  const [count, ...more] = numbers.map(Number);
  const modes = { flood, check, ask, time };
  // A JIT compiler needs to have seen the handler.
  if (mode === "flood") await flood(Math.ceil(count / 4), ...more);
  const result = await modes[mode](count, ...more);
  native.close();
  fs.writeSync(1, JSON.stringify(result) + "\n");
  process.exit(0);
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
