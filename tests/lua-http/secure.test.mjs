// SPDX-License-Identifier: MIT OR Apache-2.0
// TLS through Lua, from node's https module; openssl makes the certificate of the files.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import tls from "node:tls";
import { NAMES, request, startScript, within } from "./support.mjs";

let folder;
let files;

before(() => {
  folder = mkdtempSync(join(tmpdir(), "moonport-secure-"));
  files = [join(folder, "certificate.pem"), join(folder, "key.pem")];
  execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", files[0], "-keyout", files[1]], { stdio: "ignore" });
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** The certificate that is shown, as PEM. */
function shown(url) {
  const seen = new Promise((resolve, reject) => {
    const options = { host: url.hostname, port: url.port, rejectUnauthorized: false };
    const socket = tls.connect(options, () => {
      resolve(new X509Certificate(socket.getPeerCertificate().raw).toString());
      socket.destroy();
    });
    socket.on("error", reject);
  });
  return within(seen, "a certificate");
}

for (const name of NAMES) {
  test(`TLS on ${name}`, async (t) => {
    const run = startScript(t, name, "secure.lua", ...files);
    const own = new URL(await run.line());
    assert.match(own.href, /^https:\/\/127\.0\.0\.1:\d+\/$/);
    const authorization = `Bearer ${await run.line()}`;
    const link = new URL(await run.line());
    assert.equal(link.origin, own.origin);
    const other = new URL(await run.line());
    for (const pattern of [
      /^nil\tserver:start: cannot speak TLS on .*key\.pem: no certificate is in it\tinvalid$/,
      /^nil\tserver:start: .*\/no\/such\/key\.pem: No such file.*\tENOENT$/,
      /^nil\tserver:start: .*unix:.*Unix socket.*\tunsupported$/,
      /^false\t.*moonport\.http: tls: expected true or \{.*, got false$/,
      /^false\t.*moonport\.http: tls: expected true or \{.*, got table$/,
      /^false\t.*moonport\.http: tls: unknown option "certificat"$/,
    ]) {
      assert.match(await run.line(), pattern);
    }

    const ca = await shown(own);
    for (const host of ["127.0.0.1", "localhost"]) {
      const base = { protocol: "https:", host, port: own.port, ca, family: 4 };
      const answer = await request(base, "/", { headers: { authorization } });
      assert.equal(answer.body, `["${host}","127.0.0.1"]`);
    }
    const base = { protocol: "https:", host: "127.0.0.1", port: own.port, ca };
    const first = await request(base, link.pathname + link.search);
    assert.match(first.headers["set-cookie"][0], /; Secure$/);
    const page = { cookie: first.headers["set-cookie"][0].split(";")[0], origin: own.origin };
    assert.equal((await request(base, "/", { headers: page })).status, 200);
    const foreign = { ...page, origin: own.origin.replace("https", "http") };
    assert.equal((await request(base, "/", { headers: foreign })).status, 403);
    await assert.rejects(request({ ...base, ca: readFileSync(files[0]) }, "/"), /certificate/);
    await assert.rejects(request({ host: "127.0.0.1", port: own.port }, "/"), "plain HTTP");

    const theirs = { protocol: "https:", host: "localhost", port: other.port, ca: readFileSync(files[0]), family: 4 };
    assert.equal((await request(theirs, "/")).body, "from files");
    assert.equal((await request(base, "/stop", { headers: { authorization } })).body, "stopping");
    assert.deepEqual(await run.ended(), { code: 0, signal: null });
  });
}
