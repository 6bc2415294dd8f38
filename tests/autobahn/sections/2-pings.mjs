// SPDX-License-Identifier: MIT OR Apache-2.0
// 2: pings are answered with what they carry, pongs with nothing.
import { chopped, closes, fails, pong, send, works } from "../case.mjs";
import { CLOSE, PING, PONG, closing, frame } from "../frames.mjs";

export const name = "pings and pongs";
export const count = 11;

const BYTES = [0x00, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0x00, 0xff];
const many = (size) => Buffer.alloc(size, 0xfe);
const ping = (payload) => frame(PING, payload);
const bye = frame(CLOSE, closing(1000));
const ten = Array.from({ length: 10 }, (_, at) => `ping ${at}`);

export const cases = [
  works("2.1", [send(ping(""))], [pong("")]),
  works("2.2", [send(ping("Hello, world!"))], [pong("Hello, world!")]),
  works("2.3", [send(ping(BYTES))], [pong(BYTES)]),
  works("2.4", [send(ping(many(125)))], [pong(many(125))]),
  fails("2.5", [send(ping(many(126)))], [], 1002),
  works("2.6", [chopped(1, ping(many(125)))], [pong(many(125))]),
  closes("2.7", [send(frame(PONG), bye)], [1000]),
  closes("2.8", [send(frame(PONG, "nobody asked"), bye)], [1000]),
  works("2.9", [send(frame(PONG, "nobody asked"), ping("somebody"))], [pong("somebody")]),
  works("2.10", [send(...ten.map(ping))], ten.map(pong)),
  works("2.11", [chopped(1, ...ten.map(ping))], ten.map(pong)),
];
