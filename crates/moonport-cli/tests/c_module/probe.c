/* SPDX-License-Identifier: MIT OR Apache-2.0
 * A C module as users have them: it finds the Lua C API in the executable that requires it. The declarations are those of
 * Lua 5.1's headers, so that the test needs none installed. */
#include <stddef.h>
#include <string.h>

typedef struct lua_State lua_State;
typedef int (*lua_CFunction)(lua_State *);
typedef struct luaL_Reg { const char *name; lua_CFunction func; } luaL_Reg;
typedef struct luaL_Buffer { char *p; int lvl; lua_State *L; char buffer[8192]; } luaL_Buffer;

extern void luaL_register(lua_State *, const char *, const luaL_Reg *);
extern int luaL_newmetatable(lua_State *, const char *);
extern void *luaL_checkudata(lua_State *, int, const char *);
extern const char *luaL_checklstring(lua_State *, int, size_t *);
extern ptrdiff_t luaL_checkinteger(lua_State *, int);
extern void luaL_checktype(lua_State *, int, int);
extern void luaL_buffinit(lua_State *, luaL_Buffer *);
extern void luaL_addlstring(luaL_Buffer *, const char *, size_t);
extern void luaL_pushresult(luaL_Buffer *);
extern int luaL_error(lua_State *, const char *, ...);
extern int luaL_loadstring(lua_State *, const char *);
extern int luaL_ref(lua_State *, int);
extern void luaL_unref(lua_State *, int, int);
extern void luaL_traceback(lua_State *, lua_State *, const char *, int);
extern void *lua_newuserdata(lua_State *, size_t);
extern int lua_setmetatable(lua_State *, int);
extern void lua_createtable(lua_State *, int, int);
extern void lua_setfield(lua_State *, int, const char *);
extern void lua_getfield(lua_State *, int, const char *);
extern void lua_rawseti(lua_State *, int, int);
extern void lua_rawgeti(lua_State *, int, int);
extern void lua_pushvalue(lua_State *, int);
extern void lua_pushinteger(lua_State *, ptrdiff_t);
extern void lua_pushlstring(lua_State *, const char *, size_t);
extern const char *lua_tolstring(lua_State *, int, size_t *);
extern int lua_pcall(lua_State *, int, int, int);
extern lua_State *lua_newthread(lua_State *);
extern int lua_resume(lua_State *, int);
extern void lua_xmove(lua_State *, lua_State *, int);
extern int lua_next(lua_State *, int);
extern void lua_pushnil(lua_State *);
extern void lua_settop(lua_State *, int);
extern int lua_gettop(lua_State *);
extern int lua_gc(lua_State *, int, int);
extern int luaJIT_setmode(lua_State *, int, int);
extern int luaopen_math(lua_State *);

enum { REGISTRY = -10000, FUNCTION = 6 };
typedef struct { ptrdiff_t count; } Counter;

static int counter_new(lua_State *L) {
  Counter *counter = lua_newuserdata(L, sizeof *counter);
  counter->count = luaL_checkinteger(L, 1);
  luaL_newmetatable(L, "probe.counter");
  lua_setmetatable(L, -2);
  return 1;
}

static int counter_add(lua_State *L) {
  Counter *counter = luaL_checkudata(L, 1, "probe.counter");
  lua_pushinteger(L, ++counter->count);
  return 1;
}

static int repeat(lua_State *L) {
  size_t size;
  const char *text = luaL_checklstring(L, 1, &size);
  ptrdiff_t count = luaL_checkinteger(L, 2);
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  while (count-- > 0) luaL_addlstring(&buffer, text, size);
  luaL_pushresult(&buffer);
  return 1;
}

/* Calls f through the registry, in a coroutine, and in a protected call whose error is given back. */
static int call(lua_State *L) {
  luaL_checktype(L, 1, FUNCTION);
  lua_pushvalue(L, 1);
  int reference = luaL_ref(L, REGISTRY);
  lua_State *thread = lua_newthread(L);
  lua_rawgeti(L, REGISTRY, reference);
  lua_xmove(L, thread, 1);
  lua_pushlstring(thread, "in a coroutine", 14);
  if (lua_resume(thread, 1) != 0) return luaL_error(L, "the coroutine: %s", lua_tolstring(thread, -1, NULL));
  lua_rawgeti(L, REGISTRY, reference);
  lua_pushlstring(L, "fail", 4);
  int status = lua_pcall(L, 1, 1, 0);
  luaL_unref(L, REGISTRY, reference);
  lua_pushinteger(L, status);
  return 2;
}

static int sum(lua_State *L) {
  ptrdiff_t total = 0;
  for (lua_pushnil(L); lua_next(L, 1); lua_settop(L, -2)) total += luaL_checkinteger(L, -1);
  lua_pushinteger(L, total);
  return 1;
}

static int trace(lua_State *L) {
  luaL_traceback(L, L, "here", 0);
  lua_gc(L, 2, 0);
  luaJIT_setmode(L, 0, 0 | 0x0200);
  return 1;
}

static const luaL_Reg functions[] = {
  {"counter", counter_new}, {"repeat", repeat}, {"call", call}, {"sum", sum}, {"trace", trace}, {"math", luaopen_math},
  {NULL, NULL},
};

int luaopen_probe(lua_State *L) {
  luaL_newmetatable(L, "probe.counter");
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  luaL_register(L, NULL, (const luaL_Reg[]){{"add", counter_add}, {NULL, NULL}});
  lua_createtable(L, 0, 6);
  luaL_register(L, NULL, functions);
  return 1;
}
