// SPDX-License-Identifier: MIT OR Apache-2.0
// examples/curl: what is downloaded is what was there, byte for byte, and a download that Lua refuses leaves nothing.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { INTERPRETERS, folder, startLua } from "./support.mjs";

const SIZE = 3_000_001;
const PROGRESS = ["25 %", "50 %", "75 %", "100 %"];
const here = join(folder, "here");
const data = randomBytes(SIZE);

before(() => {
  writeFileSync(here, data);
});

for (const interpreter of Object.keys(INTERPRETERS)) {
  describe(`curl, ${interpreter}`, () => {
    let downloads = 0;
    /** Downloads into a file of its own. */
    async function download(url, ...limit) {
      const path = join(folder, `there-${interpreter.replace(" ", "-")}-${++downloads}`);
      const run = startLua(interpreter, "curl/main.lua", url, path, ...limit);
      const { code, signal } = await run.ended();
      assert.equal(signal, null, run.stderr);
      assert.equal(run.stderr, "");
      return { code, lines: run.lines, saved: existsSync(path) ? readFileSync(path) : undefined };
    }

    /** The whole of it came, in several pieces. */
    function assertWhole({ code, lines, saved }, wanted) {
      assert.equal(code, 0, lines.join("\n"));
      assert.ok(saved.equals(wanted), `${saved.length} bytes, not ${wanted.length}, or others`);
      assert.deepEqual(lines.slice(0, -1), PROGRESS);
      const [, bytes, pieces] = lines.at(-1).match(/^(\d+) bytes in (\d+) pieces$/);
      assert.equal(Number(bytes), wanted.length);
      assert.ok(Number(pieces) > 10, `${pieces} pieces`);
    }

    test("a file", async () => {
      assertWhole(await download(pathToFileURL(here).href), data);
    });

    test("from the example's server", async (context) => {
      const server = startLua(interpreter, "curl/server.lua");
      context.after(() => server.child.kill("SIGKILL"));
      const url = await server.first;
      assert.match(url ?? "", /^http:\/\/127\.0\.0\.1:\d+\/lines$/, server.stderr);
      const lines = Array.from({ length: 1_000_000 }, (_, i) => `line ${i + 1}\n`);
      assertWhole(await download(url), Buffer.from(lines.join("")));

      const missing = await download(url.replace("/lines", "/nothing"));
      assert.deepEqual(missing.lines, ["failed: HTTP response code said error"]);
      assert.equal(missing.code, 1);
      assert.equal(missing.saved, undefined);
    });

    test("one that the progress handler ends", async () => {
      const { code, lines, saved } = await download(pathToFileURL(here).href, String(SIZE - 1));
      assert.equal(code, 1);
      assert.equal(lines.at(-1), "failed: Operation was aborted by an application callback");
      assert.equal(saved, undefined);
    });
  });
}
