// SPDX-License-Identifier: MIT OR Apache-2.0
// A real Chromium with the extension of examples/webext in it, used through its popup.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const source = fileURLToPath(new URL("../../examples/webext/extension", import.meta.url));
const LIMIT = 15_000;

export function folder(t) {
  const path = mkdtempSync(join(tmpdir(), "moonport-webext-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

/** A copy of the extension, with another manifest. */
export function changed(t, change) {
  const copy = join(folder(t), "extension");
  cpSync(source, copy, { recursive: true });
  const file = join(copy, "manifest.json");
  const manifest = JSON.parse(readFileSync(file));
  change(manifest);
  writeFileSync(file, JSON.stringify(manifest));
  return copy;
}

/** A browser with the extension. In it, site.test is this machine under a name that the extension may not read. */
export async function openBrowser(t, { extension = source } = {}) {
  const profile = mkdtempSync(join(tmpdir(), "moonport-webext-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      `--load-extension=${extension}`,
      `--disable-extensions-except=${extension}`,
      "--disable-features=DisableLoadExtensionCommandLineSwitch",
      "--enable-unsafe-extension-debugging", // to click on its icon
      "--host-resolver-rules=MAP site.test 127.0.0.1",
    ],
  });
  t.after(async () => {
    await context.close(); // it writes there until then
    rmSync(profile, { recursive: true });
  });
  const worker =
    context.serviceWorkers()[0] ?? (await context.waitForEvent("serviceworker", { timeout: LIMIT }));
  const devtools = await context.browser().newBrowserCDPSession();
  return { context, id: new URL(worker.url()).host, devtools, hosts: join(profile, "NativeMessagingHosts") };
}

/** Opens the settings as their page, and saves these. */
export async function saveSettings({ context, id }, { way = "http", address, token }) {
  const page = await context.newPage();
  await page.goto(`chrome-extension://${id}/settings.html`);
  await page.check(`input[value="${way}"]`);
  if (way === "http") {
    await page.fill("#address", address);
    await page.fill("#token", token);
  }
  await page.click("button");
  await page.locator("#saved", { hasText: /^Saved/ }).waitFor();
  await page.close();
}

/** Clicks on the extension's icon while the user is on `url`: that alone lets it read the page. */
export async function openPopup({ id, devtools }, url) {
  const targets = async () => (await devtools.send("Target.getTargets", { filter: [{}] })).targetInfos;
  const tab = (await targets()).find((target) => target.type === "tab" && target.url === url);
  await devtools.send("Extensions.triggerAction", { id, targetId: tab.targetId });
  const opened = (target) => target.type === "page" && target.url.endsWith("/popup.html");
  const { targetId } = await until("the popup", async () => (await targets()).find(opened));
  const { sessionId } = await devtools.send("Target.attachToTarget", { targetId, flatten: false });
  return new Popup(devtools, targetId, sessionId);
}

/** playwright does not see popups: this speaks to one by the DevTools protocol. */
class Popup {
  #devtools;
  #target;
  #session;
  #waiting = new Map();
  #sent = 0;

  constructor(devtools, target, session) {
    this.#devtools = devtools;
    this.#target = target;
    this.#session = session;
    devtools.on("Target.receivedMessageFromTarget", ({ sessionId, message }) => {
      if (sessionId !== session) return;
      const { id, result, error } = JSON.parse(message);
      const { resolve, reject } = this.#waiting.get(id) ?? {};
      this.#waiting.delete(id);
      if (error) reject?.(new Error(error.message));
      else resolve?.(result);
    });
  }

  #ask(method, params = {}) {
    this.#sent += 1;
    const id = this.#sent;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      const message = JSON.stringify({ id, method, params });
      this.#devtools
        .send("Target.sendMessageToTarget", { sessionId: this.#session, message })
        .catch(reject);
    });
  }

  async evaluate(expression) {
    const question = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await this.#ask("Runtime.evaluate", question);
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? expression);
    return result.value;
  }

  /** The text of an element, or null while it is not shown. */
  text(id) {
    const element = `document.getElementById(${JSON.stringify(id)})`;
    return this.evaluate(`${element}?.checkVisibility() ? ${element}.innerText.trim() : null`);
  }

  shown(id) {
    return until(`#${id} in the popup`, () => this.text(id));
  }

  /** Sends the page: what is shown is the answer or the trouble, once the button can be pressed again. */
  async send() {
    await this.shown("send");
    await this.evaluate(`document.getElementById("send").click()`);
    await until("an answer", () => this.evaluate(`!document.getElementById("send").disabled`));
    return { trouble: await this.text("trouble"), answer: await this.text("answer") };
  }

  async emulate(colorScheme) {
    const features = [{ name: "prefers-color-scheme", value: colorScheme }];
    await this.#ask("Emulation.setEmulatedMedia", { features });
  }

  async screenshot(path) {
    const { data } = await this.#ask("Page.captureScreenshot");
    writeFileSync(path, Buffer.from(data, "base64"));
  }

  async close() {
    await this.#devtools.send("Target.closeTarget", { targetId: this.#target });
  }
}

/** What `look` gives when it gives something. */
export async function until(what, look) {
  const end = Date.now() + LIMIT;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`${what}: not within ${LIMIT} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
