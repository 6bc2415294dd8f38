// SPDX-License-Identifier: MIT OR Apache-2.0
// Speaks to `moonport native-messaging` as a browser does, with a Lua program at the other end.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { endianness, tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { startScript, within } from "./support.mjs";

const program =
  process.env.MOONPORT_BIN ?? fileURLToPath(new URL("../../target/release/moonport", import.meta.url));
const ORIGIN = `chrome-extension://${"abcdefghijklmnop".repeat(2)}`;
const MIB = 1 << 20;
const little = endianness() === "LE";

function socketPath(t) {
  const folder = mkdtempSync(join(tmpdir(), "moonport-native-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, "socket");
}

async function startProgram(t, socket, ...more) {
  const script = startScript(t, "moonport", "native.lua", socket, ORIGIN, ...more);
  assert.equal(await script.line(), `unix:${socket}`);
  return script;
}

async function stopProgram(script) {
  script.child.kill("SIGINT");
  assert.deepEqual(await script.ended(), { code: 130, signal: null });
}

function frame(message) {
  const body = typeof message === "string" ? Buffer.from(message) : Buffer.from(JSON.stringify(message));
  return Buffer.concat([lengthOf(body.length), body]);
}

function lengthOf(size) {
  const bytes = Buffer.alloc(4);
  if (little) bytes.writeUInt32LE(size);
  else bytes.writeUInt32BE(size);
  return bytes;
}

/** The bridge: send(message), next() for an answer, ended() for how it ended and what it wrote to stderr. */
function startBridge(t, socket, ...caller) {
  const args = ["native-messaging", "--socket", socket, "--", ...caller];
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  let got = [];
  let size = 0;
  let wanted = 4;
  let body = false;
  const answers = [];
  const waiters = [];
  child.stdout.on("data", (piece) => {
    got.push(piece);
    size += piece.length;
    while (size >= wanted) {
      const all = Buffer.concat(got);
      const part = all.subarray(0, wanted);
      got = [all.subarray(wanted)];
      size -= wanted;
      if (body) {
        const answer = Object.assign(JSON.parse(part), { length: part.length });
        const waiter = waiters.shift();
        if (waiter) waiter(answer);
        else answers.push(answer);
        wanted = 4;
      } else {
        wanted = little ? part.readUInt32LE() : part.readUInt32BE();
        assert.ok(wanted > 0 && wanted <= MIB, `a frame of ${wanted} bytes`);
      }
      body = !body;
    }
  });
  let complained = "";
  child.stderr.on("data", (piece) => (complained += piece));
  child.stdin.on("error", () => {}); // it may have ended already
  const closed = once(child, "close").then(([code, signal]) => {
    assert.equal(size, 0, "stdout ends with a whole frame");
    return { code, signal, complained };
  });
  return {
    child,
    answers,
    send: (message) => child.stdin.write(frame(message)),
    next: () =>
      within(
        answers.length > 0
          ? Promise.resolve(answers.shift())
          : new Promise((resolve) => waiters.push(resolve)),
        "an answer",
        30_000,
      ),
    ended: () => within(closed, "the end of the bridge"),
  };
}

/** Without the length that the harness adds. */
function plain({ length, ...answer }) {
  assert.ok(length > 0);
  return answer;
}

test("a message is a request, and the caller its origin", async (t) => {
  const socket = socketPath(t);
  await startProgram(t, socket);
  const bridge = startBridge(t, socket, `${ORIGIN}/`);
  bridge.send({ id: 1, method: "POST", path: "/echo", body: { n: 7 } });
  const body = { n: 7, origin: ORIGIN, method: "POST" };
  assert.deepEqual(plain(await bridge.next()), { id: 1, status: 200, body });
  bridge.send({ path: "/text?size=3" });
  assert.deepEqual(plain(await bridge.next()), { status: 200, body: "xxx" });
  bridge.send({ id: { a: [null] }, path: "/nothing" });
  const missing = plain(await bridge.next());
  assert.deepEqual([missing.id, missing.status], [{ a: [null] }, 404]);
  bridge.child.stdin.end();
  assert.deepEqual(await bridge.ended(), { code: 0, signal: null, complained: "" });
  assert.deepEqual(bridge.answers, []);
});

test("other callers are refused by the program, and odd ones by the bridge", async (t) => {
  const socket = socketPath(t);
  await startProgram(t, socket);
  for (const caller of [[`chrome-extension://${"p".repeat(32)}/`], ["/a/host.json", "notes@example.org"]]) {
    const bridge = startBridge(t, socket, ...caller);
    bridge.send({ id: 1, path: "/peak" });
    assert.equal((await bridge.next()).status, 403, caller[0]);
  }
  const odd = startBridge(t, socket, "abc");
  const { code, complained } = await odd.ended();
  assert.equal(code, 1);
  assert.match(complained, /^moonport native-messaging: expected .*"abc"/);
  assert.deepEqual(odd.answers, []);
});

test("a server with a token says so", async (t) => {
  const socket = socketPath(t);
  await startProgram(t, socket, "token");
  const bridge = startBridge(t, socket, `${ORIGIN}/`);
  bridge.send({ id: 1, path: "/peak" });
  const answer = await bridge.next();
  assert.equal(answer.status, 401);
  assert.match(answer.body.error, /token/);
});

test("answers come when they are there", async (t) => {
  const socket = socketPath(t);
  await startProgram(t, socket);
  const bridge = startBridge(t, socket, `${ORIGIN}/`);
  bridge.send({ id: "slow", path: "/wait" });
  bridge.send({ id: "quick", path: "/peak" });
  assert.equal((await bridge.next()).id, "quick");
  bridge.send({ id: "release", path: "/release" });
  const rest = [plain(await bridge.next()), plain(await bridge.next())];
  rest.sort((left, right) => left.id.localeCompare(right.id));
  assert.deepEqual(rest, [
    { id: "release", status: 204 },
    { id: "slow", status: 200, body: "released" },
  ]);
});

test("1,000 messages at once: each is answered once, at most 64 at a time", async (t) => {
  const socket = socketPath(t);
  await startProgram(t, socket);
  const bridge = startBridge(t, socket, `${ORIGIN}/`);
  const count = 1000;
  const frames = Array.from({ length: count }, (_, n) => frame({ id: n, path: "/echo", body: { n } }));
  bridge.child.stdin.write(Buffer.concat(frames));
  const seen = new Set();
  for (let answered = 0; answered < count; answered += 1) {
    const { id, status, body } = await bridge.next();
    assert.deepEqual([status, body.n], [200, id]);
    seen.add(id);
  }
  assert.equal(seen.size, count);
  bridge.send({ id: "peak", path: "/peak" });
  const { body: peak } = await bridge.next();
  assert.ok(peak > 1 && peak <= 64, `${peak} at a time`);
  bridge.child.stdin.end();
  await bridge.ended();
  assert.deepEqual(bridge.answers, []);
});

test("at the end of the input what is on its way is answered, or given up", async (t) => {
  const socket = socketPath(t);
  await startProgram(t, socket);
  for (const [path, answers] of [
    ["/peak", 1],
    ["/wait", 0],
  ]) {
    const bridge = startBridge(t, socket, `${ORIGIN}/`);
    bridge.child.stdin.end(frame({ id: 1, path }));
    assert.deepEqual(await bridge.ended(), { code: 0, signal: null, complained: "" });
    assert.equal(bridge.answers.length, answers, path);
  }
});

test("a browser that takes no more answers ends it", async (t) => {
  const socket = socketPath(t);
  await startProgram(t, socket);
  const bridge = startBridge(t, socket, `${ORIGIN}/`);
  bridge.child.stdout.destroy();
  bridge.send({ id: 1, path: "/peak" });
  const [code] = await within(once(bridge.child, "exit"), "the end of the bridge");
  assert.equal(code, 0);
});

test("a message that is none is answered, and the next one served", async (t) => {
  const bridge = startBridge(t, socketPath(t), `${ORIGIN}/`);
  for (const [message, id, why] of [
    ["", undefined, /expected an object/],
    ["{", undefined, /EOF/],
    ["\u0000", undefined, /expected an object/],
    ['{"id": 5}', 5, /missing field `path`/],
    ['{"id": 6, "path": "/", "token": "x"}', 6, /unknown field `token`/],
    ['{"id": 7, "path": "/\\r\\nHost: evil.org"}', 7, /invalid uri character/],
    ['{"id": 8, "path": "/", "method": "TRACE"}', 8, /expected the method/],
    [`{"id": "${"x".repeat(300)}", "path": "/"}`, undefined, /an id of at most 256/],
    [`{"id": 9, "path": "/", "body": ${"[".repeat(100_000)}}`, undefined, /expected/],
  ]) {
    bridge.send(message);
    const answer = await bridge.next();
    assert.equal(answer.name, "invalid", message);
    assert.equal(answer.id, id, message);
    assert.match(answer.error, why);
  }
  bridge.child.stdin.end();
  assert.equal((await bridge.ended()).code, 0);
});

test("a length that cannot be ends it, and says what was wrong", async (t) => {
  for (const [input, why] of [
    [lengthOf(64 * MIB + 1), /at most 67108864 bytes, got the length 67108865/],
    [Buffer.from("GET / HTTP/1.1\r\n"), /got the length/],
    [Buffer.from([1, 0]), /ended after 2 of the 4 bytes of the length/],
    [Buffer.concat([lengthOf(9), Buffer.from("{}")]), /ended after 2 of the 9 bytes/],
  ]) {
    const bridge = startBridge(t, socketPath(t), `${ORIGIN}/`);
    bridge.child.stdin.end(input);
    const { code, complained } = await bridge.ended();
    assert.equal(code, 1);
    assert.match(complained, why);
    assert.equal(bridge.answers.length, 1);
    assert.match(bridge.answers[0].error, why);
    assert.equal(bridge.answers[0].name, "invalid");
  }
});

test("a program that comes and goes", async (t) => {
  const socket = socketPath(t);
  const bridge = startBridge(t, socket, `${ORIGIN}/`);
  const ask = async (id) => {
    bridge.send({ id, path: "/peak" });
    return plain(await bridge.next());
  };
  const error = `the program is not running: nothing listens on ${socket}`;
  assert.deepEqual(await ask(1), { id: 1, error, name: "not_running" });
  const first = await startProgram(t, socket);
  assert.deepEqual(await ask(2), { id: 2, status: 200, body: 0 });
  await stopProgram(first);
  assert.deepEqual(await ask(3), { id: 3, error, name: "not_running" });
  const killed = await startProgram(t, socket);
  bridge.send({ id: 4, path: "/wait" });
  bridge.send({ id: 5, path: "/arrived" });
  assert.equal((await bridge.next()).id, 5);
  killed.child.kill("SIGKILL");
  const broken = plain(await bridge.next());
  assert.deepEqual([broken.id, broken.name], [4, "io"]);
  await killed.ended();
  assert.deepEqual(await ask(6), { id: 6, error, name: "not_running" }); // the file of the dead is still there
  await startProgram(t, socket);
  assert.equal((await ask(7)).status, 200);
});

test("big messages", async (t) => {
  const socket = socketPath(t);
  await startProgram(t, socket);
  const bridge = startBridge(t, socket, `${ORIGIN}/`);
  const ask = async (message) => {
    bridge.send(message);
    return bridge.next();
  };
  const around = (await ask({ id: 1, path: "/text?size=0" })).length;
  const filled = `{"id":1,"status":200,"body":""}`.length;
  assert.ok(around < filled, "an empty answer has no body");
  const most = MIB - filled;
  assert.equal((await ask({ id: 1, path: `/text?size=${most}` })).length, MIB);
  for (const size of [most + 1, MIB, 3 * MIB]) {
    const answer = plain(await ask({ id: 1, path: `/text?size=${size}` }));
    assert.deepEqual([answer.id, answer.name], [1, "too_big"], `${size}`);
  }
  assert.equal((await ask({ id: 2, path: "/bytes" })).name, "not_text");

  // The server's own limit for bodies is 1 MiB, unless a route has another.
  const quotes = 2;
  assert.equal((await ask({ id: 3, path: "/size", body: "x".repeat(MIB - quotes) })).body, MIB);
  for (const size of [MIB, 4 * MIB, 16 * MIB]) {
    assert.equal((await ask({ id: 4, path: "/size", body: "x".repeat(size) })).status, 413, `${size}`);
  }
  const around64 = frame({ id: 5, path: "/large", body: "" }).length - 4;
  const largest = 64 * MIB - around64;
  const whole = await ask({ id: 5, path: "/large", body: "x".repeat(largest) });
  assert.equal(whole.body, largest + quotes);
});

test(
  "a socket of another user is not spoken to",
  { skip: process.getuid() !== 0 && "only root can start a program of another user" },
  async (t) => {
    const socket = socketPath(t);
    chmodSync(join(socket, ".."), 0o777);
    const listen = `const [path] = process.argv.slice(1);
      require("node:net").createServer().listen(path, () => {
        require("node:fs").chmodSync(path, 0o777);
        console.log("listens");
      })`;
    const options = { uid: 65534, gid: 65534, cwd: "/", stdio: ["ignore", "pipe", "inherit"] };
    const other = spawn(process.execPath, ["-e", listen, socket], options);
    t.after(() => other.kill("SIGKILL"));
    const [line] = await within(once(other.stdout, "data"), "the other user's program");
    assert.equal(String(line), "listens\n");
    const bridge = startBridge(t, socket, `${ORIGIN}/`);
    bridge.send({ id: 1, path: "/peak", body: "secret" });
    const answer = plain(await bridge.next());
    assert.deepEqual(answer, { id: 1, error: `${socket} belongs to another user`, name: "not_permitted" });
  },
);
