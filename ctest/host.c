/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "host.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

int luaopen_moonport(lua_State *lua);

void host_open(host *h) {
  h->lua = luaL_newstate();
  CHECK(h->lua);
  luaL_openlibs(h->lua);
  lua_getglobal(h->lua, "package");
  lua_getfield(h->lua, -1, "preload");
  lua_pushcfunction(h->lua, luaopen_moonport);
  lua_setfield(h->lua, -2, "moonport");
  lua_pop(h->lua, 2);
  host_run(h, "moonport = require 'moonport'");
  h->state = moonport_state_of(h->lua);
  CHECK(h->state.id != 0);
}

void host_close(host *h) {
  lua_close(h->lua);
  h->lua = NULL;
}

bool host_try(host *h, const char *chunk) {
  bool fine = luaL_dostring(h->lua, chunk) == 0;
  if (!fine) {
    const char *message = lua_tostring(h->lua, -1);
    snprintf(h->text, sizeof h->text, "%s", message ? message : "(an error that is no string)");
  }
  lua_settop(h->lua, 0);
  return fine;
}

void host_run(host *h, const char *chunk) {
  if (!host_try(h, chunk)) {
    fprintf(stderr, "%s\n in: %s\n", h->text, chunk);
    _Exit(1);
  }
}

const char *host_text(host *h, const char *expression) {
  char chunk[1024];
  snprintf(chunk, sizeof chunk, "result = tostring(%s)", expression);
  host_run(h, chunk);
  lua_getglobal(h->lua, "result");
  snprintf(h->text, sizeof h->text, "%s", lua_tostring(h->lua, -1));
  lua_settop(h->lua, 0);
  return h->text;
}

bool host_true(host *h, const char *expression) {
  return strcmp(host_text(h, expression), "true") == 0;
}

moonport_port host_port(host *h, const char *expression) {
  char handle[256];
  snprintf(handle, sizeof handle, "(%s):handle()", expression);
  /* "4294967296ULL" */
  moonport_port port = {strtoull(host_text(h, handle), NULL, 10)};
  CHECK(port.id != 0);
  return port;
}

void host_drain(host *h) {
  int delivered;
  do {
    delivered = moonport_step(h->state, 0, 0);
    CHECK(delivered >= 0);
  } while (delivered > 0);
}

bool host_until(host *h, bool (*done)(void *context), void *context, double seconds) {
  double deadline = seconds_now() + seconds;
  struct pollfd wake = {.fd = moonport_wake_descriptor(h->state), .events = POLLIN};
  CHECK(wake.fd >= 0);
  while (!done(context)) {
    if (seconds_now() >= deadline) return false;
    /* The condition may come true without a message: look now and then. */
    int ready = poll(&wake, 1, 10);
    CHECK(ready >= 0 || errno == EINTR);
    CHECK(moonport_step(h->state, 0, 0) >= 0);
  }
  return true;
}

struct truth {
  host *h;
  const char *expression;
};

static bool is_true(void *context) {
  struct truth *truth = context;
  return host_true(truth->h, truth->expression);
}

bool host_until_true(host *h, const char *expression, double seconds) {
  struct truth truth = {h, expression};
  return host_until(h, is_true, &truth, seconds);
}

double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

pthread_t thread_start(void *(*function)(void *), void *context) {
  pthread_t thread;
  CHECK_INT(0, pthread_create(&thread, NULL, function, context));
  return thread;
}

void thread_join(pthread_t thread) {
  CHECK_INT(0, pthread_join(thread, NULL));
}

void on_thread(void *(*function)(void *), void *context) {
  thread_join(thread_start(function, context));
}
