/* SPDX-License-Identifier: MIT OR Apache-2.0
 * An owner in C: a Lua state with the module, driven by poll and moonport_step, and threads around it. */
#ifndef CTEST_HOST_H
#define CTEST_HOST_H

#include <pthread.h>
#include <stdbool.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "../include/moonport.h"
#include "check.h"

typedef struct host {
  lua_State *lua;
  moonport_state state;
  char text[4096];
} host;

/* A state with the global `moonport`. */
void host_open(host *h);
void host_close(host *h);
/* Runs a chunk; false and h->text if it raises an error. */
bool host_try(host *h, const char *chunk);
/* Runs a chunk that must not fail. */
void host_run(host *h, const char *chunk);
/* The value of an expression, as tostring shows it; good until the next call. */
const char *host_text(host *h, const char *expression);
bool host_true(host *h, const char *expression);
/* The handle of the Port that the expression gives. */
moonport_port host_port(host *h, const char *expression);
/* Steps until nothing waits. */
void host_drain(host *h);
/* Sleeps on the descriptor and steps until done(context), at most so many seconds: was it done? */
bool host_until(host *h, bool (*done)(void *context), void *context, double seconds);
/* The same until an expression is true. */
bool host_until_true(host *h, const char *expression, double seconds);

double seconds_now(void);
pthread_t thread_start(void *(*function)(void *), void *context);
void thread_join(pthread_t thread);
/* Runs it on a thread of its own, to the end. */
void on_thread(void *(*function)(void *), void *context);

#endif
