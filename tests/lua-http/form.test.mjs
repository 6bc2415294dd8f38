// SPDX-License-Identifier: MIT OR Apache-2.0
// Forms with fields and files, as curl and browsers (by the FormData that Node has of them) send them.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { NAMES, startScript } from "./support.mjs";

const run = promisify(execFile);
let folder;

before(() => {
  folder = mkdtempSync(join(tmpdir(), "moonport-form-"));
  writeFileSync(join(folder, "binary"), Buffer.from([0, 13, 10, 45, 45, 255]));
  writeFileSync(join(folder, "name; with \"quotes\".txt"), "text");
});
after(() => rmSync(folder, { recursive: true, force: true }));

async function post(url, body, headers = {}) {
  const answer = await fetch(url, { method: "POST", body, headers, signal: AbortSignal.timeout(10_000) });
  return { status: answer.status, body: await answer.json() };
}

for (const name of NAMES) {
  describe(name, () => {
    test("what FormData sends", async (t) => {
      const url = await (await startScript(t, name, "form.lua")).line();
      const form = new FormData();
      form.append("field", "a\r\n--b");
      form.append("ünï", "✓");
      form.append("", "no name");
      form.append("same", "1");
      form.append("same", new File(["2"], "two.txt", { type: "text/plain" }));
      form.append("same", "3");
      form.append("file", new File([new Uint8Array([0, 13, 10, 255])], 'a"b\\c.bin'));
      form.append("files", new File([], "one"));
      form.append("files", new File(["x"], "two"));
      const answer = await post(`${url}/form`, form);
      assert.deepEqual(answer, {
        status: 200,
        body: {
          form: {
            field: "a\r\n--b",
            ünï: "✓",
            "": "no name",
            same: ["1", { filename: "two.txt", type: "text/plain", bytes: [50] }, "3"],
            file: { filename: "a%22b\\c.bin", type: "application/octet-stream", bytes: [0, 13, 10, 255] },
            files: [
              { filename: "one", type: "application/octet-stream", bytes: {} },
              { filename: "two", type: "application/octet-stream", bytes: [120] },
            ],
          },
        },
      });
      assert.deepEqual(await post(`${url}/form`, new FormData()), { status: 200, body: { form: {} } });
      assert.deepEqual(await post(`${url}/raw`, form), { status: 200, body: [true, true] });
    });

    test("what curl sends", async (t) => {
      const url = await (await startScript(t, name, "form.lua")).line();
      const curl = async (...args) => {
        const { stdout } = await run("curl", ["--silent", "--max-time", "10", ...args, `${url}/form`], { cwd: folder });
        return JSON.parse(stdout);
      };
      const answer = await curl("-F", "a=1", "-F", "f=@binary", "-F", 'g=@"name; with \\"quotes\\".txt";type=a/b');
      assert.deepEqual(answer.form.a, "1");
      assert.deepEqual(answer.form.f, {
        filename: "binary",
        type: "application/octet-stream",
        bytes: [0, 13, 10, 45, 45, 255],
      });
      const { filename, type, bytes } = answer.form.g;
      // By its version, curl writes \" or %22 for a quote.
      assert.equal(filename.replaceAll("%22", '"'), 'name; with "quotes".txt');
      assert.deepEqual([type, Buffer.from(bytes).toString()], ["a/b", "text"]);
      const escaped = await curl("--form-escape", "-F", 'x"y=1');
      assert.deepEqual(escaped.form, { 'x"y': "1" });
    });

    test("what is no form does not reach Lua", async (t) => {
      const url = await (await startScript(t, name, "form.lua")).line();
      const typed = { "Content-Type": "multipart/form-data; boundary=b" };
      const part = '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n';
      const bad = await post(`${url}/form`, part, typed);
      assert.deepEqual(bad, {
        status: 400,
        body: { error: `malformed form: the last boundary is missing at byte ${part.length}`, offset: part.length },
      });
      const none = await post(`${url}/form`, part, { "Content-Type": "multipart/form-data" });
      assert.deepEqual(none, { status: 400, body: { error: "the form has no boundary" } });
      const large = new FormData();
      large.append("file", new File([new Uint8Array(4096)], "large"));
      assert.equal((await post(`${url}/form`, large)).status, 413);
      const calls = await fetch(`${url}/calls`);
      assert.deepEqual(await calls.json(), [0, true]);
      const other = await post(`${url}/form`, "x", { "Content-Type": "multipart/mixed; boundary=b" });
      assert.deepEqual(other, { status: 200, body: { form: null, body: "x" } });
    });
  });
}
