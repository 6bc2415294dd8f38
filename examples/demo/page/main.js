// SPDX-License-Identifier: MIT OR Apache-2.0
// Connects the four experiments to the page and shows what is there already.
import { startBlock } from "./block.js";
import { startBurst } from "./burst.js";
import { startMalformed } from "./malformed.js";
import { showMessages, startMessage } from "./message.js";
import { showSource } from "./source.js";
import { readHandled } from "./status.js";

startMessage();
startBurst();
startBlock();
startMalformed();
await readHandled();
await showMessages();
await showSource();
