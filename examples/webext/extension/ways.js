// SPDX-License-Identifier: MIT OR Apache-2.0
// The two ways to the program. Both give { status, body }, or throw Trouble in plain words.

const HOST = "moonport.webext"; // the name in `moonport native-messaging install --name`
const PATIENCE = 25_000; // the browser ends a service worker that waits longer than 30 s

/** Something that a person can do something about. */
export class Trouble extends Error {
  static ofStatus(status, body) {
    const sentence = {
      401: "The token is wrong. Copy it from the program's terminal into the settings.",
      403: `The program refuses this extension. Its origins must list ${location.origin}.`,
      413: "The page is too large for the program.",
      503: "The program is busy. Try again in a moment.",
      504: "The program took too long.",
    }[status];
    return new Trouble(sentence ?? `The program answered ${status}: ${body?.error ?? "no reason given"}.`);
  }
}

export async function overHttp({ address, token }, path, data) {
  let response;
  try {
    response = await fetch(address + path, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(data),
      signal: AbortSignal.timeout(PATIENCE),
    });
  } catch (error) {
    if (error.name === "TimeoutError") throw Trouble.ofStatus(504);
    throw new Trouble(`The program is not running: nothing answers at ${address}.`);
  }
  return { status: response.status, body: await response.json().catch(() => null) };
}

/** One message for one answer: the browser starts the bridge and ends it. */
export async function overNative(path, data) {
  let answer;
  try {
    answer = await chrome.runtime.sendNativeMessage(HOST, { method: "POST", path, body: data });
  } catch (error) {
    if (/not found|forbidden/.test(error.message)) {
      const id = location.host;
      throw new Trouble(
        `The bridge is not installed: moonport native-messaging install --name ${HOST} --extension ${id}`,
      );
    }
    throw new Trouble(`The bridge failed: ${error.message}`);
  }
  if (answer.name === "not_running") {
    throw new Trouble("The program is not running: nothing listens on its socket.");
  }
  if (answer.error) throw new Trouble(`The bridge says: ${answer.error}`);
  return answer;
}
