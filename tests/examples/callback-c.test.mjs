// SPDX-License-Identifier: MIT OR Apache-2.0
// examples/callback-c: every answer is right, and everything that was posted arrives once and in its order. Beside it,
// naive.lua under the same load: how often it dies, and how.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import http from "node:http";
import net from "node:net";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { INTERPRETERS, STEP, folder, root, start, startLua, within } from "./support.mjs";

const CONNECTIONS = 8;
const ROUNDS = 30; // two requests each
const NAIVE_RUNS = 10;
const NAIVE_TIME = 3_000;

const library = join(folder, "callback-c.so");

before(() => {
  execFileSync(join(root, "examples/callback-c/build"), [library]);
});

/** One request on the agent's connection. */
function request(agent, url, method, path, body) {
  return new Promise((resolve, reject) => {
    const headers = method === "POST" ? { "content-length": Buffer.byteLength(body) } : {};
    const sent = http.request(url + path, { agent, method, headers, timeout: STEP }, (answer) => {
      const pieces = [];
      answer.on("data", (piece) => pieces.push(piece));
      answer.on("end", () => {
        resolve({ status: answer.statusCode, body: Buffer.concat(pieces).toString(), reused: sent.reusedSocket });
      });
      answer.on("error", reject);
    });
    sent.on("timeout", () => sent.destroy(new Error(`${method} ${path}: no answer`)));
    sent.on("error", reject);
    sent.end(body);
  });
}

/** One connection with a board of its own: posts notes, and looks after each whether the board is as it must be. */
async function client(url, path, rounds, counts) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const notes = [];
  try {
    for (let round = 1; round <= rounds; round++) {
      const note = `${path} note ${round} \u{1f319}\0${"x".repeat(round % 7)}`;
      const posted = await request(agent, url, "POST", path, note);
      assert.equal(posted.status, 204);
      assert.equal(posted.reused, round > 1, "the connection is kept");
      notes.push(note);
      counts.posted++;
      const board = await request(agent, url, "GET", path);
      assert.equal(board.status, 200);
      assert.equal(board.body, notes.join("\n"));
      assert.equal(board.reused, true, "the connection is kept");
      counts.answered++;
    }
  } finally {
    agent.destroy();
  }
}

/** The load: all connections at once. Gives what became of each. */
function load(url, rounds, counts) {
  const clients = Array.from({ length: CONNECTIONS }, (_, i) => client(url, `/board/${i}`, rounds, counts));
  return Promise.allSettled(clients);
}

/** Starts it and gives its address too. */
async function open(interpreter) {
  const run = startLua(interpreter, "callback-c/main.lua", library);
  const line = await run.first;
  assert.match(line ?? "", /^open http:\/\/127\.0\.0\.1:\d+$/, run.stderr);
  return { run, url: line.slice("open ".length) };
}

const stop = (url) => request(new http.Agent(), url, "POST", "/stop", "");

async function assertStopped(run) {
  assert.deepEqual(await run.ended(), { code: 0, signal: null }, run.stderr);
  assert.equal(run.stderr, "");
  assert.equal(run.lines.at(-1), "stopped");
}

/** Bytes on a connection of their own; gives all that comes back. */
function exchange(url, text) {
  const { port } = new URL(url);
  const answer = new Promise((resolve, reject) => {
    let received = "";
    const socket = net.connect(Number(port), "127.0.0.1", () => socket.write(text));
    socket.setEncoding("latin1").on("data", (piece) => (received += piece));
    socket.on("end", () => resolve(received));
    socket.on("error", reject);
  });
  return within(answer, () => `an answer to ${text.slice(0, 60)}`);
}

