// SPDX-License-Identifier: MIT OR Apache-2.0
// Says in words whether what was sent, what was answered and what Lua counted are the same.
import { count, plural } from "./format.js";

/** `handled` is the growth of Lua's counter, or null if that could not be read. */
export function judge(delivery, handled) {
  const { sent, answered, abandoned, failed, mixedUp, numbers } = delivery;
  const wrong = [];
  if (failed > 0) {
    wrong.push(`${plural(failed, "request")} failed (${delivery.firstFailure})`);
  }
  if (mixedUp > 0) wrong.push(`${plural(mixedUp, "answer")} belonged to another request`);
  if (numbers.size < answered) {
    wrong.push(`Lua gave the same number to ${plural(answered - numbers.size + 1, "answer")}`);
  }
  if (handled === null) {
    wrong.push("Lua's counter could not be read");
  } else if (handled < answered) {
    wrong.push(`Lua's counter lacks ${plural(answered - handled, "message")}: lost`);
  } else if (handled > answered) {
    const surplus = plural(handled - answered, "message");
    wrong.push(`Lua counted ${surplus} more than were answered: doubled, or sent by another page`);
  }
  if (wrong.length > 0) return { good: false, text: `Not in order: ${wrong.join("; ")}.` };

  const left =
    abandoned > 0 ? ` ${count(abandoned)} were refused and, once cancelled, let go.` : "";
  const early = delivery.cancelled
    ? `Cancelled after ${count(sent)} of ${count(delivery.total)}. `
    : "";
  return { good: true, text: `${early}Nothing lost, nothing doubled.${left}` };
}
