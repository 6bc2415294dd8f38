// SPDX-License-Identifier: MIT OR Apache-2.0
// What /moonport.js promises. Times are in milliseconds.

/** Which server, and how it knows who asks. */
export interface ServerOptions {
  /** Its address, such as "http://127.0.0.1:8787"; by default where this module was loaded from. */
  base?: string | URL;
  /**
   * The server's token, for pages of other origins (which the server must list) and for programs. The server's own pages
   * have its cookie. It is sent to `base` and nowhere else.
   */
  token?: string;
}

export interface SendOptions {
  /** For the whole, all attempts included (60,000). */
  timeout?: number;
  signal?: AbortSignal;
  /** How often it is sent at most while the answer is 503 (5): after what Retry-After asks for, doubled each time. */
  attempts?: number;
}

/** Between values and messages. Text frames are strings, binary ones ArrayBuffers. */
export interface Codec<Out = unknown, In = unknown> {
  encode(value: Out): string | ArrayBuffer | ArrayBufferView<ArrayBuffer> | Blob;
  decode(data: any): In;
}

export interface LiveOptions<Out = any, In = any> {
  /** Each time that it is connected. What is sent here goes out before what has waited. */
  open?(): void;
  message?(value: In): void;
  /**
   * Each time that a connection has ended or could not be made. `again`: when the next attempt is made; undefined if there
   * is none, because of close() or of the program's code: 1000, or 3000 and more.
   */
  close?(code: number, reason: string, again?: number): void;
  /** JSON as text by default. */
  codec?: Codec<Out, In>;
  /** Subprotocols of the application, offered before "moonport". */
  protocols?: string[];
  /** How many values may wait while it is not connected (64). */
  queue?: number;
}

export interface Live<Out = any> {
  /**
   * True if the value is on its way or waits for the connection. False: it is not sent, because it is over, too many wait,
   * or the server reads too slowly. What is on its way when the connection breaks may be lost.
   */
  send(value: Out): boolean;
  /** 1000 (default) or 3000 to 4999. Idempotent; no message comes any more. */
  close(code?: number, reason?: string): void;
}

/** An event as it came. */
export interface ServerEvent {
  /** The id of the last event that had one. */
  id: string;
  /** Its name, "message" by default. */
  type: string;
  data: string;
}

export interface EventsOptions {
  /** Each time that it is connected. */
  open?(): void;
  /**
   * Each time that the stream has ended. `error`: a Refusal, what went wrong with the network, or undefined. `again`: when
   * the next attempt is made; undefined if there is none, because of close() or of an answer that would stay the same.
   */
  close?(error?: Error, again?: number): void;
  /** Go on after this event; "0" asks for all that the server's history has. */
  lastEventId?: string;
}

export interface Events {
  /** Idempotent; no event comes any more. */
  close(): void;
}

export interface Server {
  /**
   * Posts a value as JSON and gives what the handler returned: JSON decoded, other text as a string, nil as undefined.
   * Rejects with a Refusal if the server answered anything but success, a TypeError if there was no answer, a TimeoutError,
   * or the signal's reason. Only 503 is tried again: Lua was not asked then.
   */
  send<Answer = any>(path: string, value?: unknown, options?: SendOptions): Promise<Answer>;
  /** A WebSocket that connects again when the server was away, after 1 to 1.5 seconds, then twice as long each time, 45 at most. */
  live<Out = any, In = any>(path: string, options?: LiveOptions<Out, In>): Live<Out>;
  /**
   * Listens to server-sent events of every name. A stream that ends is opened again after the last event that came whole:
   * what the server's history has is neither lost nor repeated. `value` is the data read as JSON, or its text if it is none.
   */
  events<Value = any>(
    path: string,
    handler: (value: Value, event: ServerEvent) => void,
    options?: EventsOptions,
  ): Events;
}

/** The server gave an answer, and it was no success. */
export class Refusal extends Error {
  readonly status: number;
  /** The answer's body; where the server itself refuses, JSON with `error`. */
  readonly text: string;
  constructor(status: number, text: string);
}

/** A server. Throws nothing itself; its functions raise a TypeError for a path that leads elsewhere. */
export function connect(options?: ServerOptions): Server;

/** Those of the server that this module was loaded from. */
export const send: Server["send"];
export const live: Server["live"];
export const events: Server["events"];
