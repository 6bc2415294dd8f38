/* SPDX-License-Identifier: MIT OR Apache-2.0
 * moonport_lock and moonport_unlock: threads that use the Lua C API while the owner waits, and what each attempt that would wait for
 * itself is told. */
#include <sched.h>
#include <stdatomic.h>

#include "host.h"

#define THREADS 4
#ifdef __SANITIZE_ADDRESS__
#define EACH 20000
#else
#define EACH 250000
#endif

static host h;
static atomic_int running, at;

static void call_lua(lua_State *lua, const char *chunk) {
  if (luaL_dostring(lua, chunk) != 0) {
    fprintf(stderr, "%s\n in: %s\n", lua_tostring(lua, -1), chunk);
    _Exit(1);
  }
}

static lua_State *lock_it(double timeout) {
  void *lua = NULL;
  CHECK_STATUS(MOONPORT_OK, moonport_lock(h.state, timeout, &lua));
  CHECK(lua && lua_gettop(lua) == 0);
  return lua;
}

static void unlock_it(void) {
  CHECK_STATUS(MOONPORT_OK, moonport_unlock(h.state));
}

/* Adds to Lua's count, reading it and writing it apart. */
static void *add_on(void *context) {
  for (int i = 0; i < EACH; i++) {
    lua_State *lua = lock_it(60);
    lua_getglobal(lua, "count");
    lua_Number count = lua_tonumber(lua, -1);
    if (i % 100 == 0) {
      lua_createtable(lua, 4, 0);
      lua_pop(lua, 1);
      call_lua(lua, "assert(not moonport.is_owner() and port:send('from a thread'))");
    }
    lua_pushnumber(lua, count + 1);
    lua_setglobal(lua, "count");
    lua_settop(lua, 0);
    unlock_it();
  }
  moonport_port *port = context;
  CHECK_STATUS(MOONPORT_OK, moonport_send_within(*port, "end", 3, 0, 0, 60));
  return NULL;
}

static void counts_are_exact(void) {
  host_run(&h,
           "count, told, ended = 0, 0, 0 port = moonport.port() port:on(function(value) "
           "assert(moonport.is_owner()) "
           "if value == 'end' then ended = ended + 1 else told = told + 1 end "
           "if ended == 4 then moonport.stop() end end)");
  moonport_port port = host_port(&h, "port");
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) threads[i] = thread_start(add_on, &port);
  host_run(&h, "moonport.run()");
  for (int i = 0; i < THREADS; i++) thread_join(threads[i]);
  CHECK_INT(THREADS * EACH, (long long)strtod(host_text(&h, "count"), NULL));
  CHECK_INT(THREADS * EACH / 100, (long long)strtod(host_text(&h, "told"), NULL));
  host_run(&h, "port:close()");
}

/* What another thread is told while the owner does not wait, and does not let it in. */
static void *without_the_owner(void *context) {
  (void)context;
  void *lua = NULL;
  double begun = seconds_now();
  CHECK_STATUS(MOONPORT_TIMEOUT, moonport_lock(h.state, 0.2, &lua));
  CHECK(seconds_now() - begun >= 0.2 && seconds_now() - begun < 10);
  CHECK_STATUS(MOONPORT_TIMEOUT, moonport_lock(h.state, -1, &lua));
  CHECK_STATUS(MOONPORT_INVALID, moonport_lock(h.state, 0.0 / 0.0, &lua));
  CHECK_STATUS(MOONPORT_INVALID, moonport_lock(h.state, 1, NULL));
  CHECK_STATUS(MOONPORT_WRONG_THREAD, moonport_unlock(h.state));
  CHECK(!lua);
  return NULL;
}

/* Each way to wait for oneself while one has the lock. */
static void *with_the_lock(void *context) {
  moonport_port full = *(moonport_port *)context;
  moonport_reply reply = {0};
  lua_State *lua = lock_it(60);
  void *second = NULL;
  CHECK_STATUS(MOONPORT_WOULD_DEADLOCK, moonport_lock(h.state, 60, &second));
  CHECK(!second);
  CHECK_STATUS(MOONPORT_WOULD_DEADLOCK, moonport_call(full, "x", 1, 0, 0, 60, &reply));
  CHECK_STATUS(MOONPORT_WOULD_DEADLOCK, moonport_send_within(full, "x", 1, 0, 0, 60));
  CHECK_STATUS(MOONPORT_FULL, moonport_send(full, "x", 1, 0, 0));
  CHECK_STATUS(MOONPORT_WRONG_THREAD, moonport_step(h.state, 0, 0));
  call_lua(lua,
           "local function name(...) return (select(3, ...)) end "
           "assert(name(full:receive()) == nil) assert(name(full:receive(60)) == 'would_deadlock') "
           "assert(name(moonport.connect('full'):call(1)) == 'would_deadlock') "
           "assert(name(moonport.sleep(60)) == 'would_deadlock') "
           "assert(name(moonport.step(60)) == 'wrong_thread') assert(name(moonport.run()) == 'wrong_thread') "
           "moonport.stop()");
  lua_settop(lua, 0);
  unlock_it();
  CHECK_STATUS(MOONPORT_WRONG_THREAD, moonport_unlock(h.state));
  return NULL;
}

