/* SPDX-License-Identifier: MIT OR Apache-2.0
 * lua_close unmaps C modules: threads that go on calling through moonport.api must meet code that is still there, and be
 * told "closed". This program is not linked with the module: only require has loaded it, from argv[1]. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "../include/moonport.h"
#include "check.h"

#define THREADS 4

static const moonport_api *api;
static moonport_port port;
static atomic_bool closed, stop;
static atomic_long after_close;

static double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void *call_on(void *context) {
  while (!atomic_load(&stop)) {
    bool was_closed = atomic_load(&closed);
    int status = api->send(port, "x", 1, 0, 0);
    if (was_closed) {
      CHECK_INT(MOONPORT_CLOSED, status);
      atomic_fetch_add(&after_close, 1);
    }
    api->signal(port, 1);
    api->find("unload");
    api->close((moonport_port){port.id + 1});
    CHECK(api->status_name(status) != NULL);
  }
  return context;
}

int main(int argc, char **argv) {
  CHECK_INT(2, argc);
  lua_State *lua = luaL_newstate();
  CHECK(lua);
  luaL_openlibs(lua);
  lua_pushstring(lua, argv[1]);
  lua_setglobal(lua, "cpath");
  CHECK_INT(0, luaL_dostring(lua,
                             "package.cpath = cpath "
                             "moonport = require 'moonport'"
                             "port = moonport.port{name = 'unload', overflow = 'drop_old', capacity = 100}"
                             "moonport.on_error(function() end)"
                             "port:on(function() end)"
                             "lane = moonport.port() lane:on(function() end) lane:descriptor()"
                             "return moonport.api, tostring(port:handle()):match('%d+')"));
  api = lua_touserdata(lua, 1);
  CHECK(api != NULL);
  port.id = strtoull(lua_tostring(lua, 2), NULL, 10);
  lua_settop(lua, 0);
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) CHECK_INT(0, pthread_create(&threads[i], NULL, call_on, NULL));
  double until = seconds_now() + 0.2;
  while (seconds_now() < until) CHECK_INT(0, luaL_dostring(lua, "moonport.step()"));
  lua_close(lua);
  atomic_store(&closed, true);
  nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
  atomic_store(&stop, true);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  CHECK(atomic_load(&after_close) > 100);
  return 0;
}
