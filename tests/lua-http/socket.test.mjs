// SPDX-License-Identifier: MIT OR Apache-2.0
// A Unix socket through Lua, from node's http module.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { NAMES, request, startScript } from "./support.mjs";

for (const name of NAMES) {
  test(`a Unix socket on ${name}`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "moonport-socket-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const socketPath = join(folder, "socket");
    const run = startScript(t, name, "socket.lua", socketPath);
    assert.equal(await run.line(), `unix:${socketPath}`);
    const headers = { authorization: `Bearer ${await run.line()}` };
    assert.match(await run.line(), /^nil\tserver:link: .*Unix socket\tunsupported$/);
    assert.match(await run.line(), /^nil\tserver:start: .*unix:.*socket is in use\taddress_in_use$/);
    assert.match(await run.line(), /^nil\tserver:start: .*too long\tinvalid$/);
    assert.match(await run.line(), /^nil\tserver:start: .*not a socket\texists$/);
    assert.equal(statSync(socketPath).mode & 0o777, 0o600);
    const base = { socketPath };
    assert.equal((await request(base, "/peer", { headers })).body, '["unix","localhost"]');
    assert.equal((await request(base, "/peer")).status, 401);
    assert.equal((await request(base, "/peer", { headers: { ...headers, host: "evil.example" } })).status, 403);
    assert.equal((await request(base, "/peer", { headers: { ...headers, origin: "null" } })).status, 403);
    assert.equal((await request(base, "/stop", { headers })).body, "stopping");
    assert.equal(await run.line(), "true");
    assert.equal(await run.line(), `unix:${socketPath}`);
    assert.deepEqual(await run.ended(), { code: 0, signal: null });
    assert.equal(existsSync(socketPath), false);
  });
}
