// SPDX-License-Identifier: MIT OR Apache-2.0
// examples/luv, cqueues, neovim and love: each answers by HTTP out of its own loop, does what it is there for, and ends.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import net from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { MODULES, STEP, folder, root, start, within } from "./support.mjs";

const call = promisify(execFile);
const ENDED = { code: 0, signal: null };

function startHost(command, args, env = {}) {
  return start(command, args, { ...MODULES, ...env });
}

/** Asks until the answer is as wanted. */
async function until(ask, what) {
  const deadline = Date.now() + STEP;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    assert.ok(Date.now() < deadline, what());
    await sleep(20);
  }
}

async function request(url, options = {}) {
  const answer = await fetch(url, { ...options, signal: AbortSignal.timeout(STEP) });
  return { status: answer.status, text: await answer.text() };
}

const post = (url, body, headers = {}) => request(url, { method: "POST", body, headers });

test("luv: what is posted goes through a process of uv's, beside a timer", async () => {
  const run = startHost("luajit", [join(root, "examples/luv/main.lua"), "0"]);
  const url = await run.first;
  const texts = Array.from({ length: 20 }, (_, i) => `pear ${i}\napple ${i}\n`);
  const answers = await Promise.all(texts.map((text) => post(`${url}/sort`, text)));
  answers.forEach((answer, i) => assert.deepEqual(answer, { status: 200, text: `apple ${i}\npear ${i}\n` }));
  const seen = await until(async () => {
    const { seconds, sorted } = JSON.parse((await request(url)).text);
    return seconds > 0 ? sorted : undefined;
  }, () => "uv's timer does not run");
  assert.equal(seen, 20);
  run.child.kill("SIGINT");
  assert.deepEqual(await run.ended(), ENDED, run.stderr);
  assert.deepEqual(run.lines, [url, "stopped"]);
  assert.equal(run.stderr, "");
});

test("cqueues: a coroutine looks which ports answer, and the server tells", async () => {
  const watched = net.createServer((connection) => connection.destroy());
  await new Promise((resolve) => watched.listen(0, "127.0.0.1", resolve));
  const port = watched.address().port;
  const run = startHost("luajit", [join(root, "examples/cqueues/main.lua"), "0", `${port}`]);
  const url = await run.first;
  const state = async () => JSON.parse((await request(url)).text).answers[port];
  const becomes = (wanted) =>
    until(async () => ((await state()) === wanted ? wanted : undefined), () => `never ${wanted}\n${run.stderr}`);
  await becomes(true);
  await new Promise((resolve) => watched.close(resolve));
  await becomes(false);
  run.child.kill("SIGINT");
  assert.deepEqual(await run.ended(), ENDED, run.stderr);
  assert.deepEqual(run.lines, [url, "stopped"]);
  assert.equal(run.stderr, "");
});

test("neovim: lines come into the buffer, and are read from it", async () => {
  const socket = join(folder, "neovim");
  const example = join(root, "examples/neovim/main.lua");
  const run = startHost("nvim", ["--clean", "--headless", "--listen", socket, "-c", `luafile ${example}`, "-c", "Moonport"]);
  // Without a terminal, messages go to stderr.
  const told = await until(
    async () => run.stderr.match(/Authorization: (Bearer \S+)' (http:\S+\/lines)/) ?? undefined,
    () => `:Moonport tells nothing\n${run.stderr}`,
  );
  const [, authorization, url] = told;
  assert.equal((await request(url)).status, 401);
  const answer = await post(url, "one\ntwo\n", { authorization });
  assert.equal(answer.status, 200, answer.text);
  assert.equal(JSON.parse(answer.text).lines, 3);
  assert.equal((await request(url, { headers: { authorization } })).text, "\none\ntwo\n");

  // What Neovim itself says.
  const ask = (expression) => call("nvim", ["--server", socket, "--remote-expr", expression], { timeout: STEP });
  const { stdout, stderr } = await ask("join(getline(1, '$'), '|')");
  assert.equal((stdout + stderr).trim(), "|one|two");
  await ask("execute('set nomodifiable')");
  assert.equal((await post(url, "three", { authorization })).status, 409);
  // It ends before it has answered.
  await ask("execute('qall!')").catch(() => {});
  assert.deepEqual(await run.ended(), ENDED, run.stderr);
});

/** A screen of its own; gives its name. */
async function openScreen() {
  const size = ["-screen", "0", "640x480x24", "-nolisten", "tcp", "-noreset"];
  const server = spawn("Xvfb", ["-displayfd", "3", ...size], { stdio: ["ignore", "ignore", "ignore", "pipe"] });
  after(() => server.kill());
  const number = new Promise((resolve, reject) => {
    server.once("error", reject);
    server.stdio[3].setEncoding("utf8").once("data", resolve);
  });
  return `:${(await within(number, () => "Xvfb")).trim()}`;
}

test("love: the window shows what is posted, and sleeps while nothing is", async () => {
  const display = await openScreen();
  const run = startHost("love", [join(root, "examples/love"), "0"], {
    DISPLAY: display,
    LIBGL_ALWAYS_SOFTWARE: "1",
    SDL_VIDEODRIVER: "x11",
  });
  const url = await run.first;
  const show = async (message) => {
    const answer = await post(`${url}/show`, JSON.stringify(message), { "content-type": "application/json" });
    assert.equal(answer.status, 200, answer.text);
    return JSON.parse(answer.text).drawn;
  };
  // A place in the window where no text is.
  const place = ["-display", display, "-window", "root", "-crop", "1x1+320+140", "-depth", "8", "rgb:-"];
  const becomes = (wanted) => {
    let seen;
    const look = async () => {
      seen = [...(await call("import", place, { encoding: "buffer", timeout: STEP })).stdout];
      return seen.every((part, i) => Math.abs(part - wanted[i]) <= 1) ? seen : undefined;
    };
    return until(look, () => `the window is ${seen}, not ${wanted}\n${run.stderr}`);
  };
  await show({ text: "Hello", colour: [1, 0, 0] });
  await becomes([255, 0, 0]);
  const drawn = await show({ text: "Good bye", colour: [0, 0.6, 1] });
  await becomes([0, 153, 255]);
  await sleep(1000);
  const later = await show({});
  assert.ok(later - drawn < 20, `${later - drawn} frames in an idle second`);
  // As the kernel has it: no error, and no thread that hangs.
  run.child.kill("SIGTERM");
  assert.deepEqual(await run.ended(), ENDED, run.stderr);
});
