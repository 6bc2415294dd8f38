// SPDX-License-Identifier: MIT OR Apache-2.0
// Sends many requests with a bounded number of them on the way, and keeps an exact tally.
// 503 means that Lua was not asked, so the request is sent again after the time the server named.
// A request that got no answer at all is never sent again: Lua may have handled it.
import { reason, send } from "./api.js";

const IN_FLIGHT = 32;

export class Delivery {
  sent = 0;
  answered = 0;
  refused = 0; // 503 answers; each was sent again unless the burst was cancelled first
  abandoned = 0; // refused and, after a cancel, not sent again
  failed = 0;
  firstFailure = "";
  mixedUp = 0; // answers that belong to another request
  numbers = new Set(); // the numbers Lua gave; one for each answer, or something was doubled
  lastNumber = 0;
  times = []; // round trips in milliseconds, refusals included
  cancelled = false;

  constructor(total) {
    this.total = total;
  }

  cancel() {
    this.cancelled = true;
  }

  async run() {
    const begun = performance.now();
    await Promise.all(Array.from({ length: Math.min(IN_FLIGHT, this.total) }, () => this.lane()));
    this.seconds = (performance.now() - begun) / 1000;
  }

  async lane() {
    while (this.sent < this.total && !this.cancelled) {
      this.sent += 1;
      await this.deliver(this.sent);
    }
  }

  async deliver(n) {
    let reply = await send("POST", "/burst", JSON.stringify({ n }));
    const started = reply.started;
    while (reply.status === 503) {
      this.refused += 1;
      if (!this.cancelled) await wait(reply.retryAfter);
      if (this.cancelled) {
        this.abandoned += 1;
        return;
      }
      reply = await send("POST", "/burst", JSON.stringify({ n }));
    }
    if (reply.status !== 200) {
      this.fail(reply);
      return;
    }
    this.answered += 1;
    this.times.push(reply.ended - started);
    if (reply.data?.n !== n) this.mixedUp += 1;
    this.numbers.add(reply.data?.handled);
    this.lastNumber = Math.max(this.lastNumber, reply.data?.handled ?? 0);
  }

  fail(reply) {
    this.failed += 1;
    this.firstFailure ||= `${reply.status || "no answer"}: ${reason(reply)}`;
    // Without a server or a token the rest would fail the same way.
    if (reply.status === 0 || reply.status === 401) this.cancel();
  }
}

function wait(seconds) {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
