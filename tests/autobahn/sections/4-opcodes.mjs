// SPDX-License-Identifier: MIT OR Apache-2.0
// 4: opcodes without a meaning, of data (3 to 7) and of control (11 to 15), fail the connection.
import { chopped, fails, send, text } from "../case.mjs";
import { PING, TEXT, frame } from "../frames.mjs";
import { EARLY } from "./3-reserved.mjs";

export const name = "opcodes";
export const count = 10;

const HELLO = "Hello, world!";

export const cases = [[1, 3], [2, 11]].flatMap(([group, opcode]) => {
  const after = (bad) => [frame(TEXT, HELLO), bad, frame(PING)];
  const late = (number, step) => fails(`4.${group}.${number}`, [step], [text(HELLO)], 1002, EARLY);
  return [
    fails(`4.${group}.1`, [send(frame(opcode))], [], 1002),
    fails(`4.${group}.2`, [send(frame(opcode + 1, "with bytes"))], [], 1002),
    late(3, send(...after(frame(opcode + 2)))),
    late(4, send(...after(frame(opcode + 3, HELLO)))),
    late(5, chopped(1, ...after(frame(opcode + 4, HELLO)))),
  ];
});
