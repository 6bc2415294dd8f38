// SPDX-License-Identifier: MIT OR Apache-2.0
// Speaks to a Lua program through its Moonport server (moonport.http{client = true}): send() asks, live() keeps a WebSocket,
// events() listens. /moonport.d.ts says what is promised. For browsers, and Node 20 and later. Times are in milliseconds.

const UNSENT = 1 << 20; // bytes that a WebSocket may have left to write when one more value comes
const FIRST = 1000; // from the end of a connection to the next attempt; doubled with each that fails
const LONGEST = 30_000; // from one attempt to the next
const TEMPORARY = [408, 425, 429]; // statuses below 500 that may be different later
const JSON_CODEC = { encode: (value) => JSON.stringify(value), decode: (text) => JSON.parse(text) };

export class Refusal extends Error {
  constructor(status, text) {
    super(`${status}: ${parse(text, null)?.error ?? text.trim().slice(0, 200)}`);
    Object.assign(this, { name: "Refusal", status, text });
  }
}

/** The server at `base`: by default the one that this module was loaded from. */
export function connect({ base = import.meta.url, token } = {}) {
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };

  /** The address of a path. The token must not go anywhere else. */
  const resolve = (path) => {
    const server = new URL(base);
    if (!/^https?:$/.test(server.protocol)) throw new TypeError(`expected base to be an http or https URL, got "${base}"`);
    const url = new URL(path, server);
    if (url.origin !== server.origin) throw new TypeError(`expected a path on ${server.origin}, got "${path}"`);
    return url;
  };

  async function send(path, value, { timeout = 60_000, signal, attempts = 5 } = {}) {
    const url = resolve(path);
    const body = JSON.stringify(value);
    signal?.throwIfAborted();
    const ended = new AbortController();
    signal?.addEventListener("abort", () => ended.abort(signal.reason), { signal: ended.signal });
    const late = new DOMException(`no answer to ${path} within ${timeout} ms`, "TimeoutError");
    const timer = setTimeout(() => ended.abort(late), Math.min(timeout, 2 ** 31 - 1));
    const type = body === undefined ? {} : { "content-type": "application/json" };
    const headers = { accept: "application/json", ...type, ...authorization };
    try {
      for (let attempt = 1; ; attempt += 1) {
        const response = await fetch(url, { method: "POST", headers, body, cache: "no-store", signal: ended.signal });
        const text = await response.text();
        // Lua was not asked. After any other failure it may have been, and to ask again is not for us.
        if (response.status !== 503 || attempt >= attempts) return decode(response, text);
        const seconds = Number(response.headers.get("retry-after")) || 1;
        await pause(backoff(attempt - 1, seconds * 1000), ended.signal);
      }
    } finally {
      clearTimeout(timer);
      ended.abort(); // takes the listener off the caller's signal
    }
  }

  function live(path, { open, message, close, codec = JSON_CODEC, protocols = [], queue = 64 } = {}) {
    const url = resolve(path);
    url.protocol = url.protocol.replace("http", "ws");
    const offered = token === undefined ? protocols : [...protocols, "moonport", `moonport.token.${token}`];
    const waiting = [];
    let [socket, timer, failed, over] = [null, null, 0, false];
    const sendWaiting = () => {
      while (waiting.length > 0 && socket.readyState === WebSocket.OPEN) socket.send(waiting.shift());
    };
    const start = () => {
      timer = null;
      socket = new WebSocket(url, offered);
      socket.binaryType = "arraybuffer";
      socket.onopen = () => {
        failed = 0;
        queueMicrotask(sendWaiting); // after what open() sends, and though it fails
        open?.();
      };
      socket.onmessage = ({ data }) => over || message?.(codec.decode(data));
      // Node 20 says no more than this where it cannot connect.
      socket.onerror = () => socket.readyState === WebSocket.CONNECTING && socket.onclose?.({ code: 1006, reason: "" });
      socket.onclose = ({ code, reason }) => {
        socket.onclose = null;
        // The program has closed it: it does not want this one back.
        over ||= code === 1000 || code >= 3000;
        const again = over ? undefined : backoff(failed++, FIRST);
        if (!over) timer = setTimeout(start, again);
        close?.(code, reason, again);
      };
    };
    start();
    return {
      send(value) {
        if (over) return false;
        const data = codec.encode(value);
        if (socket.readyState !== WebSocket.OPEN) return waiting.length < queue && waiting.push(data) > 0;
        if (socket.bufferedAmount > UNSENT) return false;
        socket.send(data);
        return true;
      },
      close(code = 1000, reason = "") {
        if (over) return;
        over = true;
        try {
          socket.close(code, reason);
        } catch (error) {
          over = false; // this is no code to close with
          throw error;
        }
        clearTimeout(timer);
        if (timer !== null) queueMicrotask(() => close?.(code, reason));
      },
    };
  }

  function events(path, handler, { open, close, lastEventId = "" } = {}) {
    const url = resolve(path);
    const ended = new AbortController();
    const stream = { id: lastEventId, retry: FIRST };
    let [timer, failed, over] = [null, 0, false];
    // What a handler raises is reported as the page's own error, and does not end the stream.
    const tell = (event) => queueMicrotask(() => over || handler(parse(event.data, event.data), event));
    const listen = async () => {
      const last = stream.id === "" ? {} : { "last-event-id": stream.id };
      const headers = { accept: "text/event-stream", ...last, ...authorization };
      const response = await fetch(url, { headers, cache: "no-store", signal: ended.signal });
      const isStream = /^text\/event-stream\b/.test(response.headers.get("content-type"));
      if (response.status !== 200 || !isStream) throw new Refusal(response.status, await response.text());
      failed = 0;
      queueMicrotask(() => over || open?.());
      await read(response.body, stream, tell);
    };
    const start = async () => {
      timer = null;
      const error = await listen().catch((caught) => caught);
      if (over) return close?.();
      over = error?.status < 500 && !TEMPORARY.includes(error.status);
      const again = over ? undefined : backoff(failed++, stream.retry);
      if (!over) timer = setTimeout(start, again);
      close?.(error, again);
    };
    start();
    return {
      close() {
        if (over) return;
        over = true;
        ended.abort();
        if (timer !== null) queueMicrotask(() => close?.());
        clearTimeout(timer);
      },
    };
  }

  return { send, live, events };
}

