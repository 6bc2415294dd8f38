/* SPDX-License-Identifier: MIT OR Apache-2.0
 * A program in C that owns a Lua state and an event loop of its own. Lua makes the ports; a thread sends readings as JSON
 * and asks for their mean. The loop sleeps on one descriptor of Moonport's, as it would on its sockets. */

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "moonport.h"

int luaopen_moonport(lua_State *lua);

static const char script[] =
    "local moonport = require('moonport')\n"
    "local readings = assert(moonport.port({ name = 'readings', codec = 'json' }))\n"
    "local questions = assert(moonport.port({ name = 'questions', codec = 'json' }))\n"
    "local sum, count = 0, 0\n"
    "readings:on(function(reading)\n"
    "  sum, count = sum + reading.celsius, count + 1\n"
    "end)\n"
    "questions:on(function(question, message)\n"
    "  message.reply({ question = question, count = count, mean = sum / count })\n"
    "end)\n";

struct producer {
  int finished[2]; /* a pipe: closed by the producer when it is done */
  int failed;
};

static int report(const char *what, int status) {
  fprintf(stderr, "%s: %s\n", what, moonport_status_name(status));
  return status;
}

/* The producer's thread. It knows the ports by name and needs nothing of Lua. */
static int produce(void) {
  moonport_port readings = moonport_find("readings");
  for (int i = 1; i <= 1000; i++) {
    char json[64];
    int size = snprintf(json, sizeof json, "{\"celsius\":%d}", i % 30);
    int status = moonport_send(readings, json, (size_t)size, MOONPORT_JSON, 0);
    if (status != MOONPORT_OK) return report("send", status);
  }
  moonport_reply reply = {.codec = MOONPORT_JSON};
  int status = moonport_call(moonport_find("questions"), "\"mean\"", 6, MOONPORT_JSON, 0, 5.0, &reply);
  if (status != MOONPORT_OK) return report("call", status);
  printf("%s\n", (const char *)reply.data);
  moonport_reply_free(&reply);
  return 0;
}

static void *producer_main(void *context) {
  struct producer *producer = context;
  producer->failed = produce();
  close(producer->finished[1]);
  return NULL;
}

/* The owner's loop: sleeps until Moonport has something to deliver, or the producer is done. */
static int run(moonport_state state, int finished) {
  int set = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event wake = {.events = EPOLLIN, .data.fd = moonport_wake_descriptor(state)};
  struct epoll_event end = {.events = EPOLLIN, .data.fd = finished};
  int failed = set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, wake.data.fd, &wake) != 0 ||
               epoll_ctl(set, EPOLL_CTL_ADD, end.data.fd, &end) != 0;
  for (int done = 0; !failed && !done;) {
    struct epoll_event events[2];
    int count = epoll_wait(set, events, 2, -1);
    if (count < 0 && errno != EINTR) failed = 1;
    for (int i = 0; i < count; i++) {
      if (events[i].data.fd == finished) {
        done = 1;
        continue;
      }
      int delivered = moonport_step(state, 0, 0);
      if (delivered < 0) failed = report("step", delivered);
    }
  }
  if (set >= 0) close(set);
  return failed;
}

int main(void) {
  lua_State *lua = luaL_newstate();
  if (!lua) return 1;
  luaL_openlibs(lua);
  lua_getglobal(lua, "package");
  lua_getfield(lua, -1, "preload");
  lua_pushcfunction(lua, luaopen_moonport);
  lua_setfield(lua, -2, "moonport");
  lua_settop(lua, 0);

  int failed = 1;
  struct producer producer = {.failed = 1};
  pthread_t thread;
  if (luaL_dostring(lua, script) != 0) {
    fprintf(stderr, "%s\n", lua_tostring(lua, -1));
  } else if (pipe(producer.finished) == 0) {
    if (pthread_create(&thread, NULL, producer_main, &producer) == 0) {
      failed = run(moonport_state_of(lua), producer.finished[0]);
      pthread_join(thread, NULL);
      failed = failed || producer.failed;
    } else {
      close(producer.finished[1]);
    }
    close(producer.finished[0]);
  }
  lua_close(lua);
  return failed != 0;
}
