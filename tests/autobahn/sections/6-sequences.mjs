// SPDX-License-Identifier: MIT OR Apache-2.0
// The sequences of 6.5 to 6.23, after Markus Kuhn's stress test of UTF-8 decoders
// (https://www.cl.cam.ac.uk/~mgk25/ucs/examples/UTF-8-test.txt).

const range = (first, last) => Array.from({ length: last - first + 1 }, (_, at) => first + at);
/** Bytes written as hexadecimal numbers, one sequence after each comma. */
const hex = (list) => list.split(",").map((one) => Buffer.from(one.replaceAll(" ", ""), "hex"));
const utf8 = (...points) => points.map((point) => Buffer.from(String.fromCodePoint(point)));

/** A word of 11 bytes; its second character has three. */
export const GREEK = Buffer.from("\u03ba\u1f79\u03c3\u03bc\u03b5");
/** Where a character of it ends. */
const ENDS = [2, 5, 7, 9, 11];

const good = (sequences) => ({ valid: () => true, sequences });
const bad = (sequences) => ({ valid: () => false, sequences });
const BEYOND = Buffer.from([0xf4, 0x90, 0x80, 0x80]);

// Each but its last byte, which is missing.
const CUT = hex("c0, e0 80, f0 80 80, f8 80 80 80, fc 80 80 80 80, df, ef bf, f7 bf bf, fb bf bf bf, fd bf bf bf bf");

// The last two of each plane are no characters, but UTF-8.
const NO_CHARACTERS = range(0, 0x10).flatMap((plane) => [plane * 65_536 + 0xfffe, plane * 65_536 + 0xffff]);

export const GROUPS = [
  // 6.5: good ones
  good([..."$¢€𤭢"].map((sign) => Buffer.from(`hello${sign}world`)).concat([GREEK])),
  // 6.6: every beginning of a word
  { valid: (bytes) => ENDS.includes(bytes.length), sequences: range(1, GREEK.length).map((end) => GREEK.subarray(0, end)) },
  // 6.7, 6.8: the first of each length
  good(utf8(0, 0x80, 0x800, 0x10000)),
  bad(hex("f8 88 80 80 80, fc 84 80 80 80 80")),
  // 6.9, 6.10: the last of each length
  good(utf8(0x7f, 0x7ff, 0xffff, 0x10ffff)),
  bad(hex("f7 bf bf bf, fb bf bf bf bf, fd bf bf bf bf bf")),
  // 6.11: at other borders
  {
    valid: (bytes) => !bytes.equals(BEYOND),
    sequences: [...utf8(0xd7ff, 0xe000, 0xfffd, 0x10ffff), BEYOND],
  },
  // 6.12: continuations of nothing
  bad([
    ...hex("80, bf, 80 bf, 80 bf 80, 80 bf 80 bf, 80 bf 80 bf 80, 80 bf 80 bf 80 bf"),
    Buffer.from(range(0x80, 0xbe)),
  ]),
  // 6.13: first bytes, each before a space
  bad([[0xc0, 0xde], [0xe0, 0xee], [0xf0, 0xf6], [0xf8, 0xfa], [0xfc, 0xfc]].map(([first, last]) =>
    Buffer.from(range(first, last).flatMap((byte) => [byte, 0x20])),
  )),
  // 6.14, 6.15: the last byte is missing
  bad(CUT),
  bad([Buffer.concat(CUT)]),
  // 6.16: bytes that are in no character
  bad(hex("fe, ff, fe fe ff ff")),
  // 6.17: a slash, too long
  bad(hex("c0 af, e0 80 af, f0 80 80 af, f8 80 80 80 af, fc 80 80 80 80 af")),
  // 6.18: the greatest that are too long
  bad(hex("c1 bf, e0 9f bf, f0 8f bf bf, f8 87 bf bf bf, fc 83 bf bf bf bf")),
  // 6.19: NUL, too long
  bad(hex("c0 80, e0 80 80, f0 80 80 80, f8 80 80 80 80, fc 80 80 80 80 80")),
  // 6.20: one surrogate
  bad(hex("ed a0 80, ed ad bf, ed ae 80, ed af bf, ed b0 80, ed be 80, ed bf bf")),
  // 6.21: two
  bad(["ed a0 80", "ed ad bf", "ed ae 80", "ed af bf"].flatMap((high) =>
    ["ed b0 80", "ed bf bf"].flatMap((low) => hex(`${high} ${low}`)),
  )),
  // 6.22: no characters
  good(utf8(...NO_CHARACTERS)),
  // 6.23: special ones
  good(utf8(...range(0xfff9, 0xffff))),
];
