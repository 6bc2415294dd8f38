// SPDX-License-Identifier: MIT OR Apache-2.0
// What the tests of the examples share: programs that are started and never outlive the test, and the two interpreters.
//
//   MOONPORT_BIN, MOONPORT_LUA      the program and the folder of <flavour>/moonport.so (default: those in target/)
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { after } from "node:test";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../", import.meta.url));
const program = resolve(process.env.MOONPORT_BIN ?? join(root, "target/release/moonport"));
const modules = resolve(process.env.MOONPORT_LUA ?? join(root, "target/lua"));

/** How a Lua file of an example is started. */
export const INTERPRETERS = {
  luajit: { command: "luajit", first: [], env: { LUA_CPATH: join(modules, "luajit/?.so") } },
  "moonport run": { command: program, first: ["run"], env: {} },
};
/** What a Lua of the system's needs to find Moonport, beside its own modules. */
export const MODULES = {
  LUA_PATH: `${join(modules, "luajit/?.lua")};;`,
  LUA_CPATH: `${join(modules, "luajit/?.so")};;`,
};
export const STEP = 20_000; // the longest that anything may take

/** A folder that is gone after the tests. */
export const folder = mkdtempSync(join(tmpdir(), "moonport-examples-"));
const running = new Set();

after(() => {
  for (const child of running) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

/** The promise, or an error that says what took too long. */
export function within(promise, what, time = STEP) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what()}: more than ${time} ms`)), time);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/**
 * Starts a program. lines: what it has printed; first: its first line, or undefined if it ends without one; ended: how it
 * ended, as { code, signal }.
 */
export function start(command, args, env = {}) {
  // LUA_INIT and the like must not decide what is tested.
  const base = { PATH: process.env.PATH, HOME: process.env.HOME ?? "/" };
  const child = spawn(command, args, { env: { ...base, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  const run = { child, lines: [], stderr: "" };
  child.stderr.setEncoding("utf8").on("data", (text) => (run.stderr += text));
  const reader = createInterface({ input: child.stdout }).on("line", (line) => run.lines.push(line));
  const what = () => `${command} ${args.join(" ")}\n${run.lines.slice(-5).join("\n")}\n${run.stderr}`;
  run.first = within(
    new Promise((resolve) => {
      reader.once("line", resolve);
      reader.once("close", () => resolve(undefined));
    }),
    what,
  );
  const closed = new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      running.delete(child);
      resolve({ code, signal });
    });
  });
  run.ended = (time = STEP) => within(closed, what, time).finally(() => child.kill("SIGKILL"));
  run.first.catch(() => {}); // whoever waits for it hears of it
  closed.catch(() => {});
  return run;
}

/** Starts a Lua file of an example. */
export function startLua(interpreter, file, ...args) {
  const { command, first, env } = INTERPRETERS[interpreter];
  return start(command, [...first, join(root, "examples", file), ...args], env);
}
