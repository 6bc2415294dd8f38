/* SPDX-License-Identifier: MIT OR Apache-2.0
 * The bound: what LuaJIT itself needs. No threads and no queue; the same strings go to the same handler from a loop. */
#include "lua51.h"
#include "senders.h"

/* run(handler, size, count) */
static int run(lua_State *L) {
  size_t size = (size_t)luaL_checkinteger(L, 2);
  lua_Integer count = luaL_checkinteger(L, 3);
  char text[LARGEST];
  fill(text, size);
  for (lua_Integer i = 1; i <= count; i++) {
    stamp(text, (uint64_t)i);
    lua_pushvalue(L, 1);
    lua_pushlstring(L, text, size);
    if (lua_pcall(L, 1, 0, 0) != 0) return lua_error(L);
  }
  return 0;
}

int luaopen_bound(lua_State *L) {
  static const luaL_Reg functions[] = {{"run", run}, {NULL, NULL}};
  lua_createtable(L, 0, 1);
  luaL_register(L, NULL, functions);
  return 1;
}
