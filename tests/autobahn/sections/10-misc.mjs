// SPDX-License-Identifier: MIT OR Apache-2.0
// 10: a message that the client's own library would cut into frames of 1300 bytes.
import { send, text, works } from "../case.mjs";
import { TEXT, fragments } from "../frames.mjs";

export const name = "automatic fragmentation";
export const count = 1;

const payload = "*".repeat(65_536);

export const cases = [works("10.1.1", [send(...fragments(TEXT, payload, 1300))], [text(payload)])];
