// SPDX-License-Identifier: MIT OR Apache-2.0
// 7: close frames, good and bad, and what comes after them.
import { closes, send, text, works } from "../case.mjs";
import { CLOSE, CONTINUATION, PING, TEXT, closing, frame, part } from "../frames.mjs";

export const name = "closing";
export const count = 37;

const HELLO = "Hello, world!";
const bye = frame(CLOSE, closing(1000));
const close = (code, reason) => send(frame(CLOSE, closing(code, reason)));
const large = "BAsd7&jh23".repeat(26_215).slice(0, 256 * 1024);
const NO_TEXT = Buffer.concat([Buffer.from("good "), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from(" edited")]);

const GOOD = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
const BAD = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999];

export const cases = [
  works("7.1.1", [send(frame(TEXT, HELLO))], [text(HELLO)]),
  closes("7.1.2", [send(bye, bye)], [1000]),
  closes("7.1.3", [send(bye, frame(PING))], [1000]),
  closes("7.1.4", [send(bye, frame(TEXT, HELLO))], [1000]),
  closes("7.1.5", [send(part(TEXT, "one"), bye, frame(CONTINUATION, "two"))], [1000]),
  // The suite leaves open what is echoed here.
  closes("7.1.6", [send(frame(TEXT, large), frame(TEXT, HELLO), bye, frame(PING))], [1000], {
    answers: [text(large), text(HELLO)],
    lenient: [[], [text(large)]],
    because: "the close frame is answered at once, and Lua may not have echoed yet what came before it",
  }),
  closes("7.3.1", [send(frame(CLOSE))], [null]),
  closes("7.3.2", [send(frame(CLOSE, "a"))], [1002]),
  closes("7.3.3", [close(1000)], [1000]),
  closes("7.3.4", [close(1000, HELLO)], [1000]),
  closes("7.3.5", [close(1000, "*".repeat(123))], [1000]),
  closes("7.3.6", [close(1000, "*".repeat(124))], [1002]),
  closes("7.5.1", [close(1000, NO_TEXT)], [1007]),
  ...GOOD.map((code, at) => closes(`7.7.${at + 1}`, [close(code)], [code])),
  ...BAD.map((code, at) => closes(`7.9.${at + 1}`, [close(code)], [1002])),
  // The suite leaves open what happens here.
  closes("7.13.1", [close(5000)], [1002]),
  closes("7.13.2", [close(65_535)], [1002]),
];