static void deadlocks_are_told(void) {
  on_thread(without_the_owner, NULL);
  host_run(&h, "full = moonport.port{name = 'full', capacity = 1} assert(full:send('x'))");
  moonport_port full = host_port(&h, "full");
  pthread_t thread = thread_start(with_the_lock, &full);
  host_run(&h, "moonport.run()");
  thread_join(thread);
  host_run(&h, "full:close()");
}

static void the_owner_nests(void) {
  CHECK_STATUS(MOONPORT_INVALID, moonport_unlock(h.state));
  lua_State *states[15];
  for (int i = 0; i < 15; i++) {
    states[i] = lock_it(0);
    for (int j = 0; j < i; j++) CHECK(states[i] != states[j]);
    call_lua(states[i], "assert(moonport.is_owner()) depth = (depth or 0) + 1");
  }
  for (int i = 0; i < 15; i++) unlock_it();
  CHECK(host_true(&h, "depth == 15"));
  CHECK_STATUS(MOONPORT_INVALID, moonport_unlock(h.state));
  /* One that is left untidy is not lent again. */
  lua_State *untidy = lock_it(0);
  lua_pushnil(untidy);
  unlock_it();
  for (int i = 0; i < 20; i++) {
    lock_it(0);
    unlock_it();
  }
}

/* Only every 7th time: LuaJIT compiles no loop that enters Lua whenever it looks. */
static int lock_and_call(void) {
  static int times;
  if (++times % 7 != 0) return 1;
  void *lua = NULL;
  int status = moonport_lock(h.state, 0, &lua);
  if (status != MOONPORT_OK) return status;
  call_lua(lua, "entered = entered + 1");
  lua_settop(lua, 0);
  unlock_it();
  return status;
}

/* The owner's thread, from a loop that LuaJIT compiles: refused where Lua cannot be entered, and right otherwise. */
static void compiled_code_is_told(void) {
  lua_pushlightuserdata(h.lua, (void *)lock_and_call);
  lua_setglobal(h.lua, "address");
  host_run(&h,
           "moonport.descriptor() entered = 0 local ffi = require 'ffi' "
           "local call, fine, refused = ffi.cast('int (*)(void)', address), 0, 0 "
           "for i = 1, 100000 do local status = call() if status == 0 then fine = fine + 1 "
           "elseif status == -12 then refused = refused + 1 end end "
           "assert(fine + refused == math.floor(100000 / 7) and fine == entered, fine) assert(refused > 0, 'nothing was compiled')");
}

static void *hold_it(void *context) {
  (void)context;
  lua_State *lua = lock_it(60);
  atomic_store(&at, 1);
  while (atomic_load(&at) == 1) sched_yield();
  call_lua(lua, "moonport.stop()");
  unlock_it();
  return NULL;
}

static void *wait_behind(void *context) {
  (void)context;
  void *lua = NULL;
  while (atomic_load(&at) == 0) sched_yield();
  CHECK_STATUS(MOONPORT_TIMEOUT, moonport_lock(h.state, 0.1, &lua));
  atomic_store(&at, 2);
  return NULL;
}

static void a_holder_keeps_others_out(void) {
  atomic_store(&at, 0);
  pthread_t holder = thread_start(hold_it, NULL), waiter = thread_start(wait_behind, NULL);
  host_run(&h, "open = moonport.port() moonport.run() open:close()");
  thread_join(waiter);
  thread_join(holder);
}

/* A thread that waits while the state is closed; others begin when it is closed already. */
static void *wait_for_the_end(void *context) {
  (void)context;
  void *lua = NULL;
  atomic_fetch_add(&running, 1);
  CHECK_STATUS(MOONPORT_CLOSED, moonport_lock(h.state, 1e9, &lua));
  CHECK_STATUS(MOONPORT_CLOSED, moonport_unlock(h.state));
  CHECK(!lua);
  return NULL;
}

static void closing_sends_everybody_away(void) {
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) threads[i] = thread_start(wait_for_the_end, NULL);
  while (atomic_load(&running) < THREADS) sched_yield();
  host_close(&h);
  for (int i = 0; i < THREADS; i++) thread_join(threads[i]);
}

int main(void) {
  host_open(&h);
  the_owner_nests();
  deadlocks_are_told();
  counts_are_exact();
  a_holder_keeps_others_out();
  compiled_code_is_told();
  closing_sends_everybody_away();
  for (int round = 0; round < 50; round++) {
    atomic_store(&running, 0);
    host_open(&h);
    closing_sends_everybody_away();
  }
  return 0;
}
