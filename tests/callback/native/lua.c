/* SPDX-License-Identifier: MIT OR Apache-2.0
 * The module `native`: from Lua values to calls and back. A pointer is light userdata, or cdata under LuaJIT. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "native.h"

/* LuaJIT's type of cdata; lua_topointer gives the address of what it holds. */
#define TCDATA 10
#define EXACT ((int64_t)1 << 53)

void *check_pointer(lua_State *L, int at) {
  void *pointer = NULL;
  if (lua_type(L, at) == TCDATA) {
    memcpy(&pointer, lua_topointer(L, at), sizeof pointer);
  } else {
    luaL_checktype(L, at, LUA_TLIGHTUSERDATA);
    pointer = lua_touserdata(L, at);
  }
  return pointer;
}

static void read_number(lua_State *L, int at, value *to) {
  to->kind = NUMBER;
  to->number = lua_tonumber(L, at);
#if LUA_VERSION_NUM >= 503
  if (lua_isinteger(L, at)) {
    to->bits = (uint64_t)lua_tointeger(L, at);
    return;
  }
#endif
  if (to->number >= (double)-EXACT && to->number <= (double)EXACT) to->bits = (uint64_t)(int64_t)to->number;
}

static void read_value(lua_State *L, int at, value *to) {
  switch (lua_type(L, at)) {
    case LUA_TNIL: break;
    case LUA_TBOOLEAN: to->bits = (uint64_t)lua_toboolean(L, at); break;
    case LUA_TNUMBER: read_number(L, at, to); break;
    case LUA_TSTRING: {
      const char *text = lua_tolstring(L, at, &to->size);
      to->text = check_memory(malloc(to->size + 1));
      memcpy(to->text, text, to->size + 1);
      break;
    }
    default: to->bits = (uint64_t)(uintptr_t)check_pointer(L, at);
  }
}

call *call_read(lua_State *L, int at) {
  const char *name = luaL_checkstring(L, at);
  void (*make)(call *) = signature_find(name);
  if (!make) make = program_find(name);
  if (!make) luaL_error(L, "native: there is no call %s", name);
  void *pointer = check_pointer(L, at + 1);
  int given = lua_gettop(L) - at - 1;
  luaL_argcheck(L, given <= MOST, at, "too many arguments");
  call *c = check_memory(calloc(1, sizeof *c));
  c->make = make;
  c->pointer = pointer;
  c->given = given;
  for (int i = 0; i < given; i++) read_value(L, at + 2 + i, &c->in[i]);
  return c;
}

/* Integers that a number cannot hold are given in words. */
static void push_integer(lua_State *L, bool is_signed, uint64_t bits) {
  uint64_t magnitude = is_signed && (int64_t)bits < 0 ? -bits : bits;
  char words[24];
  if (magnitude <= (uint64_t)EXACT) {
    lua_pushinteger(L, (lua_Integer)bits);
  } else {
    snprintf(words, sizeof words, is_signed ? "%lld" : "%llu", (unsigned long long)bits);
    lua_pushstring(L, words);
  }
}

static void push_value(lua_State *L, const value *from) {
  switch (from->kind) {
    case NOTHING: lua_pushnil(L); break;
    case BOOLEAN: lua_pushboolean(L, from->bits != 0); break;
    case SIGNED: push_integer(L, true, from->bits); break;
    case UNSIGNED: push_integer(L, false, from->bits); break;
    case NUMBER: lua_pushnumber(L, from->number); break;
    case POINTER: lua_pushlightuserdata(L, (void *)(uintptr_t)from->bits); break;
    case TEXT: lua_pushlstring(L, from->text, from->size); break;
  }
}

int call_push(lua_State *L, call *c) {
  if (c->failed) {
    lua_pushstring(L, c->failed);
    call_forget(c);
    return lua_error(L);
  }
  int results = c->results;
  luaL_checkstack(L, results, "results");
  for (int i = 0; i < results; i++) push_value(L, &c->out[i]);
  call_forget(c);
  return results;
}

/* call(name, pointer, arguments...): made on this thread. */
static int call_here(lua_State *L) {
  call *c = call_read(L, 1);
  call_make(c);
  return call_push(L, c);
}

/* What a callback is compared with. */
static int do_nothing(int number) {
  return number;
}

/* nothing(): a pointer to a function of C that does nothing. */
static int nothing(lua_State *L) {
  lua_pushlightuserdata(L, (void *)do_nothing);
  return 1;
}

static int open_gate(lua_State *L) {
  (void)L;
  gate_open();
  return 0;
}

/* address(pointer): in words, for comparing and showing. */
static int address(lua_State *L) {
  lua_pushfstring(L, "%p", check_pointer(L, 1));
  return 1;
}

/* pointer(number): light userdata. */
static int pointer(lua_State *L) {
  lua_pushlightuserdata(L, (void *)(uintptr_t)luaL_checknumber(L, 1));
  return 1;
}

/* integer(words): 64 bits that a number may not hold, as light userdata; an argument for integers too. */
static int integer(lua_State *L) {
  lua_pushlightuserdata(L, (void *)(uintptr_t)strtoull(luaL_checkstring(L, 1), NULL, 0));
  return 1;
}

/* number(pointer): what pointer() takes; a number, which other states understand. */
static int number(lua_State *L) {
  lua_pushnumber(L, (double)(uintptr_t)check_pointer(L, 1));
  return 1;
}

/* int_at(pointer) */
static int int_at(lua_State *L) {
  lua_pushinteger(L, *(const int *)check_pointer(L, 1));
  return 1;
}

/* write_int(pointer, number) */
static int write_int(lua_State *L) {
  *(int *)check_pointer(L, 1) = (int)luaL_checkinteger(L, 2);
  return 0;
}

/* rest(seconds): sleeps, with the state in hand. */
static int rest(lua_State *L) {
  double seconds = luaL_checknumber(L, 1);
  struct timespec left = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
  while (nanosleep(&left, &left) != 0) continue;
  return 0;
}

/* readable(descriptor, milliseconds) */
static int readable(lua_State *L) {
  struct pollfd entry = {.fd = (int)luaL_checkinteger(L, 1), .events = POLLIN};
  lua_pushboolean(L, poll(&entry, 1, (int)luaL_checkinteger(L, 2)) == 1);
  return 1;
}

static void set_functions(lua_State *L, const luaL_Reg *functions) {
  for (; functions->name; functions++) {
    lua_pushcfunction(L, functions->func);
    lua_setfield(L, -2, functions->name);
  }
}

int luaopen_native(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"call", call_here},
      {"open_gate", open_gate},
      {"address", address},
      {"pointer", pointer},
      {"integer", integer},
      {"number", number},
      {"int_at", int_at},
      {"write_int", write_int},
      {"nothing", nothing},
      {"rest", rest},
      {"readable", readable},
      {NULL, NULL},
  };
  lua_newtable(L);
  set_functions(L, functions);
  set_functions(L, process_functions);
  thread_open(L);
  return 1;
}
