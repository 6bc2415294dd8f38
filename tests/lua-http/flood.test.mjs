// SPDX-License-Identifier: MIT OR Apache-2.0
// 2,000 requests while the Lua thread is blocked for at least 2 s: 1,024 wait and are answered later, the rest get 503 at
// once, none is lost or doubled.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import http from "node:http";
import path from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const binary = process.env.MOONPORT_BIN ?? path.join(here, "../../target/release/moonport");
const REQUESTS = 2000;
const QUEUE = 1024;

function request(url, method, body) {
  return new Promise((resolve, reject) => {
    const headers = body ? { "Content-Type": "application/json", "Content-Length": body.length } : {};
    const sent = http.request(url, { method, agent: false, headers }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (piece) => (text += piece));
      answer.on("end", () => resolve({ status: answer.statusCode, headers: answer.headers, body: JSON.parse(text) }));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

test("2,000 requests at a blocked Lua thread", { timeout: 120_000 }, async (t) => {
  const child = spawn(binary, ["run", path.join(here, "flood.lua")], { stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const url = (await lines.next()).value;
  const block = request(`${url}/block`, "GET");
  assert.equal((await lines.next()).value, "blocked");

  const begun = performance.now();
  let refused = 0;
  let released = false;
  let early = 0;
  const answers = Promise.all(
    Array.from({ length: REQUESTS }, async (_, id) => {
      const answer = await request(`${url}/item`, "POST", JSON.stringify({ id }));
      if (answer.status === 503) refused += 1;
      if (!released && answer.status !== 503) early += 1;
      return answer;
    }),
  );
  const all = answers.catch((error) => error);
  while (refused < REQUESTS - QUEUE || performance.now() - begun < 2000) {
    assert.ok(performance.now() - begun < 60_000, `only ${refused} were refused`);
    await pause(20);
  }
  assert.equal(early, 0, "nothing but 503 comes while Lua is blocked");
  released = true;
  child.stdin.write("go on\n");
  assert.equal((await block).status, 200);

  const results = await all;
  assert.ok(Array.isArray(results), String(results));
  const answered = results.filter((answer) => answer.status === 200);
  const full = results.filter((answer) => answer.status === 503);
  assert.equal(answered.length, QUEUE);
  assert.equal(full.length, REQUESTS - QUEUE);
  assert.ok(full.every((answer) => Number(answer.headers["retry-after"]) >= 1));
  results.forEach((answer, id) => {
    if (answer.status === 200) assert.equal(answer.body.id, id);
  });
  assert.equal((await request(`${url}/count`, "GET")).body.count, QUEUE);
});
