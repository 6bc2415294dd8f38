/* SPDX-License-Identifier: MIT OR Apache-2.0
 * The lock that one writes by hand: the caller runs the handler itself, under a mutex that the owner gives up only while
 * GLib's loop sleeps. It has no timeout, no order among those who wait, and no answer to a handler that waits. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "lua51.h"

typedef int (*poll_function)(void *descriptors, unsigned count, int milliseconds);
extern int g_poll(void *descriptors, unsigned count, int milliseconds);
extern void g_main_context_set_poll_func(void *context, poll_function);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* The thread of Lua on which handlers run: the owner's own is in the middle of its call. */
static lua_State *handlers;

static void call(const char *data, size_t size) {
  pthread_mutex_lock(&lock);
  lua_pushvalue(handlers, 1);
  lua_pushlstring(handlers, data, size);
  if (lua_pcall(handlers, 1, 0, 0) != 0) {
    fprintf(stderr, "lock: %s\n", lua_tolstring(handlers, -1, NULL));
    abort();
  }
  pthread_mutex_unlock(&lock);
}

static int poll_unlocked(void *descriptors, unsigned count, int milliseconds) {
  pthread_mutex_unlock(&lock);
  int ready = g_poll(descriptors, count, milliseconds);
  pthread_mutex_lock(&lock);
  return ready;
}

/* open(handler): the pointer to call, as light userdata. The owner holds the lock from here on. */
static int open(lua_State *L) {
  handlers = lua_newthread(L);
  lua_setfield(L, LUA_REGISTRYINDEX, "bench.lock");
  lua_pushvalue(L, 1);
  lua_xmove(L, handlers, 1);
  pthread_mutex_lock(&lock);
  g_main_context_set_poll_func(NULL, poll_unlocked);
  lua_pushlightuserdata(L, (void *)call);
  return 1;
}

int luaopen_lock(lua_State *L) {
  lua_createtable(L, 0, 1);
  lua_pushcclosure(L, open, 0);
  lua_setfield(L, -2, "open");
  return 1;
}
