// SPDX-License-Identifier: MIT OR Apache-2.0
// Server-sent events in a real browser: its EventSource connects again after the server was stopped and started.
//
//   MOONPORT_BIN, CHROMIUM    as in demo.test.mjs
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const file = (path) => fileURLToPath(new URL(path, import.meta.url));
const program = process.env.MOONPORT_BIN ?? file("../../target/release/moonport");

for (const scheme of ["http", "https"]) {
  test(`EventSource misses nothing over a restart, ${scheme}`, { timeout: 60_000 }, async (t) => {
    const args = ["run", file("../lua-http/pages.lua"), ...(scheme === "https" ? ["tls"] : [])];
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
    t.after(() => child.kill("SIGKILL"));
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const line = async () => (await lines.next()).value;
    const [url, token, link] = [await line(), await line(), await line()];
    assert.ok(url.startsWith(`${scheme}://`), url);
    const browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu"],
    });
    t.after(() => browser.close());
    const post = async (path, data = null) => {
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
      const answer = await context.request.post(url + path, { headers, data: JSON.stringify(data) });
      return answer.status() === 204 ? null : answer.json();
    };

    // Nobody vouches for the certificate but the person who clicks it away.
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    const page = await context.newPage();
    const opened = page.waitForResponse((response) => response.url() === `${url}/events`);
    await page.goto(link);
    assert.equal((await opened).status(), 200);
    const got = page.locator("#got li");
    assert.deepEqual(await post("/send", { value: "one" }), [1, 1, 1]);
    await post("/send", { value: { n: 2 }, event: "tick" });
    await got.nth(1).waitFor();
    await post("/restart");
    assert.equal(await line(), "0\t0");
    assert.equal(await line(), url);
    await got.nth(2).waitFor();
    assert.deepEqual(await post("/send", { value: "after" }), [1, 1, 1]);
    await got.nth(3).waitFor();
    assert.deepEqual(await got.allTextContents(), [
      "1 message one",
      '2 tick {"n":2}',
      "3 message while nobody listens",
      "4 message after",
    ]);
  });
}
