/* SPDX-License-Identifier: MIT OR Apache-2.0
 * host SCRIPT ARG...: runs a script on a state of its own and closes it by lua_close, with threads still sending; they get
 * a moment of a process without a state before it ends. */

#include <stdio.h>
#include <time.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

int main(int argc, char **argv) {
  lua_State *L = luaL_newstate();
  if (!L) return 2;
  luaL_openlibs(L);
  if (luaL_loadfile(L, argv[1]) != 0) goto failed;
  for (int i = 2; i < argc; i++) lua_pushstring(L, argv[i]);
  if (lua_pcall(L, argc - 2, 0, 0) != 0) goto failed;
  lua_close(L);
  nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
  return 0;
failed:
  fprintf(stderr, "host: %s\n", lua_tostring(L, -1));
  return 2;
}
