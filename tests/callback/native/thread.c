/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Calls on threads of their own, as objects of Lua: start, is_done, join. */
#include <stdlib.h>
#include <string.h>

#include "native.h"

#define SMALL 65536
#define PAINT 0xa5

struct thread {
  pthread_t id;
  call *made;
  unsigned char *stack; /* SMALL bytes, if it is one of ours */
  bool is_done; /* set by the thread as the last thing */
};

static int running;

static void *run(void *argument) {
  thread *t = argument;
  call_make(t->made);
  __atomic_store_n(&t->is_done, true, __ATOMIC_RELEASE);
  __atomic_sub_fetch(&running, 1, __ATOMIC_ACQ_REL);
  return NULL;
}

static thread *begin(call *c, unsigned char *stack) {
  thread *t = check_memory(calloc(1, sizeof *t));
  t->made = c;
  t->stack = stack;
  __atomic_add_fetch(&running, 1, __ATOMIC_ACQ_REL);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  if (stack && pthread_attr_setstack(&attributes, stack, SMALL) != 0) abort();
  if (pthread_create(&t->id, &attributes, run, t) != 0) abort();
  pthread_attr_destroy(&attributes);
  return t;
}

thread *thread_start(call *c) {
  return begin(c, NULL);
}

thread *thread_start_small(call *c) {
  unsigned char *stack = check_memory(aligned_alloc(4096, SMALL));
  memset(stack, PAINT, SMALL);
  return begin(c, stack);
}

static size_t used_of(const unsigned char *stack) {
  size_t clean = 0;
  while (clean < SMALL && stack[clean] == PAINT) clean++;
  return SMALL - clean;
}

call *thread_join(thread *t) {
  if (pthread_join(t->id, NULL) != 0) abort();
  call *c = t->made;
  if (t->stack) out_unsigned(c, used_of(t->stack));
  free(t->stack);
  free(t);
  return c;
}

int thread_count(void) {
  return __atomic_load_n(&running, __ATOMIC_ACQUIRE);
}

static thread **check_thread(lua_State *L) {
  thread **place = luaL_checkudata(L, 1, "native.thread");
  if (!*place) luaL_error(L, "this thread was joined before");
  return place;
}

static int push_thread(lua_State *L, thread *(*begin)(call *)) {
  call *c = call_read(L, 1);
  thread **place = lua_newuserdata(L, sizeof *place);
  *place = begin(c);
  luaL_getmetatable(L, "native.thread");
  lua_setmetatable(L, -2);
  return 1;
}

/* start(name, pointer, arguments...) */
static int start(lua_State *L) {
  return push_thread(L, thread_start);
}

/* start_small(name, pointer, arguments...): the last result is how many bytes of its stack the thread has used. */
static int start_small(lua_State *L) {
  return push_thread(L, thread_start_small);
}

/* thread:is_done() */
static int is_done(lua_State *L) {
  lua_pushboolean(L, __atomic_load_n(&(*check_thread(L))->is_done, __ATOMIC_ACQUIRE));
  return 1;
}

/* thread:join(): the results of its call. Blocks. */
static int join(lua_State *L) {
  thread **place = check_thread(L);
  thread *t = *place;
  *place = NULL;
  return call_push(L, thread_join(t));
}

/* running(): how many threads have not ended. */
static int count(lua_State *L) {
  lua_pushinteger(L, thread_count());
  return 1;
}

int thread_open(lua_State *L) {
  /* No finaliser: a thread that nobody joins goes on. */
  luaL_newmetatable(L, "native.thread");
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, is_done);
  lua_setfield(L, -2, "is_done");
  lua_pushcfunction(L, join);
  lua_setfield(L, -2, "join");
  lua_pop(L, 1);
  lua_pushcfunction(L, start);
  lua_setfield(L, -2, "start");
  lua_pushcfunction(L, start_small);
  lua_setfield(L, -2, "start_small");
  lua_pushcfunction(L, count);
  lua_setfield(L, -2, "running");
  return 0;
}
