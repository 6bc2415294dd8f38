/* SPDX-License-Identifier: MIT OR Apache-2.0
 * The part of Lua 5.1's C API that the contestants use, so that no headers need be installed. */
#ifndef LUA51_H
#define LUA51_H
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

typedef struct lua_State lua_State;
typedef int (*lua_CFunction)(lua_State *);
typedef ptrdiff_t lua_Integer;
typedef struct luaL_Reg { const char *name; lua_CFunction func; } luaL_Reg;

#define LUA_REGISTRYINDEX (-10000)
#define lua_upvalueindex(i) (-10002 - (i))
#define lua_pop(L, n) lua_settop(L, -(n) - 1)

extern int lua_error(lua_State *);
extern int lua_pcall(lua_State *, int, int, int);
extern void lua_createtable(lua_State *, int, int);
extern lua_State *lua_newthread(lua_State *);
extern void *lua_newuserdata(lua_State *, size_t);
extern void lua_pushcclosure(lua_State *, lua_CFunction, int);
extern void lua_pushinteger(lua_State *, lua_Integer);
extern void lua_pushlightuserdata(lua_State *, void *);
extern void lua_pushlstring(lua_State *, const char *, size_t);
extern void lua_pushnumber(lua_State *, double);
extern void lua_pushvalue(lua_State *, int);
extern void lua_rawgeti(lua_State *, int, int);
extern void lua_rawseti(lua_State *, int, int);
extern void lua_setfield(lua_State *, int, const char *);
extern void lua_settop(lua_State *, int);
extern void *lua_touserdata(lua_State *, int);
extern const void *lua_topointer(lua_State *, int);
extern const char *lua_tolstring(lua_State *, int, size_t *);
extern void lua_xmove(lua_State *, lua_State *, int);
extern lua_Integer luaL_checkinteger(lua_State *, int);
extern const char *luaL_checklstring(lua_State *, int, size_t *);
extern int luaL_error(lua_State *, const char *, ...);
extern int luaL_ref(lua_State *, int);
extern void luaL_register(lua_State *, const char *, const luaL_Reg *);
extern void luaL_unref(lua_State *, int, int);

/* A pointer or a handle, given as text in decimal, which Lua's numbers cannot hold; 0 if there is none. */
static inline uint64_t address(lua_State *L, int at) {
  const char *text = lua_tolstring(L, at, NULL);
  return text == NULL ? 0 : strtoull(text, NULL, 10);
}
#endif
