// SPDX-License-Identifier: MIT OR Apache-2.0
// examples/gtk and examples/sdl: real windows, on a screen of their own. What a request changes can be seen there when it
// has been answered.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { INTERPRETERS, STEP, root, start, within } from "./support.mjs";

let screen, display;

before(async () => {
  // -noreset: else it would start anew, and lose who just connects, whenever its last client leaves.
  screen = start("Xvfb", ["-displayfd", "1", "-screen", "0", "800x600x24", "-nolisten", "tcp", "-noreset"]);
  display = `:${await screen.first}`;
  assert.match(display, /^:\d+$/, screen.stderr);
});

after(() => screen.child.kill());

/** Starts an example; gives how to post to it. */
async function open(interpreter, name) {
  const { command, first, env } = INTERPRETERS[interpreter];
  // The libraries of the distribution are looked for too.
  const lua = env.LUA_CPATH ? { LUA_CPATH: `${env.LUA_CPATH};;` } : {};
  const file = join(root, "examples", name, "main.lua");
  const x11 = { DISPLAY: display, GDK_BACKEND: "x11", SDL_VIDEODRIVER: "x11", NO_AT_BRIDGE: "1" };
  const run = start(command, [...first, file], { ...x11, ...lua });
  const line = (await run.first) ?? run.stderr;
  const [, token, url] = line.match(/^curl -H 'Authorization: Bearer (\S+)' .* (http:\/\/127\.0\.0\.1:\d+)\/\w+$/) ?? [];
  assert.ok(url, line);
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  const post = (path, body) =>
    within(fetch(url + path, { method: "POST", headers, body: JSON.stringify(body) }), () => `POST ${path}`);
  return { run, post };
}

async function close({ run, post }) {
  assert.equal((await post("/close", {})).status, 204);
  assert.deepEqual(await run.ended(), { code: 0, signal: null }, run.stderr);
  assert.equal(run.stderr, "");
}

const tool = (command, ...args) =>
  execFileSync(command, args, { env: { ...process.env, DISPLAY: display }, encoding: "utf8", timeout: STEP }).trim();

for (const interpreter of Object.keys(INTERPRETERS)) {
  describe(`windows, ${interpreter}`, () => {
    test("gtk: every note that is posted is in the list", async () => {
      const example = await open(interpreter, "gtk");
      for (let count = 1; count <= 50; count++) {
        const answer = await example.post("/notes", { text: `note ${count} \u{1f319}` });
        assert.deepEqual(await answer.json(), { notes: count });
      }
      assert.equal((await example.post("/notes", { text: 1 })).status, 400);
      assert.equal((await example.post("/notes", [])).status, 400);
      assert.notEqual(tool("xdotool", "search", "--name", "^Notes \\(50\\)$"), "");
      await close(example);
    });

    test("sdl: the window has the colour that was posted", async () => {
      const example = await open(interpreter, "sdl");
      for (const [red, green, blue, seen] of [[255, 128, 0, "#FF8000"], [0, 0, 255, "#0000FF"], [-5, 300, "x", "#00FF00"]]) {
        const answer = await example.post("/colour", { red, green, blue });
        assert.equal(answer.status, 200);
        assert.ok(tool("import", "-window", "Colour", "-crop", "1x1+200+150", "-depth", "8", "txt:-").includes(seen), seen);
      }
      await close(example);
    });
  });
}
