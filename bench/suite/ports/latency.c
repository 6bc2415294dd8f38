/* SPDX-License-Identifier: MIT OR Apache-2.0
 * The time of one round trip to an owner that sleeps, beside the same through bare eventfds; and the price of one send to
 * an owner that is awake. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "lua51.h"
#include "moonport.h"
#include "senders.h"
#include "timing.h"

static struct {
  const moonport_api *api;
  moonport_port port;
  int ping, pong, core, failed;
  size_t count, with_calls;
  uint32_t *nanoseconds;
  pthread_t thread;
} test;

static void raise_event(int event) {
  uint64_t one = 1;
  if (write(event, &one, sizeof one) != sizeof one) test.failed = 1;
}

static void await_event(int event) {
  uint64_t count;
  if (read(event, &count, sizeof count) != sizeof count) test.failed = 1;
}

/* Pushes a tenth, the median and nine tenths of what was measured, in nanoseconds. */
static int push_spread(lua_State *L) {
  spread all = spread_of(test.nanoseconds, test.count);
  lua_pushnumber(L, all.low);
  lua_pushnumber(L, all.median);
  lua_pushnumber(L, all.high);
  return 3;
}

static void prepare(lua_State *L, size_t count) {
  test.count = count;
  test.failed = 0;
  free(test.nanoseconds);
  test.nanoseconds = calloc(count, sizeof *test.nanoseconds);
  if (test.nanoseconds == NULL) luaL_error(L, "latency: no memory");
}

/* --- round trips --- */

/* So many round trips come before those that are measured, on both sides: LuaJIT compiles what is used often. */
#define WARM_UP 500

/* Both sides of a round trip: pause until the other sleeps, ask, and sleep until the answer is there. */
static void *ask(void *argument) {
  int through_port = argument != NULL;
  if (place(test.core) != 0) test.failed = 1;
  for (size_t i = 0; i < WARM_UP + test.count; i++) {
    let_fall_asleep();
    uint64_t begun = now();
    if (through_port) {
      if (test.api->send(test.port, "12345678", 8, MOONPORT_RAW, 0) != MOONPORT_OK) test.failed = 1;
    } else {
      raise_event(test.ping);
    }
    await_event(test.pong);
    if (i >= WARM_UP) test.nanoseconds[i - WARM_UP] = (uint32_t)(now() - begun);
  }
  return NULL;
}

static void open_events(lua_State *L) {
  if (test.pong > 0) return;
  test.ping = eventfd(0, EFD_CLOEXEC);
  test.pong = eventfd(0, EFD_CLOEXEC);
  if (test.ping < 0 || test.pong < 0) luaL_error(L, "latency: no eventfd");
}

/* place(core): the calling thread stays on this core; place(-1): on any. */
static int place_here(lua_State *L) {
  int status = place((int)luaL_checkinteger(L, 1));
  return status != 0 ? luaL_error(L, "latency: no such core") : 0;
}

/* bare(count, core): so many round trips after WARM_UP between a thread on that core and this one, through two eventfds. */
static int bare(lua_State *L) {
  open_events(L);
  prepare(L, (size_t)luaL_checkinteger(L, 1));
  test.core = (int)luaL_checkinteger(L, 2);
  if (pthread_create(&test.thread, NULL, ask, NULL) != 0) return luaL_error(L, "latency: no thread");
  for (size_t i = 0; i < WARM_UP + test.count; i++) {
    await_event(test.ping);
    raise_event(test.pong);
  }
  pthread_join(test.thread, NULL);
  return test.failed ? luaL_error(L, "latency: the bare round trip failed") : push_spread(L);
}

static void aim(lua_State *L) {
  test.api = (const moonport_api *)(uintptr_t)address(L, 1);
  test.port.id = address(L, 2);
}

/* ask(api, handle, count, core): a thread on that core sends WARM_UP and so many messages, each answered by answer(). */
static int start_asking(lua_State *L) {
  open_events(L);
  aim(L);
  prepare(L, (size_t)luaL_checkinteger(L, 3));
  test.core = (int)luaL_checkinteger(L, 4);
  if (pthread_create(&test.thread, NULL, ask, &test) != 0) return luaL_error(L, "latency: no thread");
  return 0;
}

static int answer(lua_State *L) {
  (void)L;
  raise_event(test.pong);
  return 0;
}

/* finish(): a tenth, the median and nine tenths, in nanoseconds. */
static int finish(lua_State *L) {
  pthread_join(test.thread, NULL);
  return test.failed ? luaL_error(L, "latency: a send failed") : push_spread(L);
}

/* --- sends --- */

