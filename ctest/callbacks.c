/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Eight threads make 100,000 calls each over four callbacks and two ports: each thread's order is kept across all of them,
 * and nothing is lost. Calls go on after the callbacks and the Lua state are closed; a waiting caller gets its default. */
#include <errno.h>
#include <sched.h>

#include "host.h"

#define THREADS 8
#define EACH 100000
#define CALLBACKS 4

typedef void (*call)(uint32_t thread, uint32_t number, const char *text);
typedef int (*question)(int number);

static call callbacks[CALLBACKS];
static question ask;
static moonport_port ports[2];
static uint32_t next_of[THREADS];
static long count;
static volatile int is_over;

static void *call_all(void *context) {
  uint32_t thread = (uint32_t)(uintptr_t)context;
  for (uint32_t i = 0; i < EACH; i++) {
    uint32_t which = i % 6;
    if (which < CALLBACKS) {
      char text[16];
      snprintf(text, sizeof text, "%u", i);
      callbacks[which](thread, i, text);
      memset(text, 'x', sizeof text);
    } else {
      int status;
      while ((status = moonport_send(ports[which - CALLBACKS], &i, sizeof i, 0, thread)) == MOONPORT_FULL) sched_yield();
      CHECK_STATUS(MOONPORT_OK, status);
    }
  }
  return NULL;
}

/* arrived(thread, number or bytes) */
static int arrived(lua_State *L) {
  int thread = (int)lua_tointeger(L, 1);
  CHECK(thread >= 0 && thread < THREADS);
  uint32_t number = (uint32_t)lua_tointeger(L, 2);
  if (lua_type(L, 2) == LUA_TSTRING) memcpy(&number, lua_tolstring(L, 2, NULL), sizeof number);
  CHECK_INT(next_of[thread], number);
  next_of[thread]++;
  count++;
  return 0;
}

static bool all_arrived(void *context) {
  (void)context;
  return count == (long)THREADS * EACH;
}

static void *ask_twice(void *context) {
  (void)context;
  CHECK_INT(42, ask(21));
  errno = 5;
  CHECK_INT(-1, ask(-21));
  CHECK_INT(5, errno);
  is_over = 1;
  return NULL;
}

static bool asked(void *context) {
  (void)context;
  return is_over;
}

/* Until the state has been closed for a while. */
static void *call_late(void *context) {
  (void)context;
  while (!is_over) {
    callbacks[0](0, 0, "late");
    CHECK_INT(-1, ask(1));
  }
  return NULL;
}

static void *pointer_of(host *h, const char *expression) {
  char code[200];
  snprintf(code, sizeof code, "('%%.0f'):format(tonumber(require('ffi').cast('uintptr_t', %s.pointer)))", expression);
  return (void *)(uintptr_t)strtoull(host_text(h, code), NULL, 10);
}

int main(void) {
  host h;
  host_open(&h);
  lua_register(h.lua, "arrived", arrived);
  host_run(&h,
           "callbacks, ports = {}, {}\n"
           "moonport.on_error(function(message) failed = failed or message end)\n"
           "for i = 1, 4 do\n"
           "  callbacks[i] = moonport.callback('void (*)(uint32_t thread, uint32_t number, const char *text)',\n"
           "    function(thread, number, text) assert(tonumber(text) == number) arrived(thread, number) end,\n"
           "    {capacity = 1000000})\n"
           "end\n"
           "for i = 1, 2 do\n"
           "  ports[i] = moonport.port{capacity = 20000}\n"
           "  ports[i]:on(function(value, message) arrived(message.tag, value) end)\n"
           "end\n"
           "question = moonport.callback('int (*)(int)', function(x) assert(x > 0, 'negative') return 2 * x end,\n"
           "  {default = -1})\n");
  for (int i = 0; i < CALLBACKS; i++) {
    char expression[32];
    snprintf(expression, sizeof expression, "callbacks[%d]", i + 1);
    *(void **)&callbacks[i] = pointer_of(&h, expression);
  }
  *(void **)&ask = pointer_of(&h, "question");
  ports[0] = host_port(&h, "ports[1]");
  ports[1] = host_port(&h, "ports[2]");

  pthread_t threads[THREADS];
  for (uintptr_t i = 0; i < THREADS; i++) threads[i] = thread_start(call_all, (void *)i);
  CHECK(host_until(&h, all_arrived, NULL, 100));
  for (int i = 0; i < THREADS; i++) thread_join(threads[i]);
  host_drain(&h);
  CHECK_INT((long)THREADS * EACH, count);
  CHECK_TEXT("nil", host_text(&h, "failed"));

  pthread_t asker = thread_start(ask_twice, NULL);
  CHECK(host_until(&h, asked, NULL, 20));
  thread_join(asker);

  CHECK_STATUS(MOONPORT_OK, moonport_callback_close((void (*)(void))ask));
  CHECK_STATUS(MOONPORT_CLOSED, moonport_callback_close((void (*)(void))ask));
  CHECK_STATUS(MOONPORT_NOT_FOUND, moonport_callback_close((void (*)(void))main));
  is_over = 0;
  pthread_t late = thread_start(call_late, NULL);
  host_drain(&h);
  host_close(&h);
  struct timespec pause = {0, 200000000};
  nanosleep(&pause, NULL);
  is_over = 1;
  thread_join(late);
  return 0;
}
