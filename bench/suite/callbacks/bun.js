// SPDX-License-Identifier: MIT OR Apache-2.0
// Bun's JSCallback with threadsafe: true. Its caller does not wait, and nothing is copied: the handler reads the string
// through the pointer, whatever is there by then.
"use strict";

const { CString, JSCallback, dlopen } = require("bun:ffi");

module.exports = (library) => {
  const caller = dlopen(library, {
    caller_flood: { args: ["ptr", "i32", "i32"], returns: "i32" },
    caller_join: { returns: "i32" },
    caller_share: { returns: "i32" },
    caller_handled: { args: ["i32"] },
    caller_expect: { args: ["i32"], returns: "i32" },
    caller_check: { args: ["ptr", "i32"] },
    caller_corrupted: { returns: "i32" },
    caller_ask: { args: ["ptr", "i32", "i32"], returns: "i32" },
    caller_time: { args: ["ptr", "i32"], returns: "i32" },
    caller_took: { args: ["i32"], returns: "f64" },
    caller_place: { args: ["i32"], returns: "i32" },
    caller_clock: { args: ["i32"], returns: "f64" },
  }).symbols;
  // Never closed: a call that is still on its way would find freed code.
  let callback = null;

  return {
    text(handler) {
      // "usize" would come as a BigInt, which is slower.
      const read = (pointer, size) => handler(new CString(pointer, 0, size));
      callback = new JSCallback(read, { args: ["ptr", "u64_fast"], returns: "void", threadsafe: true });
    },
    number(handler) {
      callback = new JSCallback(handler, { args: ["i32"], returns: "i32", threadsafe: true });
    },
    flood: (count, threads) => caller.caller_flood(callback.ptr, count, threads),
    ask: (count, core) => caller.caller_ask(callback.ptr, count, core),
    time: (count) => caller.caller_time(callback.ptr, count),
    check(string) {
      const bytes = Buffer.from(string, "latin1");
      caller.caller_check(bytes, bytes.length);
    },
    join: () => caller.caller_join(),
    share: () => caller.caller_share(),
    handled: (count) => caller.caller_handled(count),
    expect: (count) => caller.caller_expect(count),
    corrupted: () => caller.caller_corrupted(),
    took: (which) => caller.caller_took(which),
    place: (core) => caller.caller_place(core),
    clock: (which) => caller.caller_clock(which),
    close() {},
  };
};
