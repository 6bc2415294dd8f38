// SPDX-License-Identifier: MIT OR Apache-2.0
// Part 4: a malformed body, refused by the server's thread. Lua's counter stays where it was.
import { reason, send } from "./api.js";
import { onPress } from "./busy.js";
import { count, milliseconds } from "./format.js";
import { readHandled } from "./status.js";

const text = document.getElementById("malformed-text");
const place = document.getElementById("malformed-place");
const verdict = document.getElementById("malformed-verdict");

export function startMalformed() {
  onPress(document.getElementById("malformed-send"), sendMalformed);
}

async function sendMalformed() {
  const before = await readHandled();
  const reply = await send("POST", "/messages", text.value);
  const after = await readHandled();

  const known = (number) => (number === null ? "unknown" : count(number));
  showFacts({
    status: reply.status || "none",
    time: milliseconds(reply.ended - reply.started),
    error: reply.status === 200 ? "none: this is JSON, so Lua got it" : reason(reply),
    before: known(before),
    after: known(after),
  });
  showPlace(reply.data?.offset);

  const { good, words } = judge(reply.status, before, after);
  verdict.className = good ? "verdict good" : "verdict bad";
  verdict.textContent = words;
}

function showFacts(facts) {
  for (const [name, fact] of Object.entries(facts)) {
    document.getElementById(`malformed-${name}`).textContent = fact;
  }
  document.getElementById("malformed-facts").hidden = false;
}

function judge(status, before, after) {
  if (before === null || after === null) {
    return { good: false, words: "Lua's counter could not be read." };
  }
  const moved = after - before;
  if (status === 200) {
    return {
      good: moved === 1,
      words: `Well formed after all: Lua handled it, its count went up by ${moved}.`,
    };
  }
  if (moved !== 0) {
    return {
      good: false,
      words: `Lua's count went up by ${moved}: it was woken, or another page sends.`,
    };
  }
  if (status === 400) {
    return {
      good: true,
      words: "Refused at the door: Lua's count has not moved, Lua never saw it.",
    };
  }
  return {
    good: false,
    words: "Lua did not handle it, but the answer is not the 400 it should be.",
  };
}

/** Shows the text with the byte at `offset` marked; offsets count bytes of UTF-8, from 0. */
function showPlace(offset) {
  place.hidden = !Number.isInteger(offset);
  if (place.hidden) return;
  const bytes = new TextEncoder().encode(text.value);
  const head = new TextDecoder().decode(bytes.slice(0, offset));
  const mark = document.createElement("mark");
  const tail = text.value.slice(head.length);
  const [first = ""] = tail;
  mark.textContent = first.trim() || "\u00a0";
  place.firstElementChild.replaceChildren(head, mark, tail.slice(first.length));
}
