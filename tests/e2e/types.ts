// SPDX-License-Identifier: MIT OR Apache-2.0
// How page authors use moonport.js, and how not: types.test.mjs has tsc check it against the declarations.
import { connect, events, live, Refusal, send } from "../../crates/moonport-http/client/moonport.js";

interface Tide {
  metres: number;
}

const answer = await send<Tide>("/tide", { at: "noon" }, { timeout: 1000, attempts: 2, signal: AbortSignal.timeout(5) });
answer.metres.toFixed(1);
const anything = await send("/tide");
anything.whatever;
try {
  await connect({ base: "http://127.0.0.1:8787", token: "t" }).send("/x", null);
} catch (error) {
  if (error instanceof Refusal) error.status.toFixed(error.text.length);
}

const socket = live<string, Tide>("/live", {
  open: () => socket.send("hello"),
  message: (tide) => tide.metres.toFixed(),
  close: (code, reason, again) => code + (again ?? 0) + reason.length,
  codec: { encode: (text) => new TextEncoder().encode(text), decode: (data) => ({ metres: data.byteLength }) },
  protocols: ["v1"],
  queue: 0,
});
const isSent: boolean = socket.send("x");
socket.close(4000, isSent ? "done" : "too much");
live("/any", { message: (value) => value.whatever });

const stream = events<Tide>("/tides", (tide, { id, type, data }) => [tide.metres, id, type, data.length], {
  open() {},
  close: (error, again) => (error instanceof Refusal ? error.status : again),
  lastEventId: "0",
});
stream.close();

// @ts-expect-error a path is needed
send();
// @ts-expect-error times are numbers
send("/x", 1, { timeout: "1s" });
// @ts-expect-error there is no such option
live("/x", { onmessage() {} });
// @ts-expect-error what the codec takes
socket.send(1);
// @ts-expect-error a handler is needed
events("/x");
// @ts-expect-error ids are text
events("/x", () => {}, { lastEventId: 0 });
