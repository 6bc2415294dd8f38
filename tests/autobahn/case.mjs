// SPDX-License-Identifier: MIT OR Apache-2.0
// One case: what is sent, what must come back, and what is said of it.
//
// A case: { id, steps, answers, lenient, because, close, limit }
//   answers   what comes back before the close frame: { kind, payload }
//   lenient   other answers that the suite takes as NON-STRICT, each a list, and `because` why they may come
//   close     by: who closes first; codes: of the server's close frame, null for none; isOwn: the steps have the client's
import { setTimeout as sleep } from "node:timers/promises";

import { bytesOf, closing } from "./frames.mjs";
import { Peer, within } from "./peer.mjs";

/** Frames in one write. */
export const send = (...frames) => ({ bytes: Buffer.concat(frames) });
/** One write for each frame. */
export const apart = (...frames) => frames.map((bytes) => ({ bytes }));
/** Written in pieces of so many bytes. */
export const chopped = (chop, ...frames) => ({ bytes: Buffer.concat(frames), chop });
/** Waits for so many answers. */
export const answered = (count) => ({ count });
/** Nothing may come for so long; what has not come by then counts as an answer of this name. */
export const silence = (time, name) => ({ time, name });

export const event = (kind, payload = "") => ({ kind, payload: bytesOf(payload) });
export const text = (payload) => event("text", payload);
export const binary = (payload) => event("binary", payload);
export const pong = (payload) => event("pong", payload);

/** The client closes when it has its answers. */
export const works = (id, steps, answers, rest = {}) => ({
  id, steps, answers, close: { by: "client", codes: [1000] }, ...rest,
});
/** The server fails the connection. */
export const fails = (id, steps, answers, code, rest = {}) => ({
  id, steps, answers, close: { by: "server", codes: [code] }, ...rest,
});
/** The steps have a close frame of the client. */
export const closes = (id, steps, codes, rest = {}) => ({
  id, steps, answers: [], close: { by: "client", codes, isOwn: true }, ...rest,
});

const isSame = (some, others) =>
  some.length === others.length &&
  some.every(({ kind, payload }, at) => kind === others[at].kind && payload.equals(others[at].payload));

const shown = (events) =>
  events.slice(0, 5).map(({ kind, payload }) => `${kind} of ${payload.length} ${payload.toString("latin1", 0, 20)}`);

async function act(peer, step) {
  if (step.bytes) return peer.write(step.bytes, step.chop);
  if (step.count) return peer.until(() => peer.farewell || peer.events.length >= step.count);
  await Promise.race([sleep(step.time), peer.until(() => peer.farewell)]);
  if (!peer.farewell) peer.events.push(event(step.name));
}

async function talk(peer, { steps, answers, close }) {
  if (close.isOwn) peer.hasClosed = true;
  // Large messages: both sides write at once.
  for (const step of steps.flat()) await act(peer, step);
  if (close.by === "client") {
    await peer.until(() => peer.farewell || peer.events.length >= answers.length);
    peer.close(closing(1000));
  }
  // The server closes the connection, not the client (RFC 6455, section 7.1.1).
  await peer.until(() => peer.ended);
}

function verdict(peer, { answers, lenient = [], close }) {
  if (peer.failure) return `failed: ${peer.failure.message}`;
  const { farewell } = peer;
  if (!farewell) return "failed: no close frame";
  const code = farewell.length < 2 ? null : farewell.readUInt16BE(0);
  if (!close.codes.includes(code)) return `failed: closed with ${code} ${farewell.subarray(2)}`;
  if (peer.serverCloses !== (close.by === "server")) return "failed: closed by the wrong side";
  if (isSame(peer.events, answers)) return "OK";
  if (lenient.some((others) => isSame(peer.events, others))) return "NON-STRICT";
  return `failed: got ${JSON.stringify(shown(peer.events))}, expected ${JSON.stringify(shown(answers))}`;
}

/** Runs a case; how it went: "OK", "NON-STRICT", or "failed" and why. */
export async function run(url, one) {
  const peer = await Peer.open(url, "/echo");
  try {
    await within(talk(peer, one), "the case", one.limit ?? 10_000);
    return verdict(peer, one);
  } catch (error) {
    return `failed: ${error.message}, after ${JSON.stringify(shown(peer.events))}`;
  } finally {
    peer.destroy();
  }
}
