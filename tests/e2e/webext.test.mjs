// SPDX-License-Identifier: MIT OR Apache-2.0
// The extension of examples/webext in a real browser, with its Lua program at the other end.
//
//   MOONPORT_BIN, CHROMIUM, SCREENSHOTS    as in demo.test.mjs
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, statSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { lowContrast } from "./contrast.mjs";
import { changed, folder, openBrowser, openPopup, saveSettings } from "./extension.mjs";

const file = (path) => fileURLToPath(new URL(path, import.meta.url));
const program = process.env.MOONPORT_BIN ?? file("../../target/release/moonport");
const main = file("../../examples/webext/main.lua");
const TEXT = "The moon pulls the tides. Tides follow the moon, and ‘harbours’ follow tides.";
const limit = { timeout: 120_000 };

/** A site on which the user is: not one of ours, so that only the click on the icon lets the extension in. */
async function openSite(t, { context }) {
  const server = http.createServer((_request, response) => {
    response.setHeader("content-type", "text/html; charset=utf-8");
    response.end(`<!doctype html><title>Tides & harbours</title><p>${TEXT}</p><p id="some">Low water at noon</p>`);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => server.close());
  const page = await context.newPage();
  await page.goto(`http://site.test:${server.address().port}/`);
  return page;
}

/** Starts the program; its files are in `place`. */
async function startProgram(t, place, address = "127.0.0.1:0") {
  const args = ["run", main, address, join(place, "token"), join(place, "socket")];
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const word = async () => (await lines.next()).value?.split(" ").pop();
  const [url, socket, token] = [await word(), await word(), await word()];
  assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.equal(socket, `unix:${join(place, "socket")}`);
  const stop = async () => {
    const ended = once(child, "exit");
    child.kill("SIGINT");
    assert.deepEqual(await ended, [130, null]);
  };
  return { url, token, stop };
}

test("the page is sent, and what Lua answers is shown", limit, async (t) => {
  const place = folder(t);
  const { url, token } = await startProgram(t, place);
  assert.equal(statSync(join(place, "token")).mode & 0o777, 0o600);
  const browser = await openBrowser(t);
  const page = await openSite(t, browser);

  const unpaired = await openPopup(browser, page.url());
  assert.match(await unpaired.shown("pairing"), /paste the token/);
  assert.equal(await unpaired.text("send"), null);
  await unpaired.close();

  await saveSettings(browser, { address: url, token });
  await page.bringToFront();
  const popup = await openPopup(browser, page.url());
  assert.equal(await popup.shown("page"), "Tides & harbours");
  const { trouble, answer } = await popup.send();
  assert.equal(trouble, null);
  const whole = /^The whole page\s+words\s+17\s+minute to read\s+1\s+time sent\s+1\s+tides 3× follow 2× moon 2× harbours 1× /;
  assert.match(shownAs(answer), whole);
  const again = shownAs((await popup.send()).answer);
  assert.match(again, /times sent\s+2\b/);
  await popup.close();

  await page.evaluate(() => getSelection().selectAllChildren(document.getElementById("some")));
  const selecting = await openPopup(browser, page.url());
  assert.match(shownAs((await selecting.send()).answer), /^What you selected\s+words\s+4\s/);
});

/** innerText of the grid puts numbers below their units; this is in one line. */
function shownAs(text) {
  return text?.replaceAll(/\s+/g, " ");
}

test("a wrong token, a program that stops, and one that starts again", limit, async (t) => {
  const place = folder(t);
  const first = await startProgram(t, place);
  const browser = await openBrowser(t);
  const page = await openSite(t, browser);
  const last = first.token.at(-1) === "A" ? "B" : "A";
  await saveSettings(browser, { address: first.url, token: first.token.slice(0, -1) + last });
  await page.bringToFront();
  const wrong = await openPopup(browser, page.url());
  assert.match((await wrong.send()).trouble, /^The token is wrong\./);
  await wrong.close();

  await saveSettings(browser, { address: first.url, token: first.token });
  await page.bringToFront();
  const popup = await openPopup(browser, page.url());
  assert.match((await popup.send()).answer, /^The whole page/);
  await first.stop();
  const stopped = await popup.send();
  assert.equal(stopped.trouble, `The program is not running: nothing answers at ${first.url}.`);
  assert.equal(stopped.answer, null, "the old answer is gone");
  const second = await startProgram(t, place, new URL(first.url).host);
  assert.equal(second.token, first.token, "paired once and for all");
  const { trouble, answer } = await popup.send();
  assert.deepEqual([trouble, answer?.split("\n")[0]], [null, "The whole page"]);
});

test("another extension is refused, whatever token it has", limit, async (t) => {
  const { url, token } = await startProgram(t, folder(t));
  const extension = changed(t, (manifest) => delete manifest.key);
  const browser = await openBrowser(t, { extension });
  const page = await openSite(t, browser);
  await saveSettings(browser, { address: url, token });
  await page.bringToFront();
  const popup = await openPopup(browser, page.url());
  const { trouble } = await popup.send();
  assert.equal(
    trouble,
    `The program refuses this extension. Its origins must list chrome-extension://${browser.id}.`,
  );
});

test("each refusal is a sentence", limit, async (t) => {
  let status;
  const server = http.createServer((_request, response) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(`{"error":"<b>odd</b>"}`);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => server.close());
  const browser = await openBrowser(t);
  const page = await openSite(t, browser);
  await saveSettings(browser, { address: `http://127.0.0.1:${server.address().port}`, token: "t".repeat(32) });
  await page.bringToFront();
  const popup = await openPopup(browser, page.url());
  for (const [refusal, sentence] of [
    [413, "The page is too large for the program."],
    [503, "The program is busy. Try again in a moment."],
    [504, "The program took too long."],
    [500, "The program answered 500: <b>odd</b>."],
  ]) {
    status = refusal;
    assert.equal((await popup.send()).trouble, sentence);
  }
  await popup.close();
  await page.goto("chrome://version/");
  const kept = await openPopup(browser, "chrome://version/");
  assert.equal((await kept.send()).trouble, "The browser keeps extensions out of this page.");
});

test("native messaging through the installed manifest", limit, async (t) => {
  const place = folder(t);
  // The prompt for a permission cannot be answered here: this copy has it from the start.
  const extension = changed(t, (manifest) => manifest.permissions.push(...manifest.optional_permissions.splice(0)));
  const browser = await openBrowser(t, { extension });
  const page = await openSite(t, browser);
  await saveSettings(browser, { way: "native" });
  await page.bringToFront();
  const popup = await openPopup(browser, page.url());
  assert.match((await popup.send()).trouble, /^The bridge is not installed: moonport native-messaging install /);

  const host = ["--name", "moonport.webext", "--directory", browser.hosts];
  const manage = (...args) => execFileSync(program, ["native-messaging", ...args, ...host], { encoding: "utf8" });
  assert.match(manage("install", "--extension", browser.id, "--socket", join(place, "socket")), /^wrote /);
  assert.equal((await popup.send()).trouble, "The program is not running: nothing listens on its socket.");
  const { stop } = await startProgram(t, place);
  const { trouble, answer } = await popup.send();
  assert.equal(trouble, null);
  assert.match(shownAs(answer), /^The whole page words 17 /);
  await stop();
  assert.equal((await popup.send()).trouble, "The program is not running: nothing listens on its socket.");
  assert.match(manage("uninstall"), /^removed /);
  assert.match((await popup.send()).trouble, /^The bridge is not installed/);
});

test("the program decides by the extension's id in native messaging too", limit, async (t) => {
  const place = folder(t);
  await startProgram(t, place);
  const extension = changed(t, (manifest) => {
    delete manifest.key;
    manifest.permissions.push(...manifest.optional_permissions.splice(0));
  });
  const browser = await openBrowser(t, { extension });
  const host = ["--name", "moonport.webext", "--directory", browser.hosts];
  const install = ["install", ...host, "--extension", browser.id, "--socket", join(place, "socket")];
  execFileSync(program, ["native-messaging", ...install]);
  const page = await openSite(t, browser);
  await saveSettings(browser, { way: "native" });
  await page.bringToFront();
  const popup = await openPopup(browser, page.url());
  assert.match((await popup.send()).trouble, /^The program refuses this extension\./);
});

test("what is shown fits and can be read, by day and by night", limit, async (t) => {
  const pictures = process.env.SCREENSHOTS ?? folder(t);
  mkdirSync(pictures, { recursive: true });
  const { url, token, stop } = await startProgram(t, folder(t));
  const browser = await openBrowser(t);
  const page = await openSite(t, browser);
  const look = async (popup, name) => {
    for (const colorScheme of ["light", "dark"]) {
      await popup.emulate(colorScheme);
      assert.deepEqual(await popup.evaluate(`(${lowContrast})(3)`), [], `${name}, ${colorScheme}`);
      await popup.screenshot(join(pictures, `webext-${name}-${colorScheme}.png`));
    }
    const width = "[document.documentElement.scrollWidth, innerWidth]";
    const [wide, window] = await popup.evaluate(width);
    assert.ok(wide <= window, `${name}: ${wide} of ${window}`);
  };
  const unpaired = await openPopup(browser, page.url());
  await unpaired.shown("pairing");
  await look(unpaired, "unpaired");
  await unpaired.close();
  await saveSettings(browser, { address: url, token });
  await page.bringToFront();
  const popup = await openPopup(browser, page.url());
  await popup.send();
  await look(popup, "answer");
  await stop();
  await popup.send();
  await look(popup, "trouble");
  const settings = await browser.context.newPage();
  await settings.goto(`chrome-extension://${browser.id}/settings.html`);
  await settings.screenshot({ path: join(pictures, "webext-settings.png") });
  assert.deepEqual(await settings.evaluate(lowContrast, 3), []);
});