for (const interpreter of Object.keys(INTERPRETERS)) {
  describe(`callback-c, ${interpreter}`, () => {
    test(`${2 * CONNECTIONS * ROUNDS} requests: every answer is right, every note arrives once and in order`, async () => {
      const { run, url } = await open(interpreter);
      const counts = { posted: 0, answered: 0 };
      for (const { reason } of await load(url, ROUNDS, counts)) if (reason) throw reason;
      assert.deepEqual(counts, { posted: CONNECTIONS * ROUNDS, answered: CONNECTIONS * ROUNDS });
      assert.equal((await stop(url)).status, 204);
      await assertStopped(run);
      assert.equal(run.lines.length, CONNECTIONS * ROUNDS + 2);
      for (let i = 0; i < CONNECTIONS; i++) {
        const seen = run.lines.filter((line) => line.startsWith(`/board/${i}: `)).map((line) => line.split(" ")[2]);
        assert.deepEqual(seen, Array.from({ length: ROUNDS }, (_, round) => `${round + 1},`));
      }
    });

    test("stopped under load it ends by itself, and nothing that was taken is lost", async () => {
      const { run, url } = await open(interpreter);
      const counts = { posted: 0, answered: 0 };
      const over = load(url, Infinity, counts);
      while (counts.answered < 100) await new Promise((resolve) => setTimeout(resolve, 1));
      assert.equal((await stop(url)).status, 204);
      await assertStopped(run);
      for (const { reason } of await over) assert.notEqual(reason.code, "ERR_ASSERTION", reason.message);
      const printed = run.lines.filter((line) => line.startsWith("/board/")).length;
      assert.ok(printed >= counts.posted, `${counts.posted} posted, ${printed} delivered`);
    });

    test("what is no request, and what is too large, never reaches Lua", async () => {
      const { run, url } = await open(interpreter);
      const head = (length) => `POST / HTTP/1.1\r\nContent-Length: ${length}\r\n\r\n`;
      assert.match(await exchange(url, "nonsense\r\n\r\n"), /^HTTP\/1.1 400 /);
      assert.match(await exchange(url, `GET /${"x".repeat(300)} HTTP/1.1\r\n\r\n`), /^HTTP\/1.1 400 /);
      assert.match(await exchange(url, head(-1)), /^HTTP\/1.1 400 /);
      assert.match(await exchange(url, head("1\r\nContent-Length: 2")), /^HTTP\/1.1 400 /);
      assert.match(await exchange(url, head("1\r\nTransfer-Encoding: chunked")), /^HTTP\/1.1 400 /);
      assert.match(await exchange(url, head(65537)), /^HTTP\/1.1 413 /);
      assert.match(await exchange(url, `GET / HTTP/1.1\r\nX: ${"x".repeat(4096)}`), /^HTTP\/1.1 431 /);
      const several = await exchange(url, "GET /a HTTP/1.1\r\n\r\nPUT /a HTTP/1.1\r\n\r\nnonsense\r\n\r\n");
      assert.deepEqual(several.match(/HTTP\/1.1 \d+/g), ["HTTP/1.1 200", "HTTP/1.1 405", "HTTP/1.1 400"]);
      await stop(url);
      await assertStopped(run);
      assert.equal(run.lines.length, 2);
    });
  });
}

/** One run of naive.lua under the load: how it died, or "alive". */
async function naive() {
  // No core files: that it dies is the point.
  const script = 'ulimit -c 0; exec luajit "$@"';
  const run = start("sh", ["-c", script, "sh", join(root, "examples/callback-c/naive.lua"), library]);
  const line = await run.first;
  if (line?.startsWith("open ")) load(line.slice("open ".length), Infinity, { posted: 0, answered: 0 });
  const timer = setTimeout(() => run.child.kill("SIGUSR1"), NAIVE_TIME);
  const { code, signal } = await run.ended();
  clearTimeout(timer);
  if (signal === "SIGUSR1") return "alive";
  if (signal) return signal;
  // What else a text would say may be part of what was destroyed.
  if (run.stderr.includes("PANIC: ")) return run.stderr.includes("(bad callback)") ? "PANIC (bad callback)" : "PANIC";
  return `status ${code}`;
}

test("naive.lua, with callbacks made by ffi.cast, dies under the same load", async (context) => {
  const counts = {};
  for (let i = 0; i < NAIVE_RUNS; i++) {
    const end = await naive();
    counts[end] = (counts[end] ?? 0) + 1;
  }
  const died = NAIVE_RUNS - (counts.alive ?? 0);
  const ends = Object.entries(counts).map(([end, count]) => `${count} x ${end}`);
  context.diagnostic(`naive.lua: ${died} of ${NAIVE_RUNS} runs died within ${NAIVE_TIME / 1000} s: ${ends.join(", ")}`);
  assert.ok(died > 0, "it never died");
});
