/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Forks while eight threads send: in each child everything says "forked" and nothing hangs, and a fresh port works. The
 * parent loses nothing. */
#include <sched.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"

#define THREADS 8
#ifdef __SANITIZE_ADDRESS__
#define FORKS 200 /* each copies the sanitizer's memory */
#else
#define FORKS 1000
#endif

static moonport_port port;
static atomic_bool stop;
static atomic_long accepted;

static void *send_on(void *context) {
  (void)context;
  while (!atomic_load(&stop)) {
    int status = moonport_send(port, "x", 1, 0, 0);
    if (status == MOONPORT_OK) atomic_fetch_add(&accepted, 1);
    else sched_yield();
  }
  return NULL;
}

static void free_nothing(void *data, size_t size, void *context) {
  (void)data, (void)size;
  ++*(int *)context;
}

static void in_child(host *h) {
  alarm(20);
  char text[] = "x";
  int freed = 0;
  moonport_reply reply = {0};
  moonport_port_stats stats = {.struct_size = sizeof stats};
  CHECK_STATUS(MOONPORT_FORKED, moonport_send(port, "x", 1, 0, 0));
  CHECK_STATUS(MOONPORT_FORKED, moonport_send_within(port, "x", 1, 0, 0, 5));
  CHECK_STATUS(MOONPORT_FORKED, moonport_send_owned(port, text, 1, 0, 0, free_nothing, &freed));
  CHECK_INT(1, freed);
  CHECK_STATUS(MOONPORT_FORKED, moonport_call(port, "x", 1, 0, 0, 5, &reply));
  CHECK_STATUS(MOONPORT_FORKED, moonport_signal(port, 1));
  CHECK_STATUS(MOONPORT_FORKED, moonport_close(port));
  CHECK_STATUS(MOONPORT_FORKED, moonport_port_stats_get(port, &stats));
  CHECK_STATUS(MOONPORT_FORKED, moonport_step(h->state, 0, 0));
  CHECK_STATUS(MOONPORT_FORKED, moonport_set_waker(h->state, NULL, NULL));
  void *lua = NULL;
  CHECK_STATUS(MOONPORT_FORKED, moonport_lock(h->state, 5, &lua));
  CHECK_STATUS(MOONPORT_FORKED, moonport_unlock(h->state));
  CHECK(!lua);
  CHECK_INT(0, moonport_find("forked").id);
  host_run(h,
           "local ok, _, name = port:send('x') assert(ok == nil and name == 'forked', name)"
           "local fresh, got = assert(moonport.port{name = 'forked'}), 0 "
           "fresh:on(function(value) got = got + value end)"
           "assert(fresh:send(1) and moonport.connect('forked'):send(2))"
           "while moonport.step() > 0 do end "
           "assert(got == 3, got)"
           "fresh:close()");
}

int main(void) {
  host h;
  host_open(&h);
  host_run(&h, "count = 0 port = moonport.port{name = 'forked'} port:on(function() count = count + 1 end)");
  port = host_port(&h, "port");
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) threads[i] = thread_start(send_on, NULL);
  for (int i = 0; i < FORKS; i++) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
      in_child(&h);
      _Exit(0);
    }
    int status;
    CHECK_INT(child, waitpid(child, &status, 0));
    CHECK_INT(0, status);
    moonport_step(h.state, 0, 0);
  }
  atomic_store(&stop, true);
  for (int i = 0; i < THREADS; i++) thread_join(threads[i]);
  host_drain(&h);
  lua_pushnumber(h.lua, (lua_Number)atomic_load(&accepted));
  lua_setglobal(h.lua, "accepted");
  CHECK(host_true(&h, "count == accepted"));
  host_close(&h);
  return 0;
}
