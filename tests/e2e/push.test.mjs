// SPDX-License-Identifier: MIT OR Apache-2.0
// What Lua pushes to the demo's page, over http and https: it arrives without being asked for, and the chart moves.
//
//   SCREENSHOTS    a folder for pictures (default: none are taken)
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { lowContrast } from "./contrast.mjs";
import { assertCalm, startBrowser, startProgram } from "./support.mjs";

const number = (text) => Number(text.replaceAll(",", ""));

for (const scheme of ["http", "https"]) {
  test(`pushes arrive and the chart moves, ${scheme}`, { timeout: 90_000 }, async (t) => {
    const more = scheme === "https" ? ["--tls"] : [];
    const { child, line } = startProgram(t, "demo", "--address", "127.0.0.1:0", ...more);
    const first = await line();
    assert.match(first, new RegExp(`^open ${scheme}://127\\.0\\.0\\.1:\\d+/\\?token=\\S+$`));
    const { page, complaints } = await startBrowser(t, { viewport: { width: 1280, height: 900 } });
    await page.goto(first.slice("open ".length));
    await page.locator("#live-state.good", { hasText: "Connected" }).waitFor();
    await page.locator("#source", { hasText: "moonport.run()" }).waitFor();
    const pushes = async () => number(await page.locator("#live-pushes").textContent());
    const until = (least) =>
      page.waitForFunction((least) => Number(document.getElementById("live-pushes").textContent) >= least, least);
    await until(1);

    // Nobody asks, and it comes.
    const asked = [];
    page.on("request", (request) => asked.push(request.url()));
    const gridLine = () => page.locator("#live-chart .grid").last().evaluate((line) => [line.getAttribute("x1")]);
    const before = await gridLine();
    await until((await pushes()) + 4);
    assert.notDeepEqual(await gridLine(), before, "the paper of the chart runs on");
    assert.deepEqual(asked, []);
    assert.match(await page.locator("#status-memory").textContent(), /^[\d,]+ KiB$/);
    assert.match(await page.locator("#status-lua").textContent(), /^LuaJIT /);

    // What one page sends, every other sees.
    const other = await page.context().newPage();
    await other.goto(new URL(page.url()).origin);
    await other.fill("#message-text", '{"from": "the other page"}');
    await other.click("#message-send");
    const row = page.locator("#messages tbody tr", { hasText: "the other page" });
    await row.waitFor();
    assert.equal(await page.locator("#messages tbody tr").count(), 1);
    assert.deepEqual(asked, []);
    await other.close();

    await page.check("#burst-100", { force: true });
    await page.click("#burst-start");
    await page.locator("#burst-verdict.good").waitFor({ timeout: 30_000 });
    await page.locator("#live-chart .bar").first().waitFor();
    await page.waitForFunction(() => document.getElementById("status-handled").textContent === "101");
    await page.locator("#live-table").evaluate((table) => (table.closest("details").open = true));
    await page.waitForFunction(() => {
      const cells = [...document.querySelectorAll("#live-table td")];
      return cells.reduce((sum, cell) => sum + Number(cell.textContent), 0) >= 100;
    });

    // While Lua is busy no push comes, and the chart says so.
    await page.click("#block-start");
    await page.locator("#live-chart .blocked").first().waitFor();
    await page.locator("#block-verdict.good").waitFor({ timeout: 30_000 });
    for (const colorScheme of process.env.SCREENSHOTS ? ["light", "dark"] : []) {
      for (const width of [1280, 390]) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height: 900 });
        await page.locator("section").first().scrollIntoViewIfNeeded();
        await until((await pushes()) + 2);
        const path = join(process.env.SCREENSHOTS, `push-${scheme}-${colorScheme}-${width}.png`);
        await page.locator("section").first().screenshot({ path });
      }
    }
    assertCalm(complaints);

    // When the program is gone the page says so; in both states the text can be read.
    child.kill("SIGINT");
    await page.locator("#live-state.bad", { hasText: "The next attempt is in" }).waitFor();
    await page.locator("#notice", { hasText: "Is the program in the terminal still running?" }).waitFor();
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      assert.deepEqual(await page.evaluate(lowContrast), [], colorScheme);
    }
    if (process.env.SCREENSHOTS) await page.screenshot({ path: join(process.env.SCREENSHOTS, `gone-${scheme}.png`) });
  });
}
