// SPDX-License-Identifier: MIT OR Apache-2.0
// Starts the demo, opens its link in a real browser and uses the page as a person would.
//
//   MOONPORT_BIN  the program (default ../../target/release/moonport)
//   CHROMIUM      the browser (default /usr/bin/chromium)
//   SCREENSHOTS   a folder for the pictures (default a new temporary one)
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { lowContrast } from "./contrast.mjs";

const program =
  process.env.MOONPORT_BIN ??
  fileURLToPath(new URL("../../target/release/moonport", import.meta.url));
const screenshots = process.env.SCREENSHOTS ?? mkdtempSync(join(tmpdir(), "moonport-demo-"));
const DESKTOP = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };
const NARROW = { width: 360, height: 740 };

let demo; // the child process
let link; // what it printed: the address with a one-time token
let origin;
let browser;
let page; // the desktop page, in the light, which the tests below use in their order
const complaints = []; // console errors and page errors, of every page
let refusals = 0; // bodies sent to be refused: Chromium logs each as a console error
let refusalsLogged = 0;

before(async () => {
  mkdirSync(screenshots, { recursive: true });
  demo = spawn(program, ["demo", "--address", "127.0.0.1:0"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface({ input: demo.stdout });
  const [line] = await Promise.race([
    once(lines, "line", { signal: AbortSignal.timeout(20_000) }),
    once(demo, "exit").then(([code]) => assert.fail(`the demo ended at once, with ${code}`)),
  ]);
  assert.match(line, /^open http:\/\/127\.0\.0\.1:\d+\/\?token=\S+$/);
  link = line.slice("open ".length);
  origin = new URL(link).origin;
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  page = await newPage(await browser.newContext({ viewport: DESKTOP, colorScheme: "light" }));
});

after(async () => {
  await browser?.close();
  if (demo && demo.exitCode === null && demo.signalCode === null) demo.kill("SIGKILL");
});

test("the one-time link opens the page and leaves the address bar", async () => {
  const answers = [];
  page.on("response", (response) =>
    answers.push([new URL(response.url()).pathname, response.status()]),
  );
  await page.goto(link);
  assert.deepEqual(answers[0], ["/", 303]);
  assert.equal(page.url(), `${origin}/`);
  await page.locator("#source", { hasText: "moonport.run()" }).waitFor();
  const cookies = await page.context().cookies();
  assert.equal(cookies.length, 1);
  assert.equal(cookies[0].httpOnly, true);
  assert.equal(cookies[0].sameSite, "Strict");
});

test("the page says what it is to a screen reader", async () => {
  for (const landmark of ["banner", "main", "contentinfo"]) {
    assert.equal(await page.getByRole(landmark).count(), 1, landmark);
  }
  const titles = [
    "Watch Lua work",
    "Send a message",
    "Send a burst",
    "Block Lua for a second",
    "Send something broken",
  ];
  for (const title of [...titles, "The whole program"]) {
    assert.equal(await page.getByRole("region", { name: title, exact: true }).count(), 1, title);
  }
  assert.equal(await page.getByRole("progressbar", { name: "Requests answered" }).count(), 1);
  assert.equal(await page.getByRole("textbox", { name: "JSON to send" }).count(), 1);
  assert.equal(await page.getByRole("radio").count(), 3);
});

test("a message comes back as Lua made it", async () => {
  const number = (await handled()) + 1;
  await page.fill("#message-text", '{"ship": "Moon", "list": [], "big": 9007199254740993}');
  await page.click("#message-send");
  await page.locator("#message-result.good").waitFor();
  assert.match(await text("#message-result"), /^Lua answered in [\d.,]+ ms$/);
  const answer = await text("#message-answer");
  assert.match(answer, new RegExp(`"number": ${number}\\b`));
  assert.match(answer, /"lua_type": "table"/);
  assert.match(answer, /"ship": "Moon"/);
  assert.match(answer, /"list": \[\]/);
  assert.match(answer, /"big": 9007199254740993/, "a 64-bit integer stays exact");
  // Lua pushes it on another connection than the answer's.
  const row = page.locator("#messages tbody tr", { hasText: '"ship": "Moon"' });
  await row.waitFor();
  assert.equal(await row.locator("th").textContent(), number.toLocaleString("en-GB"));
  assert.equal(await handled(), number);
});

test("a burst of 1,000: sent = answered = handled", async () => {
  const start = await handled();
  await page.check("#burst-1000", { force: true });
  await page.click("#burst-start");
  await page.locator("#burst-verdict.good, #burst-verdict.bad").waitFor({ timeout: 120_000 });
  assert.match(await text("#burst-verdict"), /^Nothing lost, nothing doubled\. 1,000 answers in /);
  for (const id of ["#burst-sent", "#burst-answered", "#burst-handled"]) {
    assert.equal(await text(id), "1,000", id);
  }
  assert.equal(await page.getAttribute("#burst-figures", "data-equal"), "true");
  assert.equal(await page.locator("#burst-progress").evaluate((bar) => bar.value / bar.max), 1);
  assert.equal((await handled()) - start, 1000);

  const sizes = await page.locator("#histogram-table tbody td").allTextContents();
  assert.equal(
    sizes.map(number).reduce((sum, size) => sum + size),
    1000,
  );
  assert.ok((await page.locator("#histogram rect").count()) === sizes.length);
  const quantiles = [];
  for (const name of ["p50", "p95", "p99", "max"])
    quantiles.push(number(await text(`#burst-${name}`)));
  assert.ok(quantiles[0] > 0);
  assert.deepEqual(
    quantiles,
    [...quantiles].sort((a, b) => a - b),
  );
});

test("a cancelled burst is counted exactly too", async () => {
  const start = await handled();
  await page.check("#burst-10000", { force: true });
  await page.click("#burst-start");
  await page.waitForFunction(() => document.getElementById("burst-progress").value >= 50);
  await page.click("#burst-cancel");
  await page.locator("#burst-verdict.good, #burst-verdict.bad").waitFor();
  assert.match(await text("#burst-verdict"), /^Cancelled after [\d,]+ of 10,000\. Nothing lost/);
  const sent = number(await text("#burst-sent"));
  assert.ok(sent >= 50 && sent < 10_000, `${sent} sent`);
  assert.equal(number(await text("#burst-answered")), sent);
  assert.equal((await handled()) - start, sent);
});

test("a blocked Lua thread makes requests wait, and loses none", async () => {
  const start = await handled();
  await page.click("#block-start");
  await page.locator("#block-verdict.good, #block-verdict.bad").waitFor();
  assert.match(
    await text("#block-verdict"),
    /^Nothing lost: 20 sent, 20 answered, 20 handled by Lua\./,
  );
  assert.equal((await handled()) - start, 20);
  const waits = await page.locator("#timeline-table tbody tr td:last-child").allTextContents();
  assert.equal(waits.length, 20);
  assert.ok(Math.max(...waits.map(number)) > 500, waits.join(", "));
  assert.equal(await page.locator("#timeline rect.blocked").count(), 1);
  assert.ok((await page.locator("#timeline rect.bar").count()) >= 20);
});

test("a malformed body is refused before Lua, with the place", async () => {
  const start = await handled();
  const answer = page.waitForResponse((response) => response.url() === `${origin}/messages`);
  refusals += 1;
  await page.click("#malformed-send");
  const { error, offset } = await (await answer).json();
  assert.ok(Number.isInteger(offset), `offset ${offset}`);
  await page.locator("#malformed-verdict.good, #malformed-verdict.bad").waitFor();
  assert.match(await text("#malformed-verdict"), /^Refused at the door/);
  assert.equal(await text("#malformed-status"), "400");
  assert.equal(await text("#malformed-error"), error);
  assert.match(error, new RegExp(`\\b${offset}\\b`));
  assert.equal(await page.locator("#malformed-place mark").count(), 1);
  assert.equal(number(await text("#malformed-before")), start);
  assert.equal(number(await text("#malformed-after")), start);
  assert.equal(await handled(), start);
});

test("the text has enough contrast, by day and by night", async () => {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    assert.deepEqual(await page.evaluate(lowContrast), [], colorScheme);
    await page.screenshot({
      path: join(screenshots, `desktop-${colorScheme}.png`),
      fullPage: true,
    });
    await page.setViewportSize(PHONE);
    await page.screenshot({ path: join(screenshots, `phone-${colorScheme}.png`) });
    await page.screenshot({
      path: join(screenshots, `phone-${colorScheme}-full.png`),
      fullPage: true,
    });
    await page.setViewportSize(DESKTOP);
  }
});

test("360 pixels are wide enough, with all results shown", async () => {
  await page.setViewportSize(NARROW);
  for (const summary of await page.locator("summary").all()) await summary.click();
  const widths = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    ...["#histogram", "#timeline", "#messages"].map((id) => {
      return Math.ceil(document.querySelector(id).getBoundingClientRect().right);
    }),
  ]);
  assert.ok(Math.max(...widths) <= NARROW.width, widths.join(", "));
});

