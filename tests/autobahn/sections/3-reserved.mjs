// SPDX-License-Identifier: MIT OR Apache-2.0
// 3: bits that no extension gives a meaning fail the connection.
import { apart, chopped, fails, send, text } from "../case.mjs";
import { BINARY, CLOSE, PING, TEXT, frame } from "../frames.mjs";

export const name = "reserved bits";
export const count = 7;

const HELLO = "Hello, world!";
const BYTES = [0x00, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0x00, 0xff];

/** Why the echo of a good message may be missing before the close frame. */
export const EARLY = {
  lenient: [[]],
  because: "a connection fails at once, and Lua may not have echoed yet what came before the bad frame",
};

const after = (reserved) => [frame(TEXT, HELLO), frame(TEXT, HELLO, { reserved }), frame(PING)];

export const cases = [
  fails("3.1", [send(frame(TEXT, HELLO, { reserved: 1 }))], [], 1002),
  fails("3.2", [send(...after(2))], [text(HELLO)], 1002, EARLY),
  fails("3.3", apart(...after(3)), [text(HELLO)], 1002, EARLY),
  fails("3.4", [chopped(1, ...after(4))], [text(HELLO)], 1002, EARLY),
  fails("3.5", [send(frame(BINARY, BYTES, { reserved: 5 }))], [], 1002),
  fails("3.6", [send(frame(PING, HELLO, { reserved: 6 }))], [], 1002),
  fails("3.7", [send(frame(CLOSE, "", { reserved: 7 }))], [], 1002),
];
