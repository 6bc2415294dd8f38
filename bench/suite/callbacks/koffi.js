// SPDX-License-Identifier: MIT OR Apache-2.0
// koffi's registered callbacks. From another thread than JavaScript's their caller waits for the handler, in void ones too.
"use strict";

const path = require("node:path");

module.exports = (library, peers) => {
  const koffi = require(path.resolve(peers, "node_modules/koffi"));
  const caller = koffi.load(library);
  const text = koffi.pointer(koffi.proto("void caller_text(const char *data, size_t size)"));
  const number = koffi.pointer(koffi.proto("int caller_number(int number)"));
  const check = caller.func("void caller_check(const char *text, int size)");
  const flood = caller.func("int caller_flood(caller_text *callback, int count, int threads)");
  const ask = caller.func("int caller_ask(caller_number *callback, int count, int core)");
  const time = caller.func("int caller_time(caller_text *callback, int count)");
  let pointer = null;

  function close() {
    if (pointer !== null) koffi.unregister(pointer);
    pointer = null;
  }
  function register(handler, type) {
    close();
    pointer = koffi.register(handler, type);
  }
  return {
    text: (handler) => register(handler, text),
    number: (handler) => register(handler, number),
    flood: (count, threads) => flood(pointer, count, threads),
    ask: (count, core) => ask(pointer, count, core),
    time: (count) => time(pointer, count),
    check: (string) => check(string, string.length),
    join: caller.func("int caller_join(void)"),
    share: caller.func("int caller_share(void)"),
    handled: caller.func("void caller_handled(int count)"),
    expect: caller.func("int caller_expect(int count)"),
    corrupted: caller.func("int caller_corrupted(void)"),
    took: caller.func("double caller_took(int which)"),
    place: caller.func("int caller_place(int core)"),
    clock: caller.func("double caller_clock(int which)"),
    close,
  };
};
