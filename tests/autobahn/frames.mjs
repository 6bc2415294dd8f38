// SPDX-License-Identifier: MIT OR Apache-2.0
// Frames of RFC 6455, section 5.2: those of a client written as it is told, good or bad, those of a server read strictly.

export const CONTINUATION = 0;
export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

const MASK = Buffer.from([0x8a, 0x1f, 0x33, 0xe5]);

/** The bytes of a text, or of the numbers or the buffer given. */
export const bytesOf = (payload) => Buffer.from(payload);

function masked(payload) {
  const out = Buffer.allocUnsafe(payload.length);
  for (let at = 0; at < payload.length; at += 1) out[at] = payload[at] ^ MASK[at & 3];
  return out;
}

function lengthOf(size) {
  if (size < 126) return Buffer.from([0x80 | size]);
  if (size < 65_536) return Buffer.from([0x80 | 126, size >> 8, size & 255]);
  const length = Buffer.alloc(9);
  length[0] = 0x80 | 127;
  length.writeBigUInt64BE(BigInt(size), 1);
  return length;
}

/** One frame. `last: false`: more of its message follows. */
export function frame(opcode, payload = "", { last = true, reserved = 0 } = {}) {
  const bytes = bytesOf(payload);
  const first = (last ? 0x80 : 0) | (reserved << 4) | opcode;
  return Buffer.concat([Buffer.from([first]), lengthOf(bytes.length), MASK, masked(bytes)]);
}

/** One that is not the last of its message. */
export const part = (opcode, payload) => frame(opcode, payload, { last: false });

/** What a close frame carries. */
export function closing(code, reason = "") {
  return Buffer.concat([Buffer.from([code >> 8, code & 255]), bytesOf(reason)]);
}

/** A message in frames of `size` bytes; an empty one is one frame. */
export function fragments(opcode, payload, size) {
  const bytes = bytesOf(payload);
  const frames = [];
  for (let at = 0; at === 0 || at < bytes.length; at += size) {
    const last = at + size >= bytes.length;
    frames.push(frame(at === 0 ? opcode : CONTINUATION, bytes.subarray(at, at + size), { last }));
  }
  return frames;
}

/** Where the payload of a server's frame begins, and where the frame ends; undefined: more bytes are needed to know. */
function layout(bytes) {
  if (bytes.length < 2) return undefined;
  const short = bytes[1];
  if (short & 0x80) throw new Error("the server masked a frame");
  const start = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (bytes.length < start) return undefined;
  const size = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  return { start, end: start + size };
}

const KINDS = new Map([[TEXT, "text"], [BINARY, "binary"], [CLOSE, "close"], [PING, "ping"], [PONG, "pong"]]);

/** Frames out of bytes as they arrive; a server of ours sends whole messages, so a frame is one. */
export class Reader {
  #pieces = [];
  #size = 0;
  #need = 2;

  *push(piece) {
    this.#pieces.push(piece);
    this.#size += piece.length;
    while (this.#size >= this.#need) {
      const bytes = this.#pieces.length === 1 ? this.#pieces[0] : Buffer.concat(this.#pieces);
      const found = layout(bytes);
      this.#pieces = [bytes];
      this.#need = found?.end ?? this.#size + 1;
      if (this.#size < this.#need) return;
      this.#pieces = [bytes.subarray(found.end)];
      this.#size -= found.end;
      this.#need = 2;
      const kind = KINDS.get(bytes[0] & 0x0f);
      if ((bytes[0] & 0xf0) !== 0x80 || !kind) throw new Error(`the server sent a frame that begins with ${bytes[0]}`);
      yield { kind, payload: bytes.subarray(found.start, found.end) };
    }
  }
}