/* The kernel gives this thread a SIGSYS instead of a system call while `gate` is BLOCK: so they are counted exactly. */
#if defined __x86_64__ && defined PR_SET_SYSCALL_USER_DISPATCH
#define CAN_COUNT 1
static __thread volatile char gate;
static __thread volatile unsigned long entered;

static void let_through(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info;
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  gate = SYSCALL_DISPATCH_FILTER_ALLOW;
  entered++;
  register long r10 __asm__("r10") = registers[REG_R10];
  register long r8 __asm__("r8") = registers[REG_R8];
  register long r9 __asm__("r9") = registers[REG_R9];
  long result;
  __asm__ volatile("syscall" : "=a"(result)
                   : "a"(registers[REG_RAX]), "D"(registers[REG_RDI]), "S"(registers[REG_RSI]), "d"(registers[REG_RDX]),
                     "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  registers[REG_RAX] = result;
}

static int watch_calls(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = let_through;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  if (sigaction(SIGSYS, &action, NULL) != 0) return -1;
  gate = SYSCALL_DISPATCH_FILTER_ALLOW;
  if (prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0L, 0L, &gate) != 0) return -1;
  entered = 0;
  gate = SYSCALL_DISPATCH_FILTER_BLOCK;
  syscall(SYS_gettid);
  gate = SYSCALL_DISPATCH_FILTER_ALLOW;
  return entered == 1 ? 0 : -1;
}
#else
#define CAN_COUNT 0
#endif

static int send_one(uint64_t which) {
  char text[64];
  fill(text, sizeof text);
  stamp(text, which);
  return test.api->send(test.port, text, sizeof text, MOONPORT_RAW, 0);
}

/* Times each send, less the price of reading the clock. A message that finds no room is sent again and not counted. */
static void *time_sends(void *unused) {
  (void)unused;
  uint64_t clock = price_of_clock();
  for (size_t i = 0; i < test.count;) {
    uint64_t begun = now();
    int status = send_one(i);
    uint64_t took = now() - begun;
    if (status == MOONPORT_FULL) {
      wait_for_room();
      continue;
    }
    if (status != MOONPORT_OK) test.failed = 1;
    test.nanoseconds[i++] = less(took, clock);
  }
  return NULL;
}

/* Counts the sends that entered the kernel. */
static void *count_calls(void *unused) {
  (void)unused;
#if CAN_COUNT
  int watching = watch_calls() == 0;
  unsigned long with_calls = 0;
  for (size_t i = 0; i < test.count;) {
    entered = 0;
    if (watching) gate = SYSCALL_DISPATCH_FILTER_BLOCK;
    int status = send_one(i);
    gate = SYSCALL_DISPATCH_FILTER_ALLOW;
    if (status == MOONPORT_FULL) {
      wait_for_room();
      continue;
    }
    if (status != MOONPORT_OK) test.failed = 1;
    with_calls += entered != 0;
    i++;
  }
  test.with_calls = with_calls;
  if (!watching) test.with_calls = SIZE_MAX;
  prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0L, 0L, 0L);
#else
  for (size_t i = 0; i < test.count;) {
    if (send_one(i) == MOONPORT_OK) i++;
    else wait_for_room();
  }
  test.with_calls = SIZE_MAX;
#endif
  return NULL;
}

/* send(api, handle, count, what): a thread sends, "time" to time each, "count" to count system calls. */
static int start_sending(lua_State *L) {
  aim(L);
  prepare(L, (size_t)luaL_checkinteger(L, 3));
  int timed = luaL_checklstring(L, 4, NULL)[0] == 't';
  if (pthread_create(&test.thread, NULL, timed ? time_sends : count_calls, NULL) != 0) {
    return luaL_error(L, "latency: no thread");
  }
  return 0;
}

/* calls(): how many of the sends entered the kernel; nothing where that cannot be told. */
static int calls(lua_State *L) {
  pthread_join(test.thread, NULL);
  if (test.failed) return luaL_error(L, "latency: a send failed");
  if (test.with_calls == SIZE_MAX) return 0;
  lua_pushnumber(L, (double)test.with_calls);
  return 1;
}

int luaopen_latency(lua_State *L) {
  static const luaL_Reg functions[] = {
    {"place", place_here}, {"bare", bare}, {"ask", start_asking}, {"answer", answer}, {"finish", finish},
    {"send", start_sending}, {"calls", calls}, {NULL, NULL},
  };
  lua_createtable(L, 0, 8);
  luaL_register(L, NULL, functions);
  lua_pushinteger(L, WARM_UP);
  lua_setfield(L, -2, "warm_up");
  return 1;
}
