// SPDX-License-Identifier: MIT OR Apache-2.0
// examples/sqlite: every change is told once and in order, the long query is cancelled, and the next one works.
import assert from "node:assert/strict";
import { test } from "node:test";
import { INTERPRETERS, startLua } from "./support.mjs";

const WANTED = `
> create table moons (name, planet)
> insert into moons values ('Io', 'Jupiter'), ('Titan', 'Saturn'), ('Luna', 'Mars')
  insert into moons, row 1
  insert into moons, row 2
  insert into moons, row 3
> update moons set planet = 'Earth' where name = 'Luna'
  update moons, row 3
> delete from moons where planet = 'Saturn'
  delete from moons, row 2
> with recursive n(i) as (select 1 union all select i + 1 from n where i < 1e9) select max(i) from n
  interrupted
> insert into moons values ('Europa', 'Jupiter')
  insert into moons, row 4
`;

for (const interpreter of Object.keys(INTERPRETERS)) {
  test(`sqlite, ${interpreter}: changes are told, a long query is cancelled`, async () => {
    const run = startLua(interpreter, "sqlite/main.lua");
    assert.deepEqual(await run.ended(), { code: 0, signal: null }, run.stderr);
    assert.equal(run.stderr, "");
    assert.deepEqual(run.lines, WANTED.trim().split("\n"));
  });
}
