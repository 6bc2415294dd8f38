// SPDX-License-Identifier: MIT OR Apache-2.0
// 200 servers in one process, each stopped with a request in flight, an idle connection, half a head, a WebSocket and a
// page that listens: within its grace the request is answered and the socket told 1001, and nothing stays in the process.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import net from "node:net";
import { describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { NAMES, STEP, request, startScript, within } from "./support.mjs";

const LIVES = 200;

/** A connection that sends `text`; all() gives everything that came until its end. */
function raw(base, text) {
  const socket = net.connect({ host: base.hostname, port: base.port, allowHalfOpen: false });
  let received = Buffer.alloc(0);
  const ended = new Promise((resolve) => socket.once("close", () => resolve(received)));
  const began = new Promise((resolve) => socket.once("data", resolve));
  socket.on("data", (bytes) => (received = Buffer.concat([received, bytes])));
  socket.on("error", () => {});
  socket.write(text);
  return { socket, began: () => within(began, text), all: () => within(ended, `the end of ${text}`) };
}

async function live(run) {
  const base = new URL(await run.line());
  const ask = (path, more = "") => raw(base, `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`);
  const half = raw(base, "GET / HTTP/1.1\r\nHost: local");
  const idle = ask("/quick");
  const page = ask("/events");
  const socket = ask(
    "/socket",
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
  );
  await Promise.all([idle, page, socket].map((one) => one.began()));
  socket.socket.on("data", (bytes) => {
    // A close frame with 1001: the same comes back, masked with zeros.
    if (bytes.equals(Buffer.from([0x88, 2, 0x03, 0xe9]))) {
      socket.socket.end(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9]));
    }
  });
  const last = await request({ protocol: base.protocol, hostname: base.hostname, port: base.port }, "/");
  assert.deepEqual([last.status, last.body], [200, "the last"]);
  assert.equal(last.headers.connection, "close");
  const [, , , closed] = await Promise.all([half, idle, page, socket].map((one) => one.all()));
  assert.deepEqual([...closed.subarray(-4)], [0x88, 2, 0x03, 0xe9]);
  assert.equal(await run.line(), "stopped 1001");
}

for (const name of NAMES) {
  describe(name, () => {
    test(`${LIVES} servers leave nothing`, { timeout: 120_000 }, async (t) => {
      const run = startScript(t, name, "lives.lua", String(LIVES));
      const proc = `/proc/${run.child.pid}`;
      const count = (what) => readdirSync(`${proc}/${what}`).length;
      const wanted = name === "moonport" ? 2 : 1; // `moonport run` has one more that waits for Ctrl-C
      const checkpoint = async () => {
        assert.equal(await run.line(), "checkpoint 0");
        // The system lists a thread for a moment after it was joined.
        for (const end = performance.now() + STEP; count("task") > wanted && performance.now() < end; ) await pause(1);
        const memory = Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`${proc}/status`, "utf8"))[1]);
        const counts = { threads: count("task"), descriptors: count("fd") };
        run.child.stdin.write("go on\n");
        return { counts, memory };
      };
      for (let life = 0; life < 20; life += 1) await live(run);
      const first = await checkpoint();
      for (let life = 0; life < LIVES; life += 1) await live(run);
      const last = await checkpoint();
      assert.deepEqual(await run.ended(), { code: 0, signal: null });
      assert.equal(first.counts.threads, wanted);
      assert.deepEqual(last.counts, first.counts);
      assert.ok(last.memory - first.memory < 4096, `${last.memory - first.memory} KiB more`);
    });
  });
}
