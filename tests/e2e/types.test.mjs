// SPDX-License-Identifier: MIT OR Apache-2.0
// The declarations of moonport.js: what is written by them compiles, what is against them does not.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as client from "../../crates/moonport-http/client/moonport.js";

const file = (path) => fileURLToPath(new URL(path, import.meta.url));

function compile(...args) {
  const options = ["--noEmit", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler", "--ignoreConfig"];
  const found = spawnSync(file("node_modules/.bin/tsc"), [...options, "--lib", "es2022,dom,dom.iterable", "--types", "", ...args]);
  assert.equal(found.error, undefined);
  return `${found.stdout}${found.stderr}`;
}

test("use of moonport.js compiles, and misuse does not", () => {
  assert.equal(compile("--strict", file("types.ts")), "");
});

test("what is declared is there", () => {
  assert.deepEqual(Object.keys(client).sort(), ["Refusal", "connect", "events", "live", "send"]);
  assert.deepEqual(Object.keys(client.connect()).sort(), ["events", "live", "send"]);
});
