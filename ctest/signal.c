/* SPDX-License-Identifier: MIT OR Apache-2.0
 * moonport_signal from SIGALRM at 10 kHz, while the thread that it interrupts sends and steps: no deadlock, and no bit is
 * lost or made up. */
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>

#include "host.h"

static moonport_port port;
static atomic_uint fired;

static void on_alarm(int number) {
  (void)number;
  unsigned n = atomic_fetch_add(&fired, 1);
  moonport_signal(port, 1u << (n % 24));
}

static void timer(long microseconds) {
  struct itimerval value = {.it_interval = {.tv_usec = microseconds}, .it_value = {.tv_usec = microseconds}};
  CHECK_INT(0, setitimer(ITIMER_REAL, &value, NULL));
}

static void *signal_once(void *context) {
  (void)context;
  CHECK_STATUS(MOONPORT_OK, moonport_signal(port, 1u << 30));
  return NULL;
}

int main(void) {
  host h;
  host_open(&h);
  host_run(&h,
           "seen, signals, sent = {}, 0, 0 "
           "port = moonport.port{capacity = 4} "
           "port:on(function(value)"
           "  if type(value) == 'string' then sent = sent + 1 return end"
           "  signals = signals + 1"
           "  for bit = 0, 31 do if math.floor(value / 2 ^ bit) % 2 == 1 then seen[bit] = (seen[bit] or 0) + 1 end end "
           "end)");
  port = host_port(&h, "port");
  struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
  CHECK_INT(0, sigaction(SIGALRM, &action, NULL));
  timer(100);
  long accepted = 0;
  double until = seconds_now() + 2;
  while (seconds_now() < until) {
    for (int i = 0; i < 100; i++) {
      if (moonport_send(port, "x", 1, 0, 0) == MOONPORT_OK) accepted++;
      if (i % 10 == 0) moonport_step(h.state, 0, 0);
    }
  }
  timer(0);
  host_drain(&h);
  CHECK(atomic_load(&fired) > 100);
  CHECK(host_true(&h, "signals > 50"));
  for (int bit = 0; bit < 24; bit++) {
    char expression[64];
    snprintf(expression, sizeof expression, "(seen[%d] or 0) > 0", bit);
    CHECK(host_true(&h, expression));
  }
  CHECK(host_true(&h, "seen[24] == nil and seen[30] == nil"));
  lua_pushnumber(h.lua, (lua_Number)accepted);
  lua_setglobal(h.lua, "accepted");
  CHECK(host_true(&h, "sent == accepted"));
  /* Bits that were set before a handler looked come as one value. */
  host_run(&h, "port:on(nil) seen, signals = {}, 0");
  for (int bit = 0; bit < 3; bit++) CHECK_STATUS(MOONPORT_OK, moonport_signal(port, 1u << bit));
  on_thread(signal_once, NULL);
  host_run(&h, "port:on(function(value) signals, all = signals + 1, value end)");
  host_drain(&h);
  CHECK(host_true(&h, "signals == 1 and all == 7 + 2 ^ 30"));
  host_run(&h, "port:close()");
  CHECK_STATUS(MOONPORT_CLOSED, moonport_signal(port, 1));
  host_close(&h);
  return 0;
}
