// SPDX-License-Identifier: MIT OR Apache-2.0
// moonport.js against a real server that stops and starts again, and against streams of events as no server of ours writes
// them. tests/e2e/client.test.mjs does the same in a browser, where the server gives the module out itself.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import http from "node:http";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { connect, Refusal } from "../../crates/moonport-http/client/moonport.js";
import { startScript, within } from "./support.mjs";

/** Values that arrive: put() takes one, next() waits for one. */
class Inbox {
  values = [];
  takers = [];
  put = (...value) => {
    const taker = this.takers.shift();
    if (taker) taker(value);
    else this.values.push(value);
  };
  next(what = "something to arrive") {
    if (this.values.length > 0) return Promise.resolve(this.values.shift());
    return within(new Promise((resolve) => this.takers.push(resolve)), what);
  }
}

/** A client whose sockets and streams end with the test: a failure must not leave one that connects for ever. */
function client(t, options) {
  const server = connect(options);
  const until = (open) => (...input) => {
    const opened = open(...input);
    t.after(() => opened.close());
    return opened;
  };
  return { send: server.send, live: until(server.live), events: until(server.events) };
}

async function start(t, { queue = 1024 } = {}) {
  const run = startScript(t, "moonport", "client.lua", queue);
  const base = await run.line();
  const token = await run.line();
  await run.line();
  const go = (line = "") => run.child.stdin.write(`${line}\n`);
  return { ...run, base, token, go, server: client(t, { base, token }) };
}

/** What fetch was asked and gave meanwhile. */
function watchFetch(t) {
  const calls = [];
  const real = globalThis.fetch;
  t.after(() => (globalThis.fetch = real));
  globalThis.fetch = async (...input) => {
    const call = { at: performance.now() };
    calls.push(call);
    const response = await real(...input);
    call.status = response.status;
    return response;
  };
  return calls;
}

/** A server that is none of ours: `answer(request, response, number)`. */
async function stub(t, answer) {
  let number = 0;
  const server = http.createServer((request, response) => answer(request, response, (number += 1)));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => (server.closeAllConnections(), server.close()));
  return `http://127.0.0.1:${server.address().port}`;
}

