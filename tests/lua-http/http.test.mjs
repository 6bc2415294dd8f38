// SPDX-License-Identifier: MIT OR Apache-2.0
// The Lua side of the HTTP server from outside, on every interpreter that has it: `moonport run`, luajit and lua5.4.
//
//   node --test tests/lua-http/        after: cargo build --release && scripts/build luajit 5.4
//   MOONPORT_BIN, MOONPORT_LUA         the program and the folder of <flavour>/moonport.so (default: those in target/)
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
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
const NAMES = Object.keys(INTERPRETERS);
const STEP = 10_000; // the longest that anything may take

let folder;
const running = new Set();

before(() => {
  folder = mkdtempSync(join(tmpdir(), "moonport-lua-http-"));
  writeFileSync(join(folder, "hello.txt"), "hello from a file\n");
  writeFileSync(join(folder, "index.html"), "<!doctype html>index");
});

after(() => {
  for (const child of running) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

/** The promise, or an error that says what took too long. */
function within(promise, what, time = STEP) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: more than ${time} ms`)), time);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Starts a program; line() gives its next line of stdout, or undefined at the end. */
function start(command, args, env = {}) {
  // LUA_INIT and the like must not decide what is tested.
  const base = { PATH: process.env.PATH, HOME: process.env.HOME ?? "/" };
  const child = spawn(command, args, { env: { ...base, ...env }, stdio: ["pipe", "pipe", "pipe"] });
  running.add(child);
  child.stdin.on("error", () => {}); // it may end before it has read everything
  const run = { child, stderr: "" };
  child.stderr.setEncoding("utf8").on("data", (text) => (run.stderr += text));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  run.line = async (time = STEP) => {
    const next = await within(lines.next(), `a line of ${command} ${args.join(" ")}\n${run.stderr}`, time);
    return next.value;
  };
  const closed = new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      running.delete(child);
      resolve({ code, signal });
    });
  });
  run.ended = async (time = STEP) => {
    try {
      return await within(closed, `the end of ${command} ${args.join(" ")}\n${run.stderr}`, time);
    } catch (error) {
      child.kill("SIGKILL");
      throw error;
    }
  };
  return run;
}

function startScript(name, script, ...args) {
  const { command, first, env } = INTERPRETERS[name];
  return start(command, [...first, join(here, script), ...args], env);
}

/** One request on a connection of its own. `lines`: names and values as they are; `left` is called once it is on its way. */
function request(url, path, { method = "GET", headers = {}, lines, body, token, left } = {}) {
  const answer = new Promise((resolve, reject) => {
    const all = { ...headers };
    if (token !== undefined) all.authorization = `Bearer ${token}`;
    const sentHeaders = lines ? ["Host", "localhost", ...Object.entries(all).flat(), ...lines] : all;
    const sent = http.request(url + path, { method, headers: sentHeaders, agent: false }, (response) => {
      const pieces = [];
      response.on("data", (piece) => pieces.push(piece));
      response.on("error", reject);
      response.on("end", () => {
        const { date, ...rest } = response.headers;
        resolve({ status: response.statusCode, headers: rest, body: Buffer.concat(pieces).toString() });
      });
    });
    sent.on("error", reject);
    left?.(sent);
    sent.end(body);
  });
  return within(answer, `${method} ${path}`);
}

/** Asks until the answer is right. */
async function poll(ask, isRight, what) {
  const end = Date.now() + STEP;
  for (;;) {
    const answer = await ask();
    if (isRight(answer)) return answer;
    if (Date.now() > end) throw new Error(`${what}: still ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const TEXT = "text/plain; charset=utf-8";
const HTML = "text/html; charset=utf-8";
const JSON_TYPE = "application/json";
const FAILED = '{"error":"the handler failed"}';
const json = (body) => ({ method: "POST", headers: { "content-type": "application/json" }, body });
/** A document of so many bytes, with an escape in it. */
const sized = (size) => `["\\n${"x".repeat(size - 6)}"]`;
const text = (body, type = "text/plain") => ({ method: "POST", headers: { "content-type": type }, body });

// Name, path, what is sent, status, content type (null: none), body (a pattern: it matches), further headers.
const CASES = [
  ["echo a map", "/echo", json('{"key":"value"}'), 200, JSON_TYPE, '{"key":"value"}'],
  ["echo a nest", "/echo", json(' [1, 2.5, "é\\n", [ ], null, true, [[{"a":[null]}]]] '), 200, JSON_TYPE, '[1,2.5,"é\\n",[],null,true,[[{"a":[null]}]]]'],
  ["echo a string", "/echo", json('"text"'), 200, TEXT, "text"],
  ["echo null", "/echo", json("null"), 200, JSON_TYPE, "null"],
  ["echo false", "/echo", json("false"), 200, JSON_TYPE, "false"],
  ["echo a large integer", "/echo", json("[9007199254740991]"), 200, JSON_TYPE, "[9007199254740991]"],
  ["echo 8,192 bytes", "/echo", json(sized(8192)), 200, JSON_TYPE, sized(8192)],
  ["echo 8,193 bytes", "/echo", json(sized(8193)), 200, JSON_TYPE, sized(8193)],
  ["fields are the same each time", "/same", json('{"a":[]}'), 200, JSON_TYPE, "[true,true,true,true]"],
  ["the data beside other fields", "/kept", json('{"a":[]}'), 200, JSON_TYPE, '[true,true,"kept","own","POST"]'],
  ["data that is no table beside other fields", "/kept", json("7"), 200, JSON_TYPE, '[true,true,"kept","own","POST"]'],
  ["data of null", "/null", json("null"), 200, JSON_TYPE, "[true,false]"],
  ["data of text", "/null", text("null"), 200, JSON_TYPE, "[false,true]"],
  ["json with a charset", "/echo", text("[1]", "application/json; charset=utf-8"), 200, JSON_TYPE, "[1]"],
  ["malformed json", "/echo", json('{"a":}'), 400, JSON_TYPE, /"error":".*"offset":5/],
  ["json only: json", "/json", json("[1]"), 200, JSON_TYPE, "[1]"],
  ["json only: text", "/json", text("[1]"), 415, JSON_TYPE, /"error"/],
  ["raw takes json unread", "/raw", json("{broken"), 200, JSON_TYPE, "[7,true]"],
  ["body as it is", "/bytes", text("a\0b\r\nü", "application/octet-stream"), 200, "application/octet-stream", "a\0b\r\nü"],
  ["max_body reached", "/small", text("0123456789"), 200, TEXT, "0123456789"],
  ["max_body passed", "/small", text("0123456789a"), 413, JSON_TYPE, '{"error":"the body is too large"}'],
  ["max_body of the server passed", "/bytes", text("x".repeat((1 << 20) + 1)), 413, JSON_TYPE, /"error"/],
  ["param", "/items/7", {}, 200, JSON_TYPE, '["GET","/items/7","7"]'],
  ["param with escapes", "/items/a%2Fb%20%C3%BC", {}, 200, JSON_TYPE, /,"a\/b ü"\]$/],
  ["two params", "/a/1/b/two", {}, 200, JSON_TYPE, '["1","two"]'],
  ["rest param", "/rest/a/b/c.txt", {}, 200, JSON_TYPE, '["a/b/c.txt"]'],
  ["query", "/query?one=a+b%26&many=1&many=2&many=3", {}, 200, JSON_TYPE, '["a b&",["1","2","3"],"nil"]'],
  ["headers that come again, in any case and place", "/headers", { lines: ["X-Many", "a", "Cookie", "a=1", "X-One", "1", "x-many", "", "COOKIE", "b=2", "X-MANY", "b"] }, 200, JSON_TYPE, '["1","a, , b",true,"a=1; b=2"]'],
  ["headers", "/headers", { headers: { "X-One": "1", "X-Many": ["a", "b"], Cookie: ["a=1", "b=2"] } }, 200, JSON_TYPE, '["1","a, b",true,"a=1; b=2"]'],
  ["the request", "/request", {}, 200, JSON_TYPE, '["kept",true,"",false,"127.0.0.1"]'],
  ["put", "/method", { method: "PUT" }, 200, TEXT, "PUT"],
  ["patch", "/method", { method: "PATCH" }, 200, TEXT, "PATCH"],
  ["delete", "/method", { method: "DELETE" }, 200, TEXT, "DELETE"],
  ["a method by name", "/method", { method: "PURGE" }, 200, TEXT, "PURGE"],
  ["another method", "/method", { method: "POST" }, 405, JSON_TYPE, /"error"/, { allow: "PUT, PATCH, DELETE, PURGE, OPTIONS" }],
  ["head of a get route", "/value/text", { method: "HEAD" }, 200, TEXT, "", { "content-length": "5" }],
  ["no route", "/none", {}, 404, JSON_TYPE, '{"error":"nothing is here"}'],
  ["string", "/value/text", {}, 200, TEXT, "plain", { "cache-control": "no-store", "x-content-type-options": "nosniff" }],
  ["html", "/value/html", {}, 200, HTML, "<!doctype html><p>hi"],
  ["empty string", "/value/empty", {}, 200, TEXT, ""],
  ["number", "/value/number", {}, 200, JSON_TYPE, "42"],
  ["float", "/value/float", {}, 200, JSON_TYPE, "1.5"],
  ["true", "/value/yes", {}, 200, JSON_TYPE, "true"],
  ["false", "/value/no", {}, 200, JSON_TYPE, "false"],
  ["null", "/value/null", {}, 200, JSON_TYPE, "null"],
  ["list", "/value/list", {}, 200, JSON_TYPE, "[1,2,3]"],
  ["a table, to who wants MessagePack", "/value/list", { headers: { Accept: "application/msgpack" } }, 200, "application/msgpack", /\u0001\u0002\u0003$/],
  ["a table, to who wants it more, in any case", "/value/list", { lines: ["aCCEPT", "application/json;q=0.5", "accept", "application/msgpack"] }, 200, "application/msgpack", /\u0001\u0002\u0003$/],
  ["a table, to who takes both", "/value/list", { headers: { Accept: "application/json, application/msgpack" } }, 200, JSON_TYPE, "[1,2,3]"],
  ["empty list", "/value/none", {}, 200, JSON_TYPE, "[]"],
  ["map", "/value/map", {}, 200, JSON_TYPE, '{"key":"value"}'],
  ["nil", "/value/unknown", {}, 204, null, ""],
  ["nothing", "/nothing", {}, 204, null, ""],
  ["only the first value", "/two", {}, 200, TEXT, "first"],
  ["response: status, headers, body", "/response/made", {}, 201, TEXT, "made", { "x-made": "yes", location: "/x", "x-number": "7" }],
  ["response: json", "/response/json", {}, 418, JSON_TYPE, '{"key":"value"}'],
  ["response: its own type", "/response/typed", {}, 200, "text/csv", "a,b"],
  ["response: html", "/response/page", {}, 200, HTML, "<!doctype html>"],
  ["response: cache-control", "/response/cache", {}, 200, TEXT, "x", { "cache-control": "max-age=5" }],
  ["response: empty", "/response/empty", {}, 204, null, ""],
  ["response: a bare status", "/response/bare", {}, 200, null, "", { "content-length": "0" }],
  ["response: gone", "/response/gone", {}, 410, null, ""],
  ["response: file", "/response/file", {}, 200, "text/plain; charset=utf-8", "hello from a file\n"],
  ["response: part of a file", "/response/file", { headers: { range: "bytes=6-9" } }, 206, "text/plain; charset=utf-8", "from", { "content-range": "bytes 6-9/18" }],
  ["response: no such file", "/response/missing", {}, 404, JSON_TYPE, '{"error":"nothing is here"}'],
  ["refused: line break", "/refused/linebreak", {}, 200, JSON_TYPE, /^\[false,".*x-bad: a line break or control character"\]$/],
  ["refused: header name", "/refused/name", {}, 200, JSON_TYPE, /^\[false,".*x bad.*"\]$/],
  ["refused: our header", "/refused/ours", {}, 200, JSON_TYPE, /^\[false,".*Content-Length.*"\]$/],
  ["refused: unknown field", "/refused/field", {}, 200, JSON_TYPE, /^\[false,".*moonport\.response.*\\"stauts\\""\]$/],
  ["refused: status", "/refused/status", {}, 200, JSON_TYPE, /^\[false,".*status: expected an integer.*99"\]$/],
  ["refused: two bodies", "/refused/both", {}, 200, JSON_TYPE, /^\[false,".*only one.*"\]$/],
  ["refused: body", "/refused/body", {}, 200, JSON_TYPE, /^\[false,".*body: expected a string, got table"\]$/],
  ["refused: json", "/refused/json", {}, 200, JSON_TYPE, /^\[false,".*json: .*draw.*function.*"\]$/],
  ["reused: first", "/reused", {}, 200, TEXT, "once"],
  ["reused: again", "/reused", {}, 500, JSON_TYPE, FAILED],
  ["defer", "/defer", {}, 200, TEXT, "deferred"],
  ["answered twice: first", "/twice", {}, 200, TEXT, "first"],
  ["answered twice: second", "/notes/twice", {}, 200, JSON_TYPE, '[true,true,"string","invalid"]'],
  ["a bad answer, then a good one", "/badanswer", {}, 200, JSON_TYPE, '["after a bad one"]'],
  ["the bad answer raised", "/notes/badanswer", {}, 200, JSON_TYPE, /^\[false,".*answer: .*function.*"\]$/],
  ["deadline", "/late", {}, 504, JSON_TYPE, /"error"/],
  ["answer after the deadline", "/late/answer", {}, 200, JSON_TYPE, '[true,"string","closed"]'],
  ["busy", "/busy", {}, 200, TEXT, "busy"],
  ["reports so far: reused", "/reports", {}, 200, JSON_TYPE, /^\[\["[^"]*returned before[^"]*","handler","GET \/reused",false\]\]$/],
  ["error", "/error", {}, 500, JSON_TYPE, FAILED],
  ["error: report", "/reports", {}, 200, JSON_TYPE, /^\[\["[^"]*server\.lua:\d+: secret cause","handler","GET \/error",true\]\]$/],
  ["error: a table", "/error/table", {}, 500, JSON_TYPE, FAILED],
  ["error: a table: report", "/reports", {}, 200, JSON_TYPE, '[["(error object is a table value)","handler","GET /error/table",true]]'],
  ["error: after a sleep", "/error/sleep", {}, 500, JSON_TYPE, FAILED],
  ["error: after a sleep: report", "/reports", {}, 200, JSON_TYPE, /^\[\["[^"]*server\.lua:\d+: after a sleep","handler","GET \/error\/sleep",true\]\]$/],
  ["error: a function", "/error/function", {}, 500, JSON_TYPE, FAILED],
  ["error: a function: report", "/reports", {}, 200, JSON_TYPE, /^\[\["the handler's answer: [^"]*function[^"]*","handler","GET \/error\/function",false\]\]$/],
  ["error: a cycle", "/error/cycle", {}, 500, JSON_TYPE, FAILED],
  ["error: a cycle: report", "/reports", {}, 200, JSON_TYPE, /^\[\["the handler's answer: [^"]*self[^"]*","handler","GET \/error\/cycle",false\]\]$/],
  ["error: deep inside", "/error/deep", {}, 500, JSON_TYPE, FAILED],
  ["error: deep inside: report", "/reports", {}, 200, JSON_TYPE, /^\[\["the handler's answer: [^"]*items\[2\]\.draw[^"]*function[^"]*","handler","GET \/error\/deep",false\]\]$/],
  ["error: unknown field", "/error/field", {}, 500, JSON_TYPE, FAILED],
  ["error: unknown field: report", "/reports", {}, 200, JSON_TYPE, /^\[\["[^"]*server\.lua:\d+: moonport\.response: [^"]*\\"stauts\\"","handler","GET \/error\/field",true\]\]$/],
  ["no reports are left", "/reports", {}, 200, JSON_TYPE, "[]"],
  ["no token", "/value/text", { token: undefined }, 401, JSON_TYPE, /"error"/, { "www-authenticate": "Bearer" }],
  ["a wrong token", "/value/text", { token: "t".repeat(43) }, 401, JSON_TYPE, /"error"/],
  ["a route without token", "/open", { token: undefined }, 200, TEXT, "open"],
  ["a foreign host", "/open", { headers: { host: "evil.example" } }, 403, JSON_TYPE, /"error"/],
  ["a foreign origin", "/open", { headers: { origin: "http://evil.example" } }, 403, JSON_TYPE, /"error"/],
  ["static file", "/files/hello.txt", {}, 200, "text/plain; charset=utf-8", "hello from a file\n"],
  ["static index", "/files/", {}, 200, HTML, "<!doctype html>index"],
  ["static: a version that the client has", "/files/hello.txt", { headers: { "if-none-match": "*" } }, 304, null, ""],
  ["static: a part", "/files/hello.txt", { headers: { range: "bytes=-5" } }, 206, "text/plain; charset=utf-8", "file\n", { "content-range": "bytes 13-17/18" }],
  ["static: a part beyond the end", "/files/hello.txt", { headers: { range: "bytes=18-" } }, 416, JSON_TYPE, /"error"/, { "content-range": "bytes */18" }],
  ["static: another version", "/files/hello.txt", { headers: { "if-match": '"x"' } }, 412, JSON_TYPE, /"error"/],
  ["static: nothing", "/files/none", {}, 404, JSON_TYPE, /"error"/],
  ["static: nothing outside", "/files/%2E%2E/etc/passwd", {}, 404, JSON_TYPE, /"error"/],
  ["stats", "/stats", {}, 200, JSON_TYPE, "[true,true,true,1]"],
  ["report", "/report", {}, 200, JSON_TYPE, '["server",true]'],
];

const seen = Object.fromEntries(NAMES.map((name) => [name, new Map()]));

for (const name of NAMES) {
  describe(`answers on ${name}`, () => {
    let run;
    let url;
    let token;
    const get = (path, options) => request(url, path, { token, ...options });

    before(async () => {
      run = startScript(name, "server.lua", folder);
      url = await run.line();
      assert.match(url ?? run.stderr, /^http:\/\/127\.0\.0\.1:\d+$/);
      token = await run.line();
      assert.match(token, /^[A-Za-z0-9_-]{43}$/);
    });
    after(() => run.child.kill("SIGKILL"));

    for (const [what, path, sent, status, type, body, headers = {}] of CASES) {
      test(what, async () => {
        const answer = await get(path, sent);
        seen[name].set(what, answer);
        assert.equal(answer.status, status, answer.body);
        assert.equal(answer.headers["content-type"], type ?? undefined);
        if (body instanceof RegExp) assert.match(answer.body, body);
        else assert.equal(answer.body, body);
        for (const [key, value] of Object.entries(headers)) assert.equal(answer.headers[key], value, key);
      });
    }

    test("a handler sleeps while others are answered", async () => {
      const sleeping = get("/sleep");
      await poll(() => get("/notes/sleep"), (answer) => answer.body === "sleeping", "the sleeper");
      assert.equal((await get("/value/text")).body, "plain");
      assert.equal((await get("/release")).status, 204);
      assert.equal((await sleeping).body, '["slept",true,true]');
    });

    test("requests wait for a busy handler", async () => {
      const answers = await Promise.all(["/busy", "/value/text", "/busy", "/value/number"].map((path) => get(path)));
      assert.deepEqual(answers.map((answer) => answer.body), ["busy", "plain", "busy", "42"]);
    });

    test("requests that waited together get each their own answer", async () => {
      await get("/reports");
      const kinds = [
        ["/value/text", 200, "plain"],
        ["/error", 500, '{"error":"the handler failed"}'],
        ["/items/7", 200, '["GET","/items/7","7"]'],
        ["/defer", 200, "deferred"],
        ["/error/function", 500, '{"error":"the handler failed"}'],
        ["/nothing", 204, ""],
        ["/error/sleep", 500, '{"error":"the handler failed"}'],
        ["/two", 200, "first"],
        ["/error/deep", 500, '{"error":"the handler failed"}'],
        ["/value/number", 200, "42"],
      ];
      const all = [...kinds, ...kinds, ...kinds];
      const [busy, ...answers] = await Promise.all(["/busy", ...all.map(([path]) => path)].map((path) => get(path)));
      assert.equal(busy.body, "busy");
      assert.deepEqual(answers.map(({ status, body }, at) => [all[at][0], status, body]), all);
      const reports = JSON.parse((await get("/reports")).body).map(([, kind, route]) => `${kind} ${route}`);
      const failing = kinds.filter(([, status]) => status === 500).map(([path]) => `handler GET ${path}`);
      assert.deepEqual(reports.sort(), [...failing, ...failing, ...failing].sort());
    });

    test("a client that leaves is noticed", async () => {
      let sent;
      const gone = assert.rejects(get("/leave", { left: (request) => (sent = request) }), { code: "ECONNRESET" });
      const note = () => get("/notes/leave");
      await poll(note, (answer) => answer.body === '["waiting",false]', "the leaver");
      sent.destroy();
      await gone;
      const last = await poll(note, (answer) => !answer.body.includes("waiting"), "the leaver");
      assert.equal(last.body, '["gone",true,"string","closed"]');
    });

    test("a link is good once, its cookie longer", async () => {
      const link = new URL((await get("/link")).body);
      assert.equal(link.origin, url);
      const path = link.pathname + link.search;
      const first = await request(url, path);
      assert.equal(first.status, 303);
      assert.equal(first.headers.location, "/value/text?x=1");
      const [cookie] = first.headers["set-cookie"];
      assert.match(cookie, /^moonport_\d+=[A-Za-z0-9_-]{43}; HttpOnly; SameSite=Strict; Path=\/$/);
      assert.equal((await request(url, path)).status, 401);
      const own = { headers: { cookie: cookie.split(";")[0] } };
      assert.equal((await request(url, "/value/text", own)).body, "plain");
    });

    test("many at once", async () => {
      const paths = Array.from({ length: 100 }, (_, at) => `/items/${at}`);
      const answers = await Promise.all(paths.map((path) => get(path)));
      assert.deepEqual(answers.map((answer) => JSON.parse(answer.body)[2]), paths.map((path) => path.slice(7)));
    });

    test("stop() in a handler: the answer arrives, run() returns, the process ends", async () => {
      const answer = await get("/stop");
      assert.equal(answer.body, "stopping");
      assert.equal(await run.line(), "run() returned");
      assert.deepEqual(await run.ended(), { code: 0, signal: null });
      assert.equal(run.stderr, "");
    });
  });
}

test("the interpreters answer alike", () => {
  const [first, ...others] = NAMES;
  assert.equal(seen[first].size, CASES.length);
  for (const name of NAMES) {
    // Which of the two is named first is the table's order.
    const both = seen[name].get("refused: two bodies");
    both.body = both.body.replace("json and body", "body and json");
    both.headers = {};
  }
  for (const other of others) assert.deepEqual(Object.fromEntries(seen[other]), Object.fromEntries(seen[first]), other);
});

const MISUSE = {
  "address in use": /^gave\tnil\|.*127\.0\.0\.1:\d+ is in use\|address_in_use$/,
  "not loopback": /^gave\tnil\|.*0\.0\.0\.0:0.*allow_remote.*\|invalid$/,
  "not loopback 6": /^gave\tnil\|.*\[::\]:0.*allow_remote.*\|invalid$/,
  "remote allowed": /^gave\tstarted$/,
  "no port": /^gave\tnil\|.*"127\.0\.0\.1"\|invalid$/,
  "bad origin": /^gave\tnil\|.*"localhost"\|invalid$/,
  "bad host": /^gave\tnil\|.*"a\/b"\|invalid$/,
  "unknown option": /^raised\t.*moonport\.http: unknown option "adress"$/,
  "unknown limit": /^raised\t.*limits: unknown option "heads"$/,
  "limits type": /^raised\t.*limits.*number$/,
  "options type": /^raised\t.*moonport\.http: expected a table of options, got string$/,
  "short token": /^raised\t.*token: .*32 characters.*5$/,
  "deadline type": /^raised\t.*deadline: expected .*"soon"$/,
  "deadline sign": /^raised\t.*deadline: expected .*-1$/,
  "max_body type": /^raised\t.*max_body: expected .*1\.5$/,
  "client type": /^raised\t.*client: expected a boolean, got "yes"$/,
  "client taken": /^gave\tnil\|.*GET \/moonport\.js is already routed; leave client out.*\|exists$/,
  "own token": /^gave\tt{32}$/,
  "no token": /^gave\tnil$/,
  "unknown route option": /^raised\t.*server:get: unknown option "max_boddy"$/,
  "route token": /^raised\t.*token: expected false.*true$/,
  "route content": /^raised\t.*content: expected .*"xml"$/,
  "no handler": /^raised\t.*server:get: expected a function, got no value$/,
  "bad path": /^raised\t.*server:get: .*items.*$/,
  "bad method": /^raised\t.*server:route: .*G T.*$/,
  "first route": /^gave\ttrue$/,
  "same route": /^raised\t.*server:get: .*\/x.*$/,
  "no folder": /^raised\t.*server:static: .*\/no\/such\/folder.*$/,
  "not a server": /^raised\t.*server:start: .*$/,
  "link stopped": /^gave\tnil\|.*\|closed$/,
  "late route": /^raised\t.*server:get: .*$/,
  "start twice": /^gave\ttrue$/,
  "stop twice": /^gave\t$/,
  "port is free again": /^gave\tstarted$/,
  open: /^gave\t0$/,
};

describe("misuse and failures", () => {
  const outputs = {};
  for (const name of NAMES) {
    test(name, async () => {
      const run = startScript(name, "misuse.lua");
      const found = {};
      for (let line = await run.line(); line !== undefined; line = await run.line()) {
        const [what, ...rest] = line.split("\t");
        found[what] = rest.join("\t");
      }
      assert.deepEqual(await run.ended(), { code: 0, signal: null }, run.stderr);
      assert.deepEqual(Object.keys(found), Object.keys(MISUSE));
      const wrong = Object.entries(MISUSE).filter(([what, pattern]) => !pattern.test(found[what]));
      assert.deepEqual(wrong.map(([what, pattern]) => [what, String(pattern), found[what]]), []);
      outputs[name] = JSON.stringify(found, null, 1).replace(/127\.0\.0\.1:[1-9]\d*/g, "ADDRESS");
    });
  }
  test("alike", () => {
    for (const name of NAMES) assert.equal(outputs[name], outputs[NAMES[0]], name);
  });
});

describe("the command line", () => {
  test("help", async () => {
    const run = start(program, ["run", "--help"]);
    assert.match(await run.line(), /Run a Lua script/);
    assert.deepEqual(await run.ended(), { code: 0, signal: null });
  });
  test("no such script", async () => {
    const run = start(program, ["run", "/nonexistent.lua"]);
    assert.deepEqual(await run.ended(), { code: 1, signal: null });
    assert.match(run.stderr, /^moonport: .*\/nonexistent\.lua.*No such file/);
  });
  test("a folder as script", async () => {
    const run = start(program, ["run", folder]);
    assert.deepEqual(await run.ended(), { code: 1, signal: null });
    assert.match(run.stderr, /^moonport: cannot read /);
  });
  test("no argument", async () => {
    const run = start(program, ["run"]);
    assert.deepEqual(await run.ended(), { code: 2, signal: null });
    assert.match(run.stderr, /FILE/i);
  });
  test("a script that is not Lua", async () => {
    const broken = join(folder, "broken.lua");
    writeFileSync(broken, "x = = 1\n");
    const run = start(program, ["run", broken]);
    assert.deepEqual(await run.ended(), { code: 1, signal: null });
    assert.match(run.stderr, /^moonport: .*broken\.lua:1: /);
  });
  test("arguments", async () => {
    const script = join(folder, "arguments.lua");
    writeFileSync(script, 'local first, second = ...\nprint(select("#", ...), first, second, arg[0], arg[1], arg[2], #arg)\n');
    const run = start(program, ["run", script, "-x", "ü b"]);
    assert.equal(await run.line(), ["2", "-x", "ü b", script, "-x", "ü b", "2"].join("\t"));
    assert.deepEqual(await run.ended(), { code: 0, signal: null });
  });
  test("--help after the script is the script's", async () => {
    const script = join(folder, "help.lua");
    writeFileSync(script, "print(...)\n");
    const run = start(program, ["run", script, "--help"]);
    assert.equal(await run.line(), "--help");
    assert.deepEqual(await run.ended(), { code: 0, signal: null });
  });
  for (const name of NAMES) {
    test(`an error in the script on ${name}`, async () => {
      const run = startScript(name, "small.lua", "error");
      assert.deepEqual(await run.ended(), { code: 1, signal: null });
      assert.match(run.stderr, /small\.lua:\d+: the script's own error\nstack traceback:\n/);
      assert.match(run.stderr, /small\.lua:\d+: in .*cause/);
    });
  }
});

describe("Ctrl-C", () => {
  async function interrupt(name, way, prepare = async () => {}) {
    const run = startScript(name, "small.lua", way);
    const url = await run.line();
    assert.match(url ?? run.stderr, /^http:/);
    await prepare(run, url);
    run.child.kill("SIGINT");
    return { ...(await run.ended(5000)), stderr: run.stderr };
  }
  async function asleep(run) {
    const deadline = Date.now() + 10_000;
    // The system call in which its first thread sleeps.
    const sleeps = () => /^(232|22) /.test(readFileSync(`/proc/${run.child.pid}/syscall`, "utf8"));
    while (!sleeps()) {
      assert.ok(Date.now() < deadline, "it does not sleep");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  // Lua's answer shows that the script is in run(); the server's thread alone would answer 404 before that.
  const waiting = async (run, url) => {
    assert.equal((await request(url, "/there")).status, 200);
    await asleep(run);
  };

  test("moonport, waiting", async () => {
    const { code, signal, stderr } = await interrupt("moonport", "wait", waiting);
    assert.deepEqual({ code, signal }, { code: 130, signal: null }, stderr);
    assert.match(stderr, /^moonport: interrupted; moonport\.run was kept by: server \([^()\n]*small\.lua:\d+\)\n$/);
  });
  test("moonport, a script that never waits", async () => {
    const { code, signal } = await interrupt("moonport", "stuck");
    assert.deepEqual({ code, signal }, { code: 130, signal: null });
  });
  test("moonport, a handler that never ends", async () => {
    const { code, signal } = await interrupt("moonport", "wait", async (run, url) => {
      request(url, "/stuck").catch(() => {});
      assert.equal(await run.line(), "stuck");
    });
    assert.deepEqual({ code, signal }, { code: 130, signal: null });
  });
  for (const name of NAMES) {
    test(`${name}, asleep after a message`, async () => {
      const run = startScript(name, "lone.lua");
      assert.equal(await run.line(), "one");
      await asleep(run);
      run.child.kill("SIGINT");
      const { code, signal } = await run.ended(5000);
      assert.deepEqual({ code, signal }, { code: name === "moonport" ? 130 : 1, signal: null }, run.stderr);
      assert.match(run.stderr, /interrupted.*\n?moonport\.run was kept by: port "lone" \(.*lone\.lua:\d+\)/);
    });
  }
  for (const name of ["luajit", "lua5.4"]) {
    test(`${name}, waiting`, async () => {
      const { code, signal, stderr } = await interrupt(name, "wait", waiting);
      assert.deepEqual({ code, signal }, { code: 1, signal: null }, stderr);
      assert.match(stderr, /interrupted!\nmoonport\.run was kept by: server \([^()\n]*small\.lua:\d+\)\n/);
    });
  }
});

const RUNS = 5;
const WAYS = {
  end: 0,
  error: 1,
  exit: 0,
  "exit-close": 0,
  "handler-exit": 0,
  "handler-exit-close": 0,
  "handler-shutdown": 0,
};

describe("ends with requests in flight", () => {
  for (const name of NAMES) {
    for (const [way, code] of Object.entries(WAYS)) {
      // `moonport run` goes on at the script's end while the server is open.
      if (name === "moonport" && way === "end") continue;
      test(`${name}: ${way}`, async () => {
        for (let at = 0; at < RUNS; at += 1) {
          const run = startScript(name, "exit.lua", way);
          const url = await run.line();
          assert.match(url ?? run.stderr, /^http:/);
          const settled = [];
          const ask = (path) =>
            settled.push(
              request(url, path).then(
                (answer) => answer.status,
                (error) => error.code ?? error.message,
              ),
            );
          ask("/hold");
          ask("/hold");
          assert.equal(await run.line(), "held", run.stderr);
          if (way.startsWith("handler")) ask("/go");
          assert.equal(await run.line(), "blocked", run.stderr);
          ask("/queued");
          ask("/queued");
          assert.equal(await run.line(), "queued", run.stderr);
          assert.deepEqual(await run.ended(), { code, signal: null }, `run ${at + 1}: ${run.stderr}`);
          const expected = way === "error" ? /the script's own error/ : /^$/;
          assert.match(run.stderr, expected);
          // Each client hears that it gets no answer: the connection ends, or a refusal.
          for (const end of await Promise.all(settled)) assert.match(String(end), /^(ECONNRESET|503|500)$/);
        }
      });
    }
  }
});

describe("opening and closing", () => {
  for (const name of NAMES) {
    test(`a handler opens and closes a port and a server on ${name}`, async () => {
      const run = startScript(name, "small.lua", "port");
      const answer = await request(await run.line(), "/port").catch((error) => error.code);
      assert.deepEqual(await run.ended(), { code: 0, signal: null }, run.stderr);
      assert.equal(answer.body, "[true]");
    });
    test(`stop() does not wait for nothing on ${name}`, async () => {
      const run = startScript(name, "small.lua", "stops");
      assert.match(await run.line(), /^http:/);
      const started = Date.now();
      for (let at = 0; at < 20; at += 1) assert.equal(await run.line(), "stopped", run.stderr);
      const time = Date.now() - started;
      run.child.kill("SIGKILL");
      // One that waits for its whole grace takes 2 s.
      assert.ok(time < 1500, `20 servers took ${time} ms`);
    });
  }
});

describe("leaks", () => {
  for (const name of NAMES) {
    test(`200 servers on ${name}`, { timeout: 120_000 }, async () => {
      const run = startScript(name, "leak.lua");
      const { pid } = run.child;
      const checkpoint = async () => {
        const line = (await run.line(60_000)) ?? assert.fail(`it ended: ${run.stderr}`);
        const [, answered, handlers, open] = /^checkpoint (\d+) (\d+) (\d+)$/.exec(line).map(Number);
        const memory = Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]);
        const count = (what) => readdirSync(`/proc/${pid}/${what}`).length;
        const counts = { threads: count("task"), descriptors: count("fd"), open };
        run.child.stdin.write("go on\n");
        return { answered, counts, handlers, memory };
      };
      const first = await checkpoint();
      const last = await checkpoint();
      assert.deepEqual(await run.ended(), { code: 0, signal: null }, run.stderr);
      assert.equal(first.answered, 20);
      assert.equal(last.answered, 220);
      // `moonport run` has one more that waits for Ctrl-C.
      assert.equal(first.counts.threads, name === "moonport" ? 2 : 1);
      assert.equal(first.counts.open, 0);
      assert.ok(last.memory - first.memory < 4096, `${last.memory - first.memory} KiB more`);
      assert.deepEqual(last.counts, first.counts);
      assert.ok(last.handlers <= 2, `${last.handlers} handlers of stopped servers are not collected`);
    });
  }
});
