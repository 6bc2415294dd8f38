// SPDX-License-Identifier: MIT OR Apache-2.0
// WebSocket through Lua, from the client that Node has built in (and so as browsers do it), on every interpreter.
//
//   node --test tests/lua-http/        after: cargo build --release && scripts/build luajit 5.4
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import http from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const target = fileURLToPath(new URL("../../target/", import.meta.url));
const program = process.env.MOONPORT_BIN ?? join(target, "release/moonport");
const modules = process.env.MOONPORT_LUA ?? join(target, "lua");
const STEP = 10_000; // the longest that anything may take

const INTERPRETERS = {
  moonport: { command: program, first: ["run"], env: {} },
  luajit: { command: "luajit", first: [], env: { LUA_CPATH: join(modules, "luajit/?.so") } },
  "lua5.4": { command: "lua5.4", first: [], env: { LUA_CPATH: join(modules, "5.4/?.so") } },
};

const running = new Set();
after(() => {
  for (const child of running) child.kill("SIGKILL");
});

function within(promise, what, time = STEP) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: more than ${time} ms`)), time);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Starts websocket.lua, to the point where it listens. line() gives what it prints next. */
async function startServer(name, how = "stop") {
  const { command, first, env } = INTERPRETERS[name];
  const base = { PATH: process.env.PATH, HOME: process.env.HOME ?? "/" };
  const args = [...first, join(here, "websocket.lua"), how];
  const child = spawn(command, args, { env: { ...base, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  const run = { child, stderr: "", refused: {} };
  child.stderr.setEncoding("utf8").on("data", (text) => (run.stderr += text));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  run.line = async () => (await within(lines.next(), `a line of ${name}\n${run.stderr}`)).value;
  const closed = new Promise((resolve) => {
    child.once("close", (code, signal) => {
      running.delete(child);
      resolve({ code, signal });
    });
  });
  run.ended = () => within(closed, `the end of ${name}\n${run.stderr}`);
  let line = await run.line();
  for (; line?.startsWith("refused "); line = await run.line()) {
    const [, what, message] = line.match(/^refused (.*?): (.*)$/);
    run.refused[what] = message;
  }
  run.url = line;
  run.token = await run.line();
  return run;
}

/** A WebSocket whose messages and end can be waited for. */
class Socket {
  constructor(run, path, protocols) {
    this.socket = new WebSocket(run.url.replace("http", "ws") + path, protocols);
    this.socket.binaryType = "arraybuffer";
    this.messages = [];
    this.waiting = [];
    this.socket.addEventListener("message", ({ data }) => {
      const waiting = this.waiting.shift();
      if (waiting) waiting(data);
      else this.messages.push(data);
    });
    const opened = new Promise((resolve, reject) => {
      this.socket.addEventListener("open", () => resolve(this));
      this.socket.addEventListener("error", () => reject(new Error(`${path}: refused`)));
    });
    this.opened = within(opened, `${path} to open`);
    this.opened.catch(() => {});
    this.closed = new Promise((resolve) => {
      this.socket.addEventListener("close", ({ code, reason, wasClean }) => resolve({ code, reason, wasClean }));
    });
  }

  next() {
    const message = this.messages.shift();
    if (message !== undefined) return Promise.resolve(message);
    return within(new Promise((resolve) => this.waiting.push(resolve)), "a message");
  }

  end(what = "the close") {
    return within(this.closed, what);
  }

  async ask(message) {
    this.socket.send(message);
    return this.next();
  }
}

const open = (run, path, protocols) => new Socket(run, path, protocols).opened;
const withToken = (run, ...more) => [...more, `moonport.token.${run.token}`];

function request(run, path, { method = "GET", headers = {}, body } = {}) {
  const all = { authorization: `Bearer ${run.token}`, ...headers };
  const answer = new Promise((resolve, reject) => {
    const sent = http.request(run.url + path, { method, headers: all, agent: false }, (response) => {
      const pieces = [];
      response.on("data", (piece) => pieces.push(piece));
      response.on("end", () => resolve({ status: response.statusCode, body: Buffer.concat(pieces).toString() }));
    });
    sent.on("upgrade", (response, socket) => {
      resolve({ status: response.statusCode, headers: response.headers, socket });
    });
    sent.on("error", reject);
    sent.end(body);
  });
  return within(answer, `${method} ${path}`);
}

const HANDSHAKE = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
};

/** MessagePack of what the tests send. */
const PACKED = [
  ["a map", [0x81, 0xa1, 0x61, 0x92, 0x01, 0xc3]],
  ["nil", [0xc0]],
  ["text", [0xa5, 0x68, 0x65, 0x6c, 0x6c, 0x6f]],
  ["bytes", [0xc4, 0x02, 0xff, 0xfe]],
  ["an empty array", [0x90]],
];

function tests(name) {
  test("echo, order, tokens, errors and every end", async () => {
    const run = await startServer(name);

    // Misuse is an error when the path is added.
    for (const [what, pattern] of [
      ["no handlers", /server:websocket: expected a table of handlers, got nil/],
      ["no message", /message: expected a function, got nil/],
      ["unknown handler", /unknown option "mesage"/],
      ["not a function", /message: expected a function, got 1/],
      ["codec", /codec: expected "raw", "json" or "msgpack", got "xml"/],
      ["token", /token: expected false/],
      ["protocols", /protocols: .*"a b"/],
      ["a token as protocol", /protocols: .*"moonport\.token\.x"/],
      ["unknown option", /unknown option "codecs"/],
      ["path", /expected a path like/],
      ["exists", /GET \/raw is already routed/],
    ]) {
      assert.match(run.refused[what] ?? "nothing", pattern, what);
      assert.match(run.refused[what], /^.*websocket\.lua:\d+: |^server:websocket/, what);
    }

    // Raw: kinds are kept.
    const raw = await open(run, "/raw", withToken(run, "moonport"));
    assert.equal(raw.socket.protocol, "moonport");
    assert.equal(await raw.ask("hello ü"), "hello ü");
    assert.equal(await raw.ask(""), "");
    assert.deepEqual(new Uint8Array(await raw.ask(new Uint8Array([0, 255, 10]))), new Uint8Array([0, 255, 10]));
    assert.equal(await raw.ask("x".repeat(1 << 20)), "x".repeat(1 << 20));
    const large = new Uint8Array(1 << 20).fill(7);
    assert.deepEqual(new Uint8Array(await raw.ask(large)), large);
    raw.socket.send(new Uint8Array((1 << 20) + 1));
    assert.equal((await raw.end()).code, 1009);

    // The application's own subprotocol wins where it is offered first.
    const own = await open(run, "/json", withToken(run, "v1", "moonport"));
    assert.equal(own.socket.protocol, "v1");
    for (const value of ['{"a":[1,null,true,"é",2.5]}', "[]", "null", '"text"', "17"]) {
      assert.equal(await own.ask(value), value);
    }
    for (let at = 0; at < 2000; at += 1) own.socket.send(`[${at}]`);
    for (let at = 0; at < 2000; at += 1) assert.equal(await own.next(), `[${at}]`);
    own.socket.send("{broken");
    const broken = await own.end();
    assert.equal(broken.code, 1007);
    assert.match(broken.reason, /^malformed JSON: /);

    const packed = await open(run, "/msgpack", withToken(run, "v1"));
    for (const [what, bytes] of PACKED) {
      assert.deepEqual([...new Uint8Array(await packed.ask(new Uint8Array(bytes)))], bytes, what);
    }
    packed.socket.send(new Uint8Array([0xdd, 0xff, 0xff, 0xff, 0xff]));
    assert.equal((await packed.end()).code, 1007);

    // Tokens and origins.
    const wrong = `${run.token.slice(0, -1)}${run.token.endsWith("A") ? "B" : "A"}`;
    for (const protocols of [[], ["moonport"], ["moonport", `moonport.token.${wrong}`]]) {
      await assert.rejects(open(run, "/raw", protocols), /refused/);
    }
    const statusOf = async (headers, path = "/raw") => {
      const answer = await request(run, path, { headers: { ...HANDSHAKE, ...headers } });
      answer.socket?.destroy();
      return answer.status;
    };
    assert.equal(await statusOf({}), 101);
    assert.equal(await statusOf({ authorization: `Bearer ${wrong}` }), 401);
    assert.equal(await statusOf({ origin: "http://evil.example" }), 403);
    assert.equal(await statusOf({ origin: "null" }), 403);
    assert.equal(await statusOf({ origin: "http://page.example" }), 101);
    assert.equal(await statusOf({ "sec-fetch-site": "cross-site" }), 403);
    assert.equal(await statusOf({ "sec-websocket-version": "8" }), 426);
    assert.equal((await request(run, "/raw")).status, 426);

    // The request, a handler that waits, errors, and the ways to close.
    const room = await open(run, "/rooms/a%20b?name=x");
    assert.equal(await room.next(), '["welcome","a b","x","",false]');
    room.socket.send('{"sleep":0.2,"is":"late"}');
    assert.equal(await room.ask('{"is":"early"}'), '{"is":"early"}');
    assert.match(await room.next(), /"late"/);
    room.socket.send('{"fail":true}');
    assert.match(await run.line(), /^error handler WebSocket \/rooms\/\{room\} .*websocket\.lua:\d+: failed on purpose$/);
    assert.equal(await room.ask("[1]"), "[1]");
    room.socket.send('{"close":4001,"reason":"enough"}');
    assert.deepEqual(await room.end(), { code: 4001, reason: "enough", wasClean: true });
    assert.equal(await run.line(), "after close nil closed");
    assert.equal(await run.line(), "close 4001 enough");

    const enter = async () => {
      const socket = await open(run, "/rooms/1");
      assert.match(await socket.next(), /welcome/);
      return socket;
    };
    const client = await enter();
    client.socket.close(3000, "bye");
    assert.equal((await client.end()).code, 3000);
    assert.equal(await run.line(), "close 3000 bye");
    const bare = await enter();
    bare.socket.close();
    await bare.end();
    assert.equal(await run.line(), "close 1005 ");
    const abrupt = await request(run, "/rooms/1", { headers: HANDSHAKE });
    assert.equal(abrupt.status, 101);
    abrupt.socket.destroy();
    assert.equal(await run.line(), "close 1006 ");

    // A socket that is kept sends at any time, and says so when it is closed.
    const kept = await open(run, "/kept");
    assert.equal((await request(run, "/kept", { method: "POST", body: "news" })).body, "[true,null,null]");
    assert.equal(await kept.next(), "news");
    assert.equal((await request(run, "/fork", { method: "POST" })).body, "forked");
    assert.equal((await request(run, "/kept", { method: "POST", body: "still" })).body, "[true,null,null]");
    assert.equal(await kept.next(), "still");
    kept.socket.close(1000);
    assert.equal(await run.line(), "kept true 1000 nil closed");
    const late = JSON.parse((await request(run, "/kept", { method: "POST", body: "late" })).body);
    assert.deepEqual([late[0], late[2]], [false, "closed"]);

    // A client that does not read: bounded, and then "full".
    const slow = await request(run, "/kept", { headers: HANDSHAKE });
    slow.socket.pause();
    const [count, why] = JSON.parse((await request(run, "/flood", { method: "POST" })).body);
    assert.equal(why, "full");
    assert.ok(count >= 16 && count < 500, `${count} of 64 KiB`);
    slow.socket.destroy();
    assert.equal(await run.line(), "kept true 1006 nil closed");

    const misuse = await open(run, "/misuse");
    for (const [what, pattern] of [
      ["send", /socket:send: expected a value/],
      ["value", /socket:send: expected a string, got table/],
      ["kind", /expected "text" or "binary", got "texts"/],
      ["utf8", /a text message must be UTF-8/],
      ["code", /close code of 1000, 1001 or 3000 to 4999, got 1006/],
      ["reason", /at most 123 bytes, got 124/],
      ["colon", /expected a moonport\.WebSocket, got string; call it with a colon/],
      ["large", /^too_big$/],
    ]) {
      assert.match(await misuse.ask(what), pattern, what);
    }

    // A hundred at once, which nothing in Lua holds.
    const many = await Promise.all(Array.from({ length: 100 }, () => open(run, "/many")));
    const stats = JSON.parse((await request(run, "/stats")).body);
    assert.equal(stats.sockets, 101, JSON.stringify(stats));
    assert.ok(stats.messages_received > 2000 && stats.messages_sent > 2000, JSON.stringify(stats));
    const answers = await Promise.all(many.map((socket, at) => socket.ask(`${at}`)));
    assert.deepEqual(answers, many.map((_, at) => `${at} of 100`));

    // Stop: 1001 for all, each told once, and the end of the program.
    const last = await enter();
    const control = await open(run, "/control");
    control.socket.send("stop");
    for (const socket of [...many, misuse, last, control]) assert.equal((await socket.end()).code, 1001);
    const rest = [];
    for (let line = await run.line(); line !== undefined; line = await run.line()) rest.push(line);
    assert.deepEqual(rest.sort(), ["close 1001 ", "over nothing is left", "stopping"]);
    assert.deepEqual(await run.ended(), { code: 0, signal: null });
    assert.equal(run.stderr, "");
  });

  test("a client that does not answer 1001 is cut when the grace is over, and told once", async () => {
    const run = await startServer(name);
    const deaf = await request(run, "/rooms/1", { headers: HANDSHAKE });
    assert.equal(deaf.status, 101);
    const control = await open(run, "/control");
    control.socket.send("stop");
    const lines = [await run.line(), await run.line(), await run.line(), await run.line()];
    assert.deepEqual(lines.slice(0, 3).sort(), ["close 1001 ", "over nothing is left", "stopping"]);
    assert.equal(lines[3], undefined);
    assert.deepEqual(await run.ended(), { code: 0, signal: null });
    deaf.socket.destroy();
  });

  for (const how of ["exit", "leave"]) {
    test(`a state that ends with sockets open: ${how}`, async () => {
      const run = await startServer(name, how);
      const sockets = await Promise.all(Array.from({ length: 10 }, () => open(run, "/rooms/1")));
      const control = await open(run, "/control");
      control.socket.send("stop");
      for (const socket of sockets) assert.equal((await socket.end()).code, 1006);
      assert.deepEqual(await run.ended(), { code: 0, signal: null });
      assert.equal(run.stderr, "");
    });
  }
}

if (typeof WebSocket === "undefined") {
  // Node 20 has it behind a flag.
  test("with --experimental-websocket", () => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const args = ["--experimental-websocket", "--no-warnings", fileURLToPath(import.meta.url)];
    const run = spawnSync(process.execPath, args, { env, stdio: ["ignore", "inherit", "inherit"] });
    assert.equal(run.status, 0);
  });
} else {
  for (const name of Object.keys(INTERPRETERS)) describe(name, () => tests(name));
}
