// SPDX-License-Identifier: MIT OR Apache-2.0
// Starts a script on every interpreter that has the module, and sends it requests.
import { spawn } from "node:child_process";
import http from "node:http";
import https from "node:https";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const target = fileURLToPath(new URL("../../target/", import.meta.url));
const program = process.env.MOONPORT_BIN ?? join(target, "release/moonport");
const modules = process.env.MOONPORT_LUA ?? join(target, "lua");

const INTERPRETERS = {
  moonport: { command: program, first: ["run"], env: {} },
  luajit: { command: "luajit", first: [], env: { LUA_CPATH: join(modules, "luajit/?.so") } },
  "lua5.4": { command: "lua5.4", first: [], env: { LUA_CPATH: join(modules, "5.4/?.so") } },
};
export const NAMES = Object.keys(INTERPRETERS);

/** The longest that anything may take. */
export const STEP = 10_000;

/** The promise, or an error that says what took too long. */
export function within(promise, what, time = STEP) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: more than ${time} ms`)), time);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Starts a script; line() gives its next line of stdout, ended() how it ended. */
export function startScript(t, name, script, ...args) {
  const { command, first, env } = INTERPRETERS[name];
  const base = { PATH: process.env.PATH, HOME: process.env.HOME ?? "/" };
  const child = spawn(command, [...first, join(here, script), ...args], {
    env: { ...base, ...env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const closed = new Promise((resolve) => child.once("close", (code, signal) => resolve({ code, signal })));
  return {
    child,
    line: async () => (await within(lines.next(), `a line of ${name} ${script}`)).value,
    ended: () => within(closed, `the end of ${name} ${script}`),
  };
}

/** One request on a connection of its own; `base` has the socket or host, the certificate and so on. */
export function request(base, path, { method = "GET", headers = {}, body } = {}) {
  const answer = new Promise((resolve, reject) => {
    const { request } = base.protocol === "https:" ? https : http;
    const sent = request({ ...base, path, method, headers, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece) => (text += piece));
      response.on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, body: text }));
    });
    sent.on("error", reject);
    sent.end(body);
  });
  return within(answer, `${method} ${path}`);
}