function tests() {
  test("send gives what the handler returned", async (t) => {
    const { base, server } = await start(t);
    const body = { text: "é", list: [], none: null };
    assert.deepEqual(await server.send("/echo", body), [false, body, 35, "application/json"]);
    assert.deepEqual(await server.send("/echo", null), [false, null, 4, "application/json"]);
    assert.deepEqual(await server.send("/echo"), [true, null, 0, "none"]);
    assert.deepEqual(await server.send("/value/list"), [1, null]);
    assert.equal(await server.send("/value/null"), null);
    assert.equal(await server.send("/value/text"), "17");
    assert.equal(await server.send("/value/nothing"), undefined);

    const calls = watchFetch(t);
    const refused = async (promise, status, text, message) => {
      const error = await promise.then(assert.fail, (caught) => caught);
      assert.ok(error instanceof Refusal && error instanceof Error, String(error));
      assert.deepEqual([error.status, error.text, error.message], [status, text, message]);
    };
    await refused(server.send("/value/refusal"), 400, "no such boat", "400: no such boat");
    await refused(server.send("/nowhere"), 404, '{"error":"nothing is here"}', "404: nothing is here");
    await refused(server.send("/fail"), 500, '{"error":"the handler failed"}', "500: the handler failed");
    await refused(server.send("/echo", "x".repeat(1000)), 413, '{"error":"the body is too large"}', "413: the body is too large");
    await refused(connect({ base }).send("/echo"), 401, '{"error":"a token is needed"}', "401: a token is needed");
    assert.equal(calls.length, 5, "none of these was sent again");
  });

  test("the token goes to its server alone", async (t) => {
    const calls = watchFetch(t);
    const token = "t".repeat(32);
    const server = client(t, { base: "http://127.0.0.1:9/", token });
    for (const path of ["http://evil.example/x", "//evil.example/x", "https://127.0.0.1:9/x", "http://127.0.0.1:8/", "data:,x"]) {
      await assert.rejects(server.send(path), { name: "TypeError", message: /expected a path on http:\/\/127\.0\.0\.1:9/ });
      assert.throws(() => server.live(path), TypeError, path);
      assert.throws(() => server.events(path, () => {}), TypeError, path);
    }
    // This module was loaded from a file.
    await assert.rejects(connect({ token }).send("/x"), { message: /expected base to be .*, got "file:/ });
    await assert.rejects(connect({ base: "ftp://127.0.0.1/" }).send("/x"), { message: /expected base to be/ });
    assert.equal(calls.length, 0);
  });

  test("send is tried again while the server is full, and not for ever", async (t) => {
    const { server, line, go } = await start(t, { queue: 1 });
    const held = server.send("/hold", 1);
    assert.equal(await line(), "holds 1");
    const queued = server.send("/hold", 2);
    const calls = watchFetch(t);
    // Which of these comes second and which third is not known: the one that finds no room waits a second or more.
    const third = server.send("/hold", 3);
    const fourth = await server.send("/hold", 4, { attempts: 2 }).then(assert.fail, (error) => error);
    assert.deepEqual([fourth.status, fourth.message], [503, "503: too many requests wait"]);
    const refused = calls.filter((call) => call.status === 503);
    assert.ok(refused.length >= 3, `${refused.length} refusals`);
    assert.ok(refused.at(-1).at - refused[0].at >= 1000, "Retry-After was respected");
    for (let count = 0; count < 3; count += 1) go();
    assert.deepEqual(await within(Promise.all([held, queued, third]), "all answers"), [1, 2, 3]);
  });

  test("send waits as long as Retry-After says, longer each time", async (t) => {
    const base = await stub(t, (_, response, number) => {
      if (number === 3) return response.end("done");
      response.writeHead(503, number === 1 ? { "retry-after": "1" } : {}).end();
    });
    const calls = watchFetch(t);
    assert.equal(await within(connect({ base }).send("/"), "the third answer"), "done");
    const waits = [1, 2].map((at) => calls[at].at - calls[at - 1].at);
    assert.ok(waits[0] >= 990 && waits[1] >= 1990, waits.join(", "));
  });

  test("send ends with its timeout and its signal", async (t) => {
    const { server, line, go } = await start(t, { queue: 1 });
    const late = await server.send("/hold", "late", { timeout: 100 }).then(assert.fail, (error) => error);
    assert.equal(late.name, "TimeoutError");
    assert.match(late.message, /no answer to \/hold within 100 ms/);
    assert.equal(await line(), "holds late");

    const aborter = new AbortController();
    const gone = server.send("/echo", "gone", { signal: aborter.signal });
    aborter.abort(new Error("not wanted"));
    await assert.rejects(gone, { message: "not wanted" });
    await assert.rejects(server.send("/echo", 1, { signal: aborter.signal }), { message: "not wanted" });
    go();

    // Between two attempts too; and then nothing is sent any more.
    const base = await stub(t, (_, response) => response.writeHead(503, { "retry-after": "60" }).end());
    const calls = watchFetch(t);
    const between = new AbortController();
    const waits = connect({ base }).send("/", 1, { signal: between.signal });
    while (calls[0]?.status !== 503) await new Promise(setImmediate);
    between.abort();
    await assert.rejects(waits, { name: "AbortError" });
    await assert.rejects(connect({ base }).send("/", 1, { timeout: 100 }), { name: "TimeoutError" });
    assert.equal(calls.length, 2);
  });

  test("send is not repeated where Lua may have been asked", async (t) => {
    const base = await stub(t, (request) => request.socket.destroy());
    const calls = watchFetch(t);
    await assert.rejects(connect({ base }).send("/"), TypeError);
    assert.equal(calls.length, 1);
  });

  test("live connects again after the server was stopped, and sends what waited", async (t) => {
    const { server, line, go, base } = await start(t);
    const [opened, messages, closed] = [new Inbox(), new Inbox(), new Inbox()];
    const socket = server.live("/live?name=one", {
      open() {
        opened.put();
        assert.equal(socket.send("first"), true);
      },
      message: messages.put,
      close: closed.put,
      queue: 3,
    });
    // Not connected yet.
    assert.deepEqual([1, 2, 3, 4].map((value) => socket.send(value)), [true, true, true, false]);
    const expect = async (...values) => {
      for (const value of values) assert.deepEqual(await messages.next(JSON.stringify(value)), [value]);
    };
    await expect(["welcome", 1, "one"], ["got", "first"], ["got", 1], ["got", 2], ["got", 3]);
    for (let at = 0; at < 100; at += 1) assert.equal(socket.send(at), true);
    await expect(...Array.from({ length: 100 }, (_, at) => ["got", at]));

    await server.send("/stop");
    const [code, reason, again] = await closed.next("the close");
    assert.deepEqual([code, reason], [1001, ""]);
    assert.ok(again >= 1000 && again <= 1500, `again in ${again}`);
    assert.equal(await line(), "close 1001 ");
    assert.equal(await line(), "stopped");
    assert.equal(socket.send("kept"), true);
    // While nobody is there, attempts fail and are told.
    const [failed, , later] = await closed.next("an attempt that fails");
    assert.equal(failed, 1006);
    assert.ok(later >= 2000 && later <= 3000, `again in ${later}`);
    go();
    assert.equal(await line(), base);
    await expect(["welcome", 2, "one"], ["got", "first"], ["got", "kept"]);
    assert.equal(opened.values.length, 2);

    socket.close(3001, "enough");
    socket.close();
    assert.deepEqual(await closed.next(), [3001, "enough", undefined]);
    assert.equal(await line(), "close 3001 enough");
    assert.equal(socket.send("late"), false);
  });

  test("live: the codes that a program closes with", async (t) => {
    const { server } = await start(t);
    for (const [code, comesBack] of [[1000, false], [1001, true], [3000, false], [4999, false]]) {
      const [messages, closed] = [new Inbox(), new Inbox()];
      const socket = server.live("/live", { message: messages.put, close: closed.put });
      socket.send({ close: code, reason: "why" });
      await messages.next();
      const [got, reason, again] = await closed.next(`${code}`);
      assert.deepEqual([got, reason, again !== undefined], [code, "why", comesBack]);
      assert.equal(socket.send("x"), comesBack);
      if (!comesBack) continue;
      // Between two connections close() is told at once, and it stays over.
      socket.close(4000, "tired");
      socket.close(4000, "tired");
      assert.deepEqual(await closed.next(), [4000, "tired"]);
      await server.send("/echo");
      assert.deepEqual(closed.values, []);
      assert.equal(socket.send("x"), false);
    }
  });

  test("live: tokens, subprotocols and codecs", async (t) => {
    const { base, server, token } = await start(t);
    const real = globalThis.WebSocket;
    t.after(() => (globalThis.WebSocket = real));
    const offers = [];
    globalThis.WebSocket = class extends real {
      constructor(url, protocols) {
        super(url, protocols);
        offers.push(protocols);
        this.addEventListener("open", () => protocols.push(`got ${this.protocol}`));
      }
    };
    const messages = new Inbox();
    const bytes = { encode: (list) => new Uint8Array(list), decode: (buffer) => [...new Uint8Array(buffer)] };
    const raw = server.live("/raw", { message: messages.put, codec: bytes });
    raw.send([0, 255]);
    assert.deepEqual(await messages.next(), [[0, 255]]);
    assert.throws(() => raw.close(1001), /code/i);
    assert.equal(raw.send([7]), true, "a refused close changes nothing");
    assert.deepEqual(await messages.next(), [[7]]);
    raw.close();
    const own = server.live("/live", { message: messages.put, protocols: ["v1"] });
    assert.equal((await messages.next())[0][0], "welcome");
    own.close();
    const closed = new Inbox();
    const stranger = client(t, { base }).live("/live", { close: closed.put });
    assert.equal((await closed.next())[0], 1006);
    stranger.close();
    const secret = `moonport.token.${token}`;
    assert.deepEqual(offers, [["moonport", secret, "got moonport"], ["v1", "moonport", secret, "got v1"], []]);
  });

  test("live says no while the server does not read", async (t) => {
    const { server, line, go } = await start(t, { queue: 1 });
    const messages = new Inbox();
    const socket = server.live("/raw", { open: messages.put, codec: { encode: (value) => value, decode: String } });
    await messages.next("the connection");
    const held = server.send("/hold", 0);
    assert.equal(await line(), "holds 0");
    let sent = 0;
    while (socket.send("x".repeat(65_536))) {
      sent += 1;
      assert.ok(sent < 10_000, "more than 600 MiB are taken");
    }
    assert.ok(sent >= 16, `${sent} of 64 KiB`);
    go();
    await held;
    socket.close();
  });

  test("events are neither lost nor repeated over stops and starts", async (t) => {
    const { server, line, go, base } = await start(t);
    const [got, opened, closed] = [new Inbox(), new Inbox(), new Inbox()];
    const stream = server.events("/events", got.put, { open: opened.put, close: closed.put });
    await opened.next("the stream");
    const seen = [];
    const take = async (count) => {
      for (let at = 0; at < count; at += 1) {
        const [value, event] = await got.next(`event ${at + 1} of ${count}`);
        seen.push([event.id, event.type, value]);
      }
    };
    await server.send("/emit", ["plain", { key: "a\nb" }, "two\nlines", "null", "12"]);
    await take(5);
    for (const round of [6, 7]) {
      await server.send("/stop");
      // An orderly end is no error.
      const [error, again] = await closed.next("the end of the stream");
      assert.equal(error, undefined);
      assert.ok(again >= 1000 && again <= 1500, `again in ${again}`);
      assert.equal(await line(), "stopped");
      const [refused] = await closed.next("an attempt that fails");
      assert.equal(refused.name, "TypeError");
      go(`while away, ${round}`);
      assert.equal(await line(), base);
      await opened.next("the stream again");
      await take(1);
    }
    await server.send("/emit", ["last"]);
    await take(1);
    assert.deepEqual(seen, [
      ["1", "message", "plain"],
      ["2", "table", { key: "a\nb" }],
      ["3", "message", "two\nlines"],
      ["4", "message", null],
      ["5", "message", 12],
      ["6", "message", "while away, 6"],
      ["7", "message", "while away, 7"],
      ["8", "message", "last"],
    ]);

    // Another page asks for all that is kept.
    const all = new Inbox();
    const second = server.events("/events", (_, { id }) => all.put(id), { lastEventId: "0" });
    for (const [id] of seen) assert.deepEqual(await all.next(), [id]);
    second.close();
    stream.close();
    stream.close();
    assert.deepEqual(await closed.next(), []);
    await server.send("/emit", ["nobody listens"]);
    await server.send("/echo");
    assert.deepEqual([got.values, all.values, closed.values, opened.values], [[], [], [], []]);
  });

  test("events: answers that are final, and those that are not", async (t) => {
    const { base, server } = await start(t);
    const closed = new Inbox();
    const listen = (where, path) => where.events(path, assert.fail, { close: closed.put });
    for (const [where, path, status] of [[client(t, { base }), "/events", 401], [server, "/nowhere", 404], [server, "/moonport.js", 200]]) {
      listen(where, path);
      const [error, again] = await closed.next(path);
      assert.ok(error instanceof Refusal);
      assert.deepEqual([error.status, again], [status, undefined]);
    }
    const statuses = [503, 500, 429, 204];
    const other = await stub(t, (_, response, number) => response.writeHead(statuses[number - 1]).end());
    const stream = client(t, { base: other }).events("/", assert.fail, { close: closed.put });
    const [error, again] = await closed.next("503");
    assert.deepEqual([error.status, again >= 1000], [503, true]);
    // Between two attempts nobody else would say that it is over.
    stream.close();
    stream.close();
    assert.deepEqual(await closed.next(), []);
    await server.send("/echo");
    assert.deepEqual(closed.values, []);
  });

  test("events: a stream in any pieces, read as the standard says", async (t) => {
    const bytes = Buffer.from(
      "\ufeffretry: 150\n\n: a comment\nid: 1\ndata: ü\r\ndata:  two\rdata\r\n\r\nevent:named\ndata:[1]\nid\n\n" +
        "event: nothing\n\nid: 7\n\nid: a\0b\nunknown: x\nretry: 1s\ndata\n\nid: 8\ndata: cut off",
    );
    const asked = new Inbox();
    const base = await stub(t, async (request, response, number) => {
      asked.put(request.headers["last-event-id"], request.headers.authorization);
      response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
      response.socket.setNoDelay(true);
      const size = { 1: 1, 2: 7 }[number] ?? bytes.length;
      for (let at = 0; at < bytes.length; at += size) {
        response.write(bytes.subarray(at, at + size));
        await new Promise(setImmediate);
      }
      if (number === 1) response.socket.destroy();
      else response.end();
    });
    const [got, closed] = [new Inbox(), new Inbox()];
    const stream = client(t, { base, token: "t".repeat(32) }).events("/", got.put, { close: closed.put });
    for (let round = 1; round <= 3; round += 1) {
      assert.deepEqual(await asked.next(), [round === 1 ? undefined : "7", `Bearer ${"t".repeat(32)}`]);
      const events = [];
      for (let at = 0; at < 3; at += 1) events.push(await got.next(`event ${at} of round ${round}`));
      assert.deepEqual(events, [
        ["ü\n two\n", { id: "1", type: "message", data: "ü\n two\n" }],
        [[1], { id: "", type: "named", data: "[1]" }],
        ["", { id: "7", type: "message", data: "" }],
      ]);
      const [error, again] = await closed.next("the end");
      assert.equal(error instanceof Error, round === 1);
      assert.ok(again >= 150 && again <= 225, `again in ${again}`);
    }
    stream.close();
  });
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
  tests();
}
