// SPDX-License-Identifier: MIT OR Apache-2.0
// Runs the sections named, or all, and says how each went; fails if a case failed or did not run.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { run } from "./case.mjs";
import { Peer, within } from "./peer.mjs";
import * as framing from "./sections/1-framing.mjs";
import * as pings from "./sections/2-pings.mjs";
import * as reserved from "./sections/3-reserved.mjs";
import * as opcodes from "./sections/4-opcodes.mjs";
import * as fragmentation from "./sections/5-fragmentation.mjs";
import * as utf8 from "./sections/6-utf8.mjs";
import * as closing from "./sections/7-closing.mjs";
import * as limits from "./sections/9-limits.mjs";
import * as misc from "./sections/10-misc.mjs";

const SECTIONS = new Map(Object.entries({
  1: framing, 2: pings, 3: reserved, 4: opcodes, 5: fragmentation, 6: utf8, 7: closing, 9: limits, 10: misc,
}));

const pathOf = (name) => fileURLToPath(new URL(name, import.meta.url));

function startServer() {
  const program = process.env.MOONPORT_BIN ?? pathOf("../../target/release/moonport");
  const child = spawn(program, ["run", pathOf("server.lua")], { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const closed = new Promise((resolve, reject) => child.once("error", reject).once("close", resolve));
  process.on("exit", () => child.kill("SIGKILL"));
  return {
    line: async () => (await within(Promise.race([lines.next(), closed.then(() => ({}))]), "a line of the server", 10_000)).value,
    ended: () => within(closed, "the end of the server", 10_000),
  };
}

/** Runs a section; how many cases there were, and the ids of those that failed. */
async function runSection(url, number, { name, count, cases }) {
  const counts = { OK: 0, "NON-STRICT": 0, failed: 0 };
  const ids = new Set();
  for (const one of typeof cases === "function" ? cases() : cases) {
    const said = await run(url, one);
    const [outcome] = said.split(":");
    counts[outcome] += 1;
    ids.add(one.id);
    if (outcome !== "OK") console.log(`  ${one.id} ${said}${outcome === "NON-STRICT" ? `: ${one.because}` : ""}`);
  }
  console.log(`section ${number} (${name}): ${ids.size} of ${count} cases: ` +
    Object.entries(counts).map(([outcome, many]) => `${many} ${outcome}`).join(", "));
  return { ran: ids.size, isGood: counts.failed === 0 && ids.size === count };
}

async function main(names) {
  const unknown = names.find((name) => !SECTIONS.has(name));
  if (unknown) throw new Error(`there is no section ${unknown}; there are ${[...SECTIONS.keys()].join(", ")}`);
  const server = startServer();
  const url = await server.line();
  if (!url) throw new Error("the server did not start");
  let ran = 0;
  let isGood = true;
  for (const name of names.length > 0 ? names : SECTIONS.keys()) {
    const section = await runSection(url, name, SECTIONS.get(name));
    ran += section.ran;
    isGood &&= section.isGood;
  }
  const last = await Peer.open(url, "/end");
  const told = await server.line();
  last.destroy();
  const status = await server.ended();
  console.log(`${ran} cases; the server: sockets opened, closed, errors: ${told}, exit status ${status}`);
  return isGood && told === `${ran}\t${ran}\t0` && status === 0;
}

process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1;
