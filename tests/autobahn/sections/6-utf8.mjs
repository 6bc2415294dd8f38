// SPDX-License-Identifier: MIT OR Apache-2.0
// 6: a text is UTF-8, however it is cut.
import { answered, apart, event, fails, pong, send, silence, text, works } from "../case.mjs";
import { CONTINUATION, PING, TEXT, fragments, frame, part } from "../frames.mjs";
import { GREEK, GROUPS } from "./6-sequences.mjs";

export const name = "UTF-8";
export const count = 145;

const rest = (payload) => frame(CONTINUATION, payload);
const more = (payload) => part(CONTINUATION, payload);
const MIXED = Buffer.from("Hello-µ@ßöäüàá-UTF-8!!");
const surrogate = Buffer.concat([GREEK, Buffer.from([0xed, 0xa0, 0x80]), Buffer.from("edited")]);
const beyond = Buffer.concat([GREEK, Buffer.from([0xf4, 0x90, 0x80, 0x80]), Buffer.from("edited")]);

// The second byte of what cannot be a character; a reader that fails early fails here.
const BAD = GREEK.length + 1;

/** Bad bytes in a frame of their own: that they are noticed before the message is whole is seen by pings. */
const early = (id, ...cuts) => {
  const pieces = cuts.map((cut, at) => beyond.subarray(cuts[at - 1] ?? 0, cut));
  const steps = [
    send(part(TEXT, pieces[0]), frame(PING, "good")),
    answered(1),
    send(more(pieces[1]), frame(PING, "bad")),
    answered(2),
    send(rest(pieces[2])),
  ];
  return fails(id, steps, [pong("good")], 1007);
};

/** The same within one frame. */
const earlier = (id, ...cuts) => {
  const whole = frame(TEXT, beyond);
  const head = whole.length - beyond.length;
  const cut = (at) => whole.subarray(at === 0 ? 0 : head + cuts[at - 1], head + cuts[at]);
  const steps = [{ bytes: cut(0) }, silence(100, "A"), { bytes: cut(1) }, silence(100, "B"), { bytes: cut(2) }];
  return fails(id, steps, [event("A")], 1007, {
    lenient: [[event("A"), event("B")]],
    because: "a text is checked frame by frame: within one, its end is waited for",
  });
};

const named = GROUPS.flatMap(({ valid, sequences }, group) =>
  sequences.map((bytes, at) => {
    const id = `6.${group + 5}.${at + 1}`;
    const steps = [send(frame(TEXT, bytes))];
    return valid(bytes) ? works(id, steps, [text(bytes)]) : fails(id, steps, [], 1007);
  }),
);

const ends = beyond.length;
export const cases = [
  works("6.1.1", [send(frame(TEXT))], [text("")]),
  works("6.1.2", [send(part(TEXT), more(), rest())], [text("")]),
  works("6.1.3", [send(part(TEXT), more("middle"), rest())], [text("middle")]),
  works("6.2.1", [send(frame(TEXT, MIXED))], [text(MIXED)]),
  works("6.2.2", [send(part(TEXT, "Hello-µ@ßöä"), rest("üàá-UTF-8!!"))], [text(MIXED)]),
  works("6.2.3", apart(...fragments(TEXT, MIXED, 1)), [text(MIXED)]),
  works("6.2.4", apart(...fragments(TEXT, GREEK, 1)), [text(GREEK)]),
  fails("6.3.1", [send(frame(TEXT, surrogate))], [], 1007),
  fails("6.3.2", apart(...fragments(TEXT, surrogate, 1)), [], 1007),
  early("6.4.1", GREEK.length, GREEK.length + 4, ends),
  early("6.4.2", BAD, BAD + 1, ends),
  earlier("6.4.3", GREEK.length, GREEK.length + 4, ends),
  earlier("6.4.4", BAD, BAD + 1, ends),
  ...named,
];