test("the keyboard is enough", async () => {
  const keyboardPage = await newPage(page.context());
  await keyboardPage.emulateMedia({ reducedMotion: "reduce" });
  await keyboardPage.goto(origin);
  await keyboardPage.locator("#source", { hasText: "moonport.run()" }).waitFor();
  await tabTo(keyboardPage, "message-send");
  const outline = await keyboardPage.evaluate(
    () => getComputedStyle(document.activeElement).outlineStyle,
  );
  assert.equal(outline, "solid", "the focus can be seen");
  for (const key of ["Enter", "Space"]) {
    const start = await handled();
    await keyboardPage.keyboard.press(key);
    await keyboardPage.waitForFunction(
      (expected) => document.getElementById("status-handled").textContent === expected,
      (start + 1).toLocaleString("en-GB"),
    );
  }
  await tabTo(keyboardPage, "burst-1000");
  await keyboardPage.keyboard.press("ArrowLeft");
  await tabTo(keyboardPage, "burst-start");
  await keyboardPage.keyboard.press("Enter");
  await keyboardPage.locator("#burst-verdict.good").waitFor();
  assert.equal(await keyboardPage.locator("#burst-handled").textContent(), "100");
  const focused = await keyboardPage.evaluate(() => document.activeElement.id);
  assert.equal(focused, "burst-start", "the focus stays where it was");
  await keyboardPage.close();
});

