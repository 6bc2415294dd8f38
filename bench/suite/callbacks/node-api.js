// SPDX-License-Identifier: MIT OR Apache-2.0
// Thread-safe functions of Node-API: the addon is a contestant as it is.
"use strict";

module.exports = (library) => {
  const addon = { exports: {} };
  process.dlopen(addon, library);
  return {
    ...addon.exports,
    text(handler) {
      addon.exports.close();
      addon.exports.text(handler);
    },
  };
};
