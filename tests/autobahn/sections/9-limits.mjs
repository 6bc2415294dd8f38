// SPDX-License-Identifier: MIT OR Apache-2.0
// 9: large messages, many fragments, small pieces, many round trips.
import { answered, binary, chopped, send, text, works } from "../case.mjs";
import { BINARY, TEXT, fragments, frame } from "../frames.mjs";

export const name = "limits";
export const count = 54;

const KIB = 1024;
const MIB = 1024 * KIB;
/** What a case may take at most, on a machine that does much else. */
const limit = 60_000;

const TEXTS = { opcode: TEXT, event: text, fill: "BAsd7&jh23" };
const BYTES = { opcode: BINARY, event: binary, fill: Buffer.from([0x00, 0xfe, 0x23, 0xfa, 0xf0]) };
const filled = ({ fill }, size) => Buffer.alloc(size, fill);

const echoed = (id, { event }, payload, step) => works(id, [step], [event(payload)], { limit });

const sizes = (group, kind) =>
  [64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB].map((size, at) => {
    const payload = filled(kind, size);
    return echoed(`9.${group}.${at + 1}`, kind, payload, send(frame(kind.opcode, payload)));
  });

const fragmented = (group, kind) =>
  [64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB].map((size, at) => {
    const payload = filled(kind, 4 * MIB);
    return echoed(`9.${group}.${at + 1}`, kind, payload, send(...fragments(kind.opcode, payload, size)));
  });

const inPieces = (group, kind) =>
  [64, 128, 256, 512, KIB, 2 * KIB].map((size, at) => {
    const payload = filled(kind, MIB);
    return echoed(`9.${group}.${at + 1}`, kind, payload, chopped(size, frame(kind.opcode, payload)));
  });

const roundTrips = (group, kind) =>
  [0, 16, 64, 256, KIB, 4 * KIB].map((size, at) => {
    const payload = filled(kind, size);
    const asked = send(frame(kind.opcode, payload));
    const turns = Array.from({ length: 1000 }, (_, turn) => [asked, answered(turn + 1)]);
    return works(`9.${group}.${at + 1}`, turns, turns.map(() => kind.event(payload)), { limit });
  });

export function* cases() {
  for (const [group, make] of [[1, sizes], [3, fragmented], [5, inPieces], [7, roundTrips]]) {
    yield* make(group, TEXTS);
    yield* make(group + 1, BYTES);
  }
}