test("a page the server does not know says what to do", async () => {
  await page.context().clearCookies();
  // Chromium logs each 401 as it logs the 400; they are expected here and only here.
  const known = complaints.length;
  await page.click("#message-send");
  await page
    .locator("#notice", { hasText: "Open the link printed in the terminal again" })
    .waitFor();
  await page.waitForFunction(() => !document.documentElement.dataset.busy);
  if (complaints.length === known) await page.waitForEvent("console", () => complaints.length > known);
  const logged = complaints.splice(known);
  assert.equal(logged.length, 1);
  assert.match(logged[0], /status of 401/);
});

test("nothing else was complained about", () => {
  assert.deepEqual(complaints, []);
  assert.equal(refusalsLogged, refusals);
});

test("an address in use is a clear sentence and exit code 1", async () => {
  const { host } = new URL(link);
  const second = spawn(program, ["demo", "--address", host], { stdio: ["ignore", "pipe", "pipe"] });
  let printed = "";
  let complained = "";
  second.stdout.on("data", (data) => (printed += data));
  second.stderr.on("data", (data) => (complained += data));
  try {
    const [code] = await once(second, "close", { signal: AbortSignal.timeout(10_000) });
    assert.equal(code, 1);
  } finally {
    second.kill("SIGKILL");
  }
  assert.equal(printed, "");
  assert.match(complained, /in use/);
  assert.ok(complained.includes(host), complained);
});

test("Ctrl+C ends the demo with 130", async () => {
  assert.equal(demo.exitCode, null, "it still runs");
  const ended = once(demo, "exit", { signal: AbortSignal.timeout(5000) });
  demo.kill("SIGINT");
  const [code, signal] = await ended;
  assert.deepEqual({ code, signal }, { code: 130, signal: null });
});

async function newPage(context) {
  const opened = await context.newPage();
  opened.on("pageerror", (error) => complaints.push(String(error.stack)));
  opened.on("console", (message) => {
    if (!["error", "warning"].includes(message.type())) return;
    const refused =
      message.location().url === `${origin}/messages` &&
      /^Failed to load resource: .* status of 400 /.test(message.text());
    if (refused) refusalsLogged += 1;
    else complaints.push(`${message.text()} (${message.location().url})`);
  });
  return opened;
}

/** Lua's own counter, asked past everything the page shows. */
function handled() {
  return page.evaluate(async () => (await (await fetch("/status")).json()).handled);
}

async function tabTo(target, id) {
  for (let presses = 0; presses < 15; presses += 1) {
    await target.keyboard.press("Tab");
    if ((await target.evaluate(() => document.activeElement.id)) === id) return;
  }
  assert.fail(`15 times Tab do not reach #${id}`);
}

function text(selector) {
  return page.locator(selector).textContent();
}

function number(shown) {
  const value = Number.parseFloat(shown.replaceAll(",", ""));
  assert.ok(Number.isFinite(value), `"${shown}" is no number`);
  return value;
}