/** Those of the server that this module was loaded from. */
export const { send, live, events } = connect();

function parse(text, otherwise) {
  try {
    return JSON.parse(text);
  } catch {
    return otherwise;
  }
}

function decode(response, text) {
  if (!response.ok) throw new Refusal(response.status, text);
  if (response.status === 204) return undefined;
  return /^application\/json\b/.test(response.headers.get("content-type")) ? JSON.parse(text) : text;
}

/** Never less than asked for, and not the same for all who were sent away together. */
function backoff(failed, least) {
  return Math.max(least, Math.min(Math.max(least, 100) * 2 ** failed, LONGEST)) * (1 + Math.random() / 2);
}

const pause = (time, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, time);
    signal.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });

/** Reads a stream to its end (HTML Living Standard, section 9.2.6). An event counts as seen once it is whole. */
async function read(body, stream, tell) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let [rest, id, type, data] = ["", stream.id, "", []];
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    const lines = (rest + piece.value).split(/\r\n|\n|\r(?=[^])/);
    rest = lines.pop();
    for (const line of lines) {
      const [, field, value] = /^([^:]*)(?:: ?)?([^]*)$/.exec(line);
      if (line === "") {
        stream.id = id;
        if (data.length > 0) tell({ id, type: type || "message", data: data.join("\n") });
        [type, data] = ["", []];
      } else if (field === "id" && !value.includes("\0")) id = value;
      else if (field === "event") type = value;
      else if (field === "data") data.push(value);
      else if (field === "retry" && /^\d+$/.test(value)) stream.retry = Number(value);
    }
  }
}
