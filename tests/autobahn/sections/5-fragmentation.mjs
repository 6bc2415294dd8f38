// SPDX-License-Identifier: MIT OR Apache-2.0
// 5: messages in several frames, control frames between them, and frames out of place.
import { answered, apart, chopped, fails, pong, send, text, works } from "../case.mjs";
import { CONTINUATION, PING, PONG, TEXT, frame, part } from "../frames.mjs";
import { EARLY } from "./3-reserved.mjs";

export const name = "fragmentation";
export const count = 20;

const rest = (payload) => frame(CONTINUATION, payload);
const more = (payload) => part(CONTINUATION, payload);
const two = [part(TEXT, "one, "), rest("two")];
const asked = [part(TEXT, "one, "), frame(PING, "between"), rest("two")];
const nothing = [rest("of nothing"), frame(TEXT, "whole")];
const nothingYet = [more("of nothing"), frame(TEXT, "whole")];
const twice = (first) => [1, 2].flatMap(() => [first("of nothing"), part(TEXT, "one, "), rest("two")]);

/** The first ping is answered while the message is on its way. */
const pinged = (id, step) =>
  works(
    id,
    [
      step(part(TEXT, "1"), more("2"), frame(PING, "first")),
      answered(1),
      step(more("3"), more("4"), frame(PING, "second"), rest("5")),
    ],
    [pong("first"), pong("second"), text("12345")],
  );

export const cases = [
  fails("5.1", [send(part(PING, "one"), rest("two"))], [], 1002),
  fails("5.2", [send(part(PONG, "one"), rest("two"))], [], 1002),
  works("5.3", [send(...two)], [text("one, two")]),
  works("5.4", apart(...two), [text("one, two")]),
  works("5.5", [chopped(1, ...two)], [text("one, two")]),
  works("5.6", [send(...asked)], [pong("between"), text("one, two")]),
  works("5.7", apart(...asked), [pong("between"), text("one, two")]),
  works("5.8", [chopped(1, ...asked)], [pong("between"), text("one, two")]),
  fails("5.9", [send(...nothing)], [], 1002),
  fails("5.10", apart(...nothing), [], 1002),
  fails("5.11", [chopped(1, ...nothing)], [], 1002),
  fails("5.12", [send(...nothingYet)], [], 1002),
  fails("5.13", apart(...nothingYet), [], 1002),
  fails("5.14", [chopped(1, ...nothingYet)], [], 1002),
  fails("5.15", [send(...two, more("three"), frame(TEXT, "four"))], [text("one, two")], 1002, EARLY),
  fails("5.16", [send(...twice(more))], [], 1002),
  fails("5.17", [send(...twice(rest))], [], 1002),
  fails("5.18", [send(part(TEXT, "one"), frame(TEXT, "two"))], [], 1002),
  pinged("5.19", send),
  pinged("5.20", apart),
];
