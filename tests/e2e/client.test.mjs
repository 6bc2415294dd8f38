// SPDX-License-Identifier: MIT OR Apache-2.0
// moonport.js in a real browser, from the server that gives it out: over a stop and a start nothing is lost or repeated.
import assert from "node:assert/strict";
import http from "node:http";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { assertCalm, startBrowser, startProgram, withoutRefused } from "./support.mjs";

const script = fileURLToPath(new URL("../lua-http/client.lua", import.meta.url));

/** Runs in the page: listens to everything, and writes it down. */
async function listen({ module, options }) {
  const { connect } = await import(module);
  const server = connect(options);
  const got = { messages: [], closes: [], events: [], ends: [] };
  const socket = server.live("/live?name=page", {
    message: (value) => got.messages.push(value),
    close: (code, _, again) => got.closes.push([code, again !== undefined]),
  });
  const stream = server.events("/events", (value, { id }) => got.events.push([id, value]), {
    lastEventId: "0",
    close: (_, again) => got.ends.push(again !== undefined),
  });
  Object.assign(globalThis, { server, socket, stream, got });
}

const count = (page, what, size) =>
  page.waitForFunction(([what, size]) => globalThis.got[what].length >= size, [what, size], { timeout: 20_000 });

for (const scheme of ["http", "https"]) {
  test(`a page of the server's own, ${scheme}`, { timeout: 90_000 }, async (t) => {
    const { line, go } = startProgram(t, "run", script, "1024", scheme === "https" ? "tls" : "plain");
    const [base, , link] = [await line(), await line(), await line()];
    assert.ok(base.startsWith(`${scheme}://`), base);
    const { page, complaints } = await startBrowser(t);
    await page.goto(link);
    await page.evaluate(listen, { module: "/moonport.js" });
    await page.evaluate(() => server.send("/emit", ["one", { two: 2 }]));
    await page.evaluate(() => socket.send("early"));
    await count(page, "messages", 2);
    await count(page, "events", 2);
    assert.deepEqual(await page.evaluate(() => server.send("/value/nothing")), undefined);
    assert.deepEqual(await page.evaluate(() => server.send("/value/list")), [1, null]);
    assertCalm(complaints);

    await page.evaluate(() => server.send("/stop"));
    assert.equal(await line(), "close 1001 ");
    assert.equal(await line(), "stopped");
    await count(page, "closes", 2); // 1001, and an attempt that failed
    await count(page, "ends", 2);
    assert.equal(await page.evaluate(() => socket.send("kept")), true);
    go("while away");
    assert.equal(await line(), base);
    await count(page, "messages", 4);
    await count(page, "events", 3);
    await page.evaluate(() => server.send("/emit", ["last"]));
    await count(page, "events", 4);
    const { messages, closes, events } = await page.evaluate(() => got);
    assert.deepEqual(messages, [["welcome", 1, "page"], ["got", "early"], ["welcome", 2, "page"], ["got", "kept"]]);
    assert.deepEqual(closes.slice(0, 2), [[1001, true], [1006, true]]);
    assert.deepEqual(events, [["1", "one"], ["2", { two: 2 }], ["3", "while away"], ["4", "last"]]);
    assertCalm(withoutRefused(complaints));

    // An error in a handler is the page's own, and the stream goes on.
    await page.evaluate(() => {
      const seen = [];
      globalThis.seen = seen;
      server.events("/events", (value) => {
        seen.push(value);
        if (value === "one") throw new Error("failed on purpose");
      }, { lastEventId: "0" });
    });
    await page.waitForFunction(() => globalThis.seen.length === 4);
    assert.deepEqual(withoutRefused(complaints), ["Error: failed on purpose"]);
    await page.evaluate(() => (socket.close(), stream.close()));
    assert.equal(await line(), "close 1000 ");
  });
}

test("a page of a listed origin imports it and has the token", { timeout: 60_000 }, async (t) => {
  const home = http.createServer((_, response) => {
    response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>elsewhere</title>");
  });
  await new Promise((resolve) => home.listen(0, "127.0.0.1", resolve));
  t.after(() => (home.closeAllConnections(), home.close()));
  const origin = `http://localhost:${home.address().port}`;
  const { line } = startProgram(t, "run", script, "1024", "plain", origin);
  const [base, token] = [await line(), await line()];
  const { page, complaints } = await startBrowser(t);
  await page.goto(origin);
  await page.evaluate(listen, { module: `${base}/moonport.js`, options: { token } });
  await page.evaluate(() => server.send("/emit", ["one"]));
  await count(page, "events", 1);
  await count(page, "messages", 1);
  assert.deepEqual(await page.evaluate(() => server.send("/echo", "x")), [false, "x", 3, "application/json"]);
  assertCalm(complaints);
  // Another origin cannot even import it.
  await page.goto(`http://127.0.0.1:${home.address().port}`);
  await assert.rejects(page.evaluate((url) => import(url), `${base}/moonport.js`), /Failed to fetch/);
});
