/* SPDX-License-Identifier: MIT OR Apache-2.0
 * More Lua states in one process, by LuaJIT's FFI. The functions of Lua's C API come from the program that loads this. */
#include <stdio.h>

#include <lauxlib.h>
#include <lualib.h>

void *states_open(void) {
  lua_State *L = luaL_newstate();
  if (L) luaL_openlibs(L);
  return L;
}

/* The number that the chunk returns; -1 and a line on stderr if it fails. */
double states_run(void *state, const char *chunk) {
  lua_State *L = state;
  double result = -1;
  if (luaL_loadstring(L, chunk) || lua_pcall(L, 0, 1, 0))
    fprintf(stderr, "another state: %s\n", lua_tostring(L, -1));
  else
    result = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return result;
}

void states_close(void *state) {
  lua_close(state);
}
