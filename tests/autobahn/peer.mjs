// SPDX-License-Identifier: MIT OR Apache-2.0
// A client on a raw socket: writes any bytes, in pieces of any size, and notes what comes back.
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import net from "node:net";

import { CLOSE, Reader, frame } from "./frames.mjs";

/** The promise, or an error that says what took too long. */
export function within(promise, what, time) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: more than ${time} ms`)), time);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** The answer to the key of a handshake (RFC 6455, section 4.2.2). */
const accepts = (key) => createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");

export class Peer {
  /** Messages, pings and pongs, in their order. */
  events = [];
  /** The payload of the server's close frame. */
  farewell;
  /** Was the server's close frame there before one of ours? */
  serverCloses = false;
  hasClosed = false;
  /** The server has closed its side of the connection. */
  ended = false;
  failure;

  #socket;
  #reader = new Reader();
  #changed = () => {};

  /** One whose handshake is done. */
  static async open(url, path) {
    const { hostname, port } = new URL(url);
    const peer = new Peer();
    peer.#socket = net.connect({ host: hostname, port: Number(port), noDelay: true, allowHalfOpen: true });
    await once(peer.#socket, "connect");
    const key = randomBytes(16).toString("base64");
    const head = [`GET ${path} HTTP/1.1`, `Host: ${hostname}:${port}`, "Connection: Upgrade", "Upgrade: websocket",
      "Sec-WebSocket-Version: 13", `Sec-WebSocket-Key: ${key}`];
    peer.#socket.write(`${head.join("\r\n")}\r\n\r\n`);
    const answer = await peer.#head();
    const named = new RegExp(`\r\nsec-websocket-accept: ${accepts(key).replaceAll("+", "\\+")}\r\n`, "i");
    if (!answer.startsWith("HTTP/1.1 101 ") || !named.test(answer)) throw new Error(`no handshake: ${answer}`);
    peer.#listen();
    return peer;
  }

  /** The head of the answer; what follows stays in the socket. */
  async #head() {
    let bytes = Buffer.alloc(0);
    for (;;) {
      const piece = this.#socket.read();
      if (piece === null) {
        await once(this.#socket, "readable");
        continue;
      }
      bytes = Buffer.concat([bytes, piece]);
      const end = bytes.indexOf("\r\n\r\n");
      if (end < 0) continue;
      if (end + 4 < bytes.length) this.#socket.unshift(bytes.subarray(end + 4));
      return bytes.toString("latin1", 0, end + 4);
    }
  }

  #listen() {
    this.#socket.on("data", (piece) => {
      try {
        for (const event of this.#reader.push(piece)) this.#take(event);
      } catch (error) {
        this.failure = error;
      }
      this.#changed();
    });
    this.#socket.on("end", () => {
      this.ended = true;
      this.#socket.end();
      this.#changed();
    });
    this.#socket.on("error", (error) => {
      this.failure = error;
      this.#changed();
    });
  }

  #take(event) {
    if (this.farewell) throw new Error(`a ${event.kind} after the close frame`);
    if (event.kind !== "close") return void this.events.push(event);
    this.farewell = event.payload;
    if (this.hasClosed) return;
    this.serverCloses = true;
    this.close(event.payload);
  }

  /** Everything that the server said is known. */
  get isOver() {
    return this.ended || this.failure !== undefined;
  }

  /** Waits until what `when` asks is so, or the server has said all. */
  async until(when) {
    while (!when() && !this.isOver) await new Promise((resolve) => (this.#changed = resolve));
  }

  close(payload) {
    if (this.hasClosed) return;
    this.hasClosed = true;
    this.#socket.write(frame(CLOSE, payload));
  }

  /** Writes in pieces of so many bytes, each handed to the system before the next; stops where the server has closed. */
  async write(bytes, chop = bytes.length) {
    for (let at = 0; at < bytes.length && !this.farewell && !this.isOver; at += chop) {
      await new Promise((resolve) => this.#socket.write(bytes.subarray(at, at + chop), resolve));
    }
  }

  destroy() {
    this.#socket.destroy();
  }
}
