/* SPDX-License-Identifier: MIT OR Apache-2.0
 * The queue that one writes by hand: a list under a mutex, taken as a whole by a uv_async_t of luv's loop. It is bounded as
 * a port is, at 65,536 waiting messages, and senders signal only when the list was empty. */
#include <uv.h>

#include "lua51.h"
#include "senders.h"

extern uv_loop_t *luv_loop(lua_State *);

enum { CAPACITY = 65536 };

typedef struct node {
  struct node *next;
  size_t size;
  char text[];
} node;

static struct {
  pthread_mutex_t lock;
  node *first, **last;
  size_t waiting;
  uv_async_t async;
  lua_State *L;
  int handler;
  senders senders;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int put(void *unused, const char *text, size_t size) {
  (void)unused;
  node *message = malloc(sizeof *message + size);
  if (message == NULL) return -1;
  message->next = NULL;
  message->size = size;
  memcpy(message->text, text, size);
  pthread_mutex_lock(&queue.lock);
  while (queue.waiting >= CAPACITY) {
    pthread_mutex_unlock(&queue.lock);
    wait_for_room();
    pthread_mutex_lock(&queue.lock);
  }
  int was_empty = queue.first == NULL;
  *queue.last = message;
  queue.last = &message->next;
  queue.waiting++;
  pthread_mutex_unlock(&queue.lock);
  if (was_empty) uv_async_send(&queue.async);
  return 0;
}

static node *take_all(void) {
  pthread_mutex_lock(&queue.lock);
  node *batch = queue.first;
  queue.first = NULL;
  queue.last = &queue.first;
  queue.waiting = 0;
  pthread_mutex_unlock(&queue.lock);
  return batch;
}

static void deliver(uv_async_t *async) {
  (void)async;
  lua_State *L = queue.L;
  lua_rawgeti(L, LUA_REGISTRYINDEX, queue.handler);
  for (node *message = take_all(), *next; message != NULL; message = next) {
    next = message->next;
    lua_pushvalue(L, -1);
    lua_pushlstring(L, message->text, message->size);
    free(message);
    if (lua_pcall(L, 1, 0, 0) != 0) {
      fprintf(stderr, "queue: %s\n", lua_tolstring(L, -1, NULL));
      abort();
    }
  }
  lua_pop(L, 1);
}

/* start(handler, size, count, threads[, window as text]); then uv.run() */
static int start(lua_State *L) {
  size_t size = (size_t)luaL_checkinteger(L, 2);
  uint64_t count = (uint64_t)luaL_checkinteger(L, 3);
  int threads = (int)luaL_checkinteger(L, 4);
  lua_pushvalue(L, 1);
  queue.handler = luaL_ref(L, LUA_REGISTRYINDEX);
  queue.L = L;
  queue.last = &queue.first;
  if (uv_async_init(luv_loop(L), &queue.async, deliver) != 0) return luaL_error(L, "queue: no uv_async_t");
  window *window = (void *)(uintptr_t)address(L, 5);
  int status = senders_start(&queue.senders, put, NULL, window, size, count, threads);
  return status != 0 ? luaL_error(L, "queue: no thread") : 0;
}

/* finish(), after uv.run(); one more uv.run() lets the handle close. */
static int finish(lua_State *L) {
  int failed = senders_join(&queue.senders);
  luaL_unref(L, LUA_REGISTRYINDEX, queue.handler);
  uv_close((uv_handle_t *)&queue.async, NULL);
  return failed ? luaL_error(L, "queue: a sender gave up") : 0;
}

int luaopen_queue(lua_State *L) {
  static const luaL_Reg functions[] = {{"start", start}, {"finish", finish}, {NULL, NULL}};
  lua_createtable(L, 0, 2);
  luaL_register(L, NULL, functions);
  return 1;
}
