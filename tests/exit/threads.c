/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Threads that never end: they send to a port or a lane while the process goes away under them. A Lua C module that needs
 * moonport.h alone. */

#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef _WIN32
#include <winsock2.h>
#include <windows.h>
#else
#include <sys/socket.h>
#endif

#include <lauxlib.h>
#include <lua.h>

#include "moonport.h"

#define THREADS 4

static const char reading[] = "{\"reading\": 1.5}";

typedef struct {
  const moonport_api *api;
  moonport_port port;
  int fd;
  void (*callback)(void);
} job;

/* How many threads found their port full and are in the send that waits, or about to be. */
static int waiting;

static void *blocked(void *argument) {
  job *mine = argument;
  while (mine->api->send_within(mine->port, "x", 1, 0, 0, 0.0) == MOONPORT_OK) {}
  __atomic_add_fetch(&waiting, 1, __ATOMIC_RELEASE);
  for (;;) {
    if (mine->api->send(mine->port, "x", 1, 0, 0) == MOONPORT_CLOSED) sched_yield();
  }
  return NULL;
}

static void *busy(void *argument) {
  job *mine = argument;
  for (uint32_t i = 0;; i++) mine->api->send(mine->port, reading, sizeof reading - 1, 0, i);
  return NULL;
}

static void *lane(void *argument) {
  job *mine = argument;
  for (;;) {
    if (send(mine->fd, reading, sizeof reading - 1, 0) < 0) sched_yield();
  }
  return NULL;
}

/* The handler of a locked callback, and Lua in our own hands, in turn. */
static void *locked(void *argument) {
  job *mine = argument;
  moonport_state state = {mine->port.id};
  for (;;) {
    mine->callback();
    void *lua = NULL;
    int status = mine->api->lock(state, 60, &lua);
    if (status == MOONPORT_OK) {
      lua_newtable(lua);
      lua_settop(lua, 0);
      mine->api->unlock(state);
    } else {
      sched_yield();
    }
  }
  return NULL;
}

static void start(lua_State *L, void *(*run)(void *), job mine) {
  for (int i = 0; i < THREADS; i++) {
    pthread_t thread;
    job *copy = malloc(sizeof *copy); /* the thread's, for ever */
    if (!copy) luaL_error(L, "no memory");
    *copy = mine;
    if (pthread_create(&thread, NULL, run, copy) != 0) luaL_error(L, "no thread");
    pthread_detach(thread);
  }
}

/* moonport.api and Port:handle(): an integer, or cdata uint64_t under LuaJIT. */
static job check_port(lua_State *L) {
  job mine = {.api = lua_touserdata(L, 1), .fd = -1};
  if (!mine.api || mine.api->version != 1) luaL_error(L, "moonport.api expected");
  if (lua_type(L, 2) == LUA_TNUMBER) {
    mine.port.id = (uint64_t)lua_tointeger(L, 2);
    return mine;
  }
  const void *number = lua_topointer(L, 2);
  if (!number) luaL_error(L, "a handle expected");
  memcpy(&mine.port.id, number, sizeof mine.port.id);
  return mine;
}

/* start_blocked(api, handle) */
static int start_blocked(lua_State *L) {
  start(L, blocked, check_port(L));
  while (__atomic_load_n(&waiting, __ATOMIC_ACQUIRE) < THREADS) sched_yield();
  return 0;
}

/* start_busy(api, handle) */
static int start_busy(lua_State *L) {
  start(L, busy, check_port(L));
  return 0;
}

/* start_locked(api, state, pointer) */
static int start_locked(lua_State *L) {
  job mine = check_port(L);
  void *pointer = lua_touserdata(L, 3);
  /* The FFI library's pointer is a cdata that holds it. */
  if (!pointer) memcpy(&pointer, lua_topointer(L, 3), sizeof pointer);
  mine.callback = (void (*)(void))pointer;
  start(L, locked, mine);
  return 0;
}

/* start_lane(fd) */
static int start_lane(lua_State *L) {
  start(L, lane, (job){.fd = (int)luaL_checkinteger(L, 1)});
  return 0;
}

int luaopen_threads(lua_State *L) {
#ifdef _WIN32
  /* As -z nodelete does elsewhere: the threads run on when lua_close unloads this. */
  HMODULE self;
  GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN, (LPCSTR)luaopen_threads, &self);
#endif
  lua_createtable(L, 0, 4);
  lua_pushcfunction(L, start_blocked);
  lua_setfield(L, -2, "start_blocked");
  lua_pushcfunction(L, start_busy);
  lua_setfield(L, -2, "start_busy");
  lua_pushcfunction(L, start_locked);
  lua_setfield(L, -2, "start_locked");
  lua_pushcfunction(L, start_lane);
  lua_setfield(L, -2, "start_lane");
  return 1;
}
