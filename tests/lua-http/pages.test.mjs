// SPDX-License-Identifier: MIT OR Apache-2.0
// Server-sent events through Lua, from node's http module.
import assert from "node:assert/strict";
import http from "node:http";
import { test } from "node:test";
import { NAMES, request, startScript, within } from "./support.mjs";

/** Opens a stream; block() gives its next block of lines, undefined at the end. */
function listen(url, path, headers) {
  const opened = new Promise((resolve, reject) => {
    const sent = http.get(url + path, { headers, agent: false }, (response) => {
      const pieces = response.setEncoding("utf8")[Symbol.asyncIterator]();
      let text = "";
      const block = async () => {
        while (!text.includes("\n\n")) {
          const { value, done } = await within(pieces.next(), "a piece of the stream");
          if (done) return undefined;
          text += value;
        }
        const end = text.indexOf("\n\n");
        const first = text.slice(0, end);
        text = text.slice(end + 2);
        return first;
      };
      resolve({ status: response.statusCode, headers: response.headers, block, leave: () => sent.destroy() });
    });
    sent.on("error", reject);
  });
  return within(opened, path);
}

for (const name of NAMES) {
  test(`events on ${name}`, async (t) => {
    const run = startScript(t, name, "pages.lua");
    const url = new URL(await run.line());
    const headers = { authorization: `Bearer ${await run.line()}`, "content-type": "application/json" };
    await run.line();
    const base = { host: url.hostname, port: url.port };
    const post = async (path, data = null) => {
      const answer = await request(base, path, { method: "POST", headers, body: JSON.stringify(data) });
      return JSON.parse(answer.body || "null");
    };
    const open = (path, more) => listen(url.origin, path, { ...headers, ...more });

    assert.equal((await request(base, "/events")).status, 401);
    assert.deepEqual(await post("/send", { value: "nobody" }), [0, 0, 0]);
    const page = await open("/events", { origin: "http://localhost:3000" });
    assert.equal(page.status, 200);
    assert.equal(page.headers["content-type"], "text/event-stream");
    assert.equal(page.headers["access-control-allow-origin"], "http://localhost:3000");
    assert.equal(await page.block(), "id: 1\nretry: 1000");
    assert.deepEqual(await post("/send", { value: { key: "a\nb" }, event: "tick" }), [1, 1, 1]);
    assert.equal(await page.block(), 'id: 2\nevent: tick\ndata: {"key":"a\\nb"}');
    page.leave();
    let sent;
    do sent = await post("/send", { value: "away" });
    while (sent[1] > 0);
    const back = await open("/events", { "last-event-id": "2" });
    await back.block();
    assert.match(await back.block(), /^id: 3\ndata: away$/);

    const free = await listen(url.origin, "/open", {});
    assert.equal(await free.block(), "retry: 1000");
    for (const [value, data] of [["text", "data: a\ndata: b"], ["number", "data: 1.5"], ["list", "data: []"], ["null", "data: null"]]) {
      assert.deepEqual(await post(`/open/${value}`), [1]);
      assert.equal((await free.block()).replace(/^id: \d\n/, ""), data);
    }
    const wrong = JSON.parse((await request(base, "/misuse", { headers })).body);
    for (const [at, pattern] of [
      /events:send: expected a value$/,
      /event name without line breaks, got "a\\nb"$/,
      /events:send: event: expected a string, got table$/,
      /events:send: the string is not UTF-8$/,
      /events:send: .*draw.*function/,
      /expected a moonport\.Events, got table/,
      /server:events: the server runs/,
      /history: expected an integer, 0 or more, got -1$/,
      /token: expected false/,
      /server:events: expected a path like/,
    ].entries()) {
      assert.match(String(wrong[at]), pattern);
    }

    // Both streams end in order, and the page that comes back gets what it missed.
    const last = (await post("/send", { value: "last" }), await back.block());
    await post("/restart");
    for (let block = last; block !== undefined; block = await back.block());
    assert.equal(await free.block(), undefined);
    assert.equal(await run.line(), "0\t0");
    assert.equal(await run.line(), url.origin);
    const again = await open("/events", { "last-event-id": last.match(/^id: (\d+)/)[1] });
    await again.block();
    assert.match(await again.block(), /data: while nobody listens$/);
  });
}
