/* SPDX-License-Identifier: MIT OR Apache-2.0
 * C threads that send to a port through the function table, as a C library does that was given moonport.api. */
#include <errno.h>

#include "lua51.h"
#include "moonport.h"
#include "senders.h"

static struct {
  const moonport_api *api;
  moonport_port port;
  senders senders;
} target;

static int put(void *unused, const char *text, size_t size) {
  (void)unused;
  int status;
  while ((status = target.api->send(target.port, text, size, MOONPORT_RAW, 0)) == MOONPORT_FULL) wait_for_room();
  return status;
}

/* start(api, handle, size, count, threads[, window]), all pointers as text; then moonport.run() */
static int start(lua_State *L) {
  target.api = (const moonport_api *)(uintptr_t)address(L, 1);
  target.port.id = address(L, 2);
  size_t size = (size_t)luaL_checkinteger(L, 3);
  uint64_t count = (uint64_t)luaL_checkinteger(L, 4);
  int threads = (int)luaL_checkinteger(L, 5);
  window *window = (void *)(uintptr_t)address(L, 6);
  int status = senders_start(&target.senders, put, NULL, window, size, count, threads);
  return status != 0 ? luaL_error(L, "port: no thread") : 0;
}

/* finish(), after moonport.run() */
static int finish(lua_State *L) {
  return senders_join(&target.senders) ? luaL_error(L, "port: a sender was refused") : 0;
}

int luaopen_port(lua_State *L) {
  static const luaL_Reg functions[] = {{"start", start}, {"finish", finish}, {NULL, NULL}};
  lua_createtable(L, 0, 2);
  luaL_register(L, NULL, functions);
  return 1;
}
