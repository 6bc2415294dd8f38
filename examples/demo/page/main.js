// SPDX-License-Identifier: MIT OR Apache-2.0
// Connects the chart and the four experiments to the page.
import { startBlock } from "./block.js";
import { startBurst } from "./burst.js";
import { startLive } from "./live.js";
import { startMalformed } from "./malformed.js";
import { startMessage } from "./message.js";
import { startPulse } from "./pulse.js";
import { showSource } from "./source.js";

startPulse();
startLive();
startMessage();
startBurst();
startBlock();
startMalformed();
await showSource();
