/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Eight threads send 100,000 messages each over six ports: each thread's order is kept across all ports, nothing is lost,
 * and the sequence rises. */
#include <sched.h>

#include "host.h"

#define THREADS 8
#define EACH 100000
#define PORTS 6

static moonport_port ports[PORTS];

static void *send_all(void *context) {
  uint32_t thread = (uint32_t)(uintptr_t)context;
  for (uint32_t i = 0; i < EACH; i++) {
    int status;
    while ((status = moonport_send(ports[i % PORTS], &i, sizeof i, 0, thread)) == MOONPORT_FULL) sched_yield();
    CHECK_STATUS(MOONPORT_OK, status);
  }
  return NULL;
}

static uint32_t next_of[THREADS];
static double last_sequence;
static long count;

/* arrived(bytes, tag, sequence) */
static int arrived(lua_State *L) {
  uint32_t number;
  size_t size;
  const char *bytes = lua_tolstring(L, 1, &size);
  CHECK_INT(sizeof number, size);
  memcpy(&number, bytes, sizeof number);
  int thread = (int)lua_tointeger(L, 2);
  CHECK(thread >= 0 && thread < THREADS);
  CHECK_INT(next_of[thread], number);
  next_of[thread]++;
  CHECK(lua_tonumber(L, 3) > last_sequence);
  last_sequence = lua_tonumber(L, 3);
  count++;
  return 0;
}

static bool all_arrived(void *context) {
  (void)context;
  return count == (long)THREADS * EACH;
}

int main(void) {
  host h;
  host_open(&h);
  lua_register(h.lua, "arrived", arrived);
  host_run(&h,
           "ports = {}"
           "moonport.on_error(function(message) failed = message end)"
           "for i = 1, 6 do"
           "  ports[i] = moonport.port{capacity = 20000}"
           "  ports[i]:on(function(value, message) arrived(value, message.tag, message.sequence) end)"
           "end");
  for (int i = 0; i < PORTS; i++) {
    char expression[32];
    snprintf(expression, sizeof expression, "ports[%d]", i + 1);
    ports[i] = host_port(&h, expression);
  }
  pthread_t threads[THREADS];
  for (uintptr_t i = 0; i < THREADS; i++) threads[i] = thread_start(send_all, (void *)i);
  CHECK(host_until(&h, all_arrived, NULL, 100));
  for (int i = 0; i < THREADS; i++) thread_join(threads[i]);
  host_drain(&h);
  CHECK_INT((long)THREADS * EACH, count);
  CHECK_TEXT("nil", host_text(&h, "failed"));
  host_close(&h);
  return 0;
}
