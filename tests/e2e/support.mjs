// SPDX-License-Identifier: MIT OR Apache-2.0
// The program and the browser, for the tests that start both.
//
//   MOONPORT_BIN, CHROMIUM    as in demo.test.mjs
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const file = (path) => fileURLToPath(new URL(path, import.meta.url));
const program = process.env.MOONPORT_BIN ?? file("../../target/release/moonport");

/** Starts the program; line() gives what it prints next, go() writes a line to its stdin. */
export function startProgram(t, ...args) {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => {
    const late = AbortSignal.timeout(20_000);
    const ended = new Promise((_, reject) => {
      late.addEventListener("abort", () => reject(new Error(`no line of ${args.join(" ")}`)));
    });
    return (await Promise.race([lines.next(), ended])).value;
  };
  return { child, line, go: (text) => child.stdin.write(`${text}\n`) };
}

/** A page whose complaints are kept. The certificate is one that its user has clicked away. */
export async function startBrowser(t, options = {}) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
  });
  t.after(() => browser.close());
  const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options });
  const page = await context.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  return { page, complaints };
}

/** What Chromium says by itself of a connection that was refused, which no page can keep it from. */
export function withoutRefused(complaints) {
  return complaints.filter((complaint) => !/ERR_CONNECTION_REFUSED/.test(complaint));
}

export function assertCalm(complaints) {
  assert.deepEqual(complaints, []);
}
