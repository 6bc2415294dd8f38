// SPDX-License-Identifier: MIT OR Apache-2.0
// Attacks on a server of `moonport run` with its default limits, beside a client that behaves: while each goes on, all
// requests of that client are answered, 99 of 100 in less than 50 ms. It needs slowhttptest and wrk.
//   node tests/attacks/run.mjs [NAME ...]       after: cargo build --release
//   MOONPORT_BIN, SECONDS                        the program; how long each attack goes on (3)
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const program = process.env.MOONPORT_BIN ?? join(here, "../../target/release/moonport");
const seconds = Number(process.env.SECONDS ?? 3);
const LIMIT = 50; // milliseconds, for 99 of 100 requests
const STEP = 15_000; // the longest that anything else may take

// More connections than the server takes, soon enough for all of them to come.
const slow = (path, ...args) => ({
  command: (url) => ["slowhttptest", "-c", "400", "-r", "200", "-l", seconds, "-p", "1", ...args, "-u", url + path],
  least: { accepted: 300 },
});
const wrk = (connections, kind, least) => ({
  command: (url) =>
    ["wrk", "-t1", `-c${connections}`, `-d${seconds}s`, "-s", join(here, "requests.lua"), url, "--", kind],
  least,
});

/** least: what the server must have counted, or there was no attack. enters: is somebody new served meanwhile? */
const ATTACKS = {
  "nobody": { command: () => ["sleep", seconds], least: {}, enters: true },
  "slow heads": { ...slow("/open", "-H", "-i", "1"), enters: true },
  "slow bodies without the token": { ...slow("/ping", "-B", "-i", "1"), enters: true },
  // Whoever is in the middle of a body keeps the place, for 30 s at most; and a slow reader while it reads.
  "slow bodies": { ...slow("/open", "-B", "-i", "1", "-s", "8192", "-f", "text/plain"), enters: false },
  "slow reading": { ...slow("/open/file", "-X", "-w", "1", "-y", "64", "-n", "1", "-z", "8", "-k", "8"), enters: false },
  "many ranges": { ...slow("/open/file", "-R", "-b", "300"), enters: true },
  "64 connections, GET": { ...wrk(64, "kept", { answered: 1000 }), enters: true },
  "64 connections, POST of JSON": { ...wrk(64, "json", { answered: 1000 }), enters: true },
  "64 connections, foreign Host": { ...wrk(64, "rebinding", { refused: 1000 }), enters: true },
  "64 connections, bad framing": { ...wrk(64, "folding", { refused: 1000, accepted: 1000 }), enters: true },
  "64 connections, one request each": { ...wrk(64, "connecting", { accepted: 1000 }), enters: true },
  "8 connections, malformed bodies": { ...wrk(8, "bodies", { refused: 100 }), enters: true },
};

const running = new Set();

function start(command, args, stdio) {
  const child = spawn(command, args.map(String), { stdio });
  running.add(child);
  child.ended = new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(running.delete(child) && code));
  });
  const lines = child.stdout && createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  child.line = async () => (await within(lines.next(), `a line of ${command}`)).value;
  return child;
}

function within(promise, what, time = STEP) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: more than ${time} ms`)), time);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function counts({ url, token }) {
  const headers = { Authorization: `Bearer ${token}`, Connection: "close" };
  const answer = await fetch(`${url}/stats`, { headers, signal: AbortSignal.timeout(STEP) });
  return answer.status === 200 ? answer.json() : undefined;
}

/** The counts as soon as the connections of an attack are gone. */
async function settled(server) {
  const end = performance.now() + STEP;
  for (;;) {
    const now = await counts(server);
    if (now && now.connections <= 1) return now;
    if (performance.now() > end) throw new Error(`connections stay: ${JSON.stringify(now)}`);
    await pause(50);
  }
}

/** What the client saw during an attack, and what the server counted. */
async function beside(server, command) {
  const before = await settled(server);
  const client = start(process.execPath, [join(here, "client.mjs"), server.url, server.token], ["pipe", "pipe", "inherit"]);
  await client.line();
  // The client is a person's program, the attacker comes from elsewhere: it must not win by the processor that they share.
  const attack = start("nice", ["-n", "10", ...command(server.url)], ["ignore", "ignore", "inherit"]);
  client.stdin.write("measure\n");
  await within(attack.ended, command(server.url).join(" "), STEP + 1000 * seconds);
  client.stdin.end();
  const seen = JSON.parse(await client.line());
  await within(client.ended, "the end of the client");
  const after = await settled(server);
  const counted = Object.fromEntries(Object.keys(after).map((name) => [name, after[name] - before[name]]));
  return { ...seen, counted };
}

function complaints({ kept, fresh, counted }, { least, enters }) {
  const all = [];
  if (!(kept.p99 < LIMIT)) all.push(`p99 is ${kept.p99} ms`);
  if (kept.asked < 20 * seconds) all.push(`the client came to only ${kept.asked} requests`);
  if (kept.answered < kept.asked || kept.opened > 0) all.push(`the kept connection failed: ${JSON.stringify(kept)}`);
  if (enters && fresh.answered < fresh.asked) all.push(`somebody new was not served: ${JSON.stringify(fresh)}`);
  for (const [name, wanted] of Object.entries(least)) {
    if (counted[name] < wanted) all.push(`no attack: only ${counted[name]} ${name}`);
  }
  return all;
}

function row(name, { kept, fresh, counted }) {
  const milliseconds = (time) => time.toFixed(1);
  const told = ["accepted", "requests", "forwarded", "refused", "full", "evicted"].filter((what) => counted[what] > 0);
  const cells = [
    name,
    milliseconds(kept.p50),
    milliseconds(kept.p99),
    milliseconds(kept.max),
    `${fresh.answered}/${fresh.asked}`,
    told.map((what) => `${counted[what]} ${what}`).join(", "),
  ];
  return `| ${cells.join(" | ")} |`;
}

const folder = mkdtempSync(join(tmpdir(), "moonport-attacks-"));
let passed = 0;
let failed = 0;
try {
  const file = join(folder, "file");
  writeFileSync(file, "x".repeat(1 << 20));
  const child = start(program, ["run", join(here, "server.lua"), file], ["ignore", "pipe", "inherit"]);
  const server = { url: await child.line(), token: await child.line() };
  const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(ATTACKS);
  console.log("| attack | p50 ms | p99 ms | max ms | new clients served | the server's counts |");
  console.log("|---|---|---|---|---|---|");
  for (const name of names) {
    const attack = ATTACKS[name];
    const result = await beside(server, attack.command);
    console.log(row(name, result));
    const wrong = complaints(result, attack);
    for (const text of wrong) console.error(`${name}: ${text}`);
    if (wrong.length > 0) failed += 1;
    else passed += 1;
  }
} finally {
  for (const child of running) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
