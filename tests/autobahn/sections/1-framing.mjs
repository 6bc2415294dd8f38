// SPDX-License-Identifier: MIT OR Apache-2.0
// 1: messages of the sizes where the length takes another form.
import { chopped, event, send, works } from "../case.mjs";
import { BINARY, TEXT, frame } from "../frames.mjs";

export const name = "framing";
export const count = 16;

const SIZES = [0, 125, 126, 127, 128, 65_535, 65_536];

export const cases = [[1, TEXT, "text", "*"], [2, BINARY, "binary", [0xfe]]].flatMap(([group, opcode, kind, fill]) => {
  const row = (number, size, step) => {
    const payload = Buffer.alloc(size, Buffer.from(fill));
    return works(`1.${group}.${number}`, [step(frame(opcode, payload))], [event(kind, payload)]);
  };
  return [...SIZES.map((size, at) => row(at + 1, size, send)), row(8, 65_536, (bytes) => chopped(997, bytes))];
});
