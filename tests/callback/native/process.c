/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Calls at the edges of a process: in a forked child, while it exits, in a finaliser, in another Lua state. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lualib.h>

#include "native.h"

/* A child that hangs ends by SIGALRM. */
#define PATIENCE 10

/* The exit status of a child, or minus the signal that ended it. */
static int wait_for(pid_t child) {
  int status;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) abort();
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static pid_t fork_in_time(void) {
  pid_t child = fork();
  if (child < 0) abort();
  if (child == 0) alarm(PATIENCE);
  return child;
}

/* int (int) in a fork(pointer, number): the child of this thread calls; its status is the result. */
void make_in_a_fork(call *c) {
  int before = errno;
  pid_t child = fork_in_time();
  if (child == 0) _exit(((int (*)(int))c->pointer)((int)in_integer(c, 0)) & 0xff);
  out_signed(c, wait_for(child));
  errno = before;
}

/* in_a_fork(fn): the child calls fn() and ends with its result as status, or 255 if it raises an error. The status. */
static int in_a_fork(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  pid_t child = fork_in_time();
  if (child == 0) {
    lua_settop(L, 1);
    if (lua_pcall(L, 0, 1, 0) == 0) _exit((int)lua_tointeger(L, -1) & 0xff);
    fprintf(stderr, "in the child: %s\n", lua_tostring(L, -1));
    _exit(255);
  }
  lua_pushinteger(L, wait_for(child));
  return 1;
}

/* What is called when the process exits: each call once on the main thread, once on another. */
typedef struct late_call {
  call *here, *there;
  int expected, other; /* the results that are right */
} late_call;

static late_call late_calls[MOST];
static int late_count;

static void check_late(const late_call *late, const call *made, const char *where) {
  int64_t result = made->results ? (int64_t)made->out[0].bits : late->expected;
  if (!made->failed && (result == late->expected || result == late->other)) return;
  fprintf(stderr, "a call %s at exit gave %lld, not %d or %d (%s)\n", where, (long long)result, late->expected,
          late->other, made->failed ? made->failed : "no failure");
  _exit(1);
}

static void call_late(void) {
  for (int i = 0; i < late_count; i++) {
    late_call *late = &late_calls[i];
    call_make(late->here);
    check_late(late, late->here, "here");
    check_late(late, thread_join(thread_start(late->there)), "on another thread");
  }
  printf("%d late calls\nok\n", 2 * late_count);
  fflush(stdout);
}

/* at_exit(expected, other, name, pointer, arguments...): its result, if it has one, is to be one of the two numbers. */
static int at_exit(lua_State *L) {
  luaL_argcheck(L, late_count < MOST, 1, "too many calls");
  late_calls[late_count] = (late_call){
      .expected = (int)luaL_checkinteger(L, 1),
      .other = (int)luaL_checkinteger(L, 2),
      .here = call_read(L, 3),
      .there = call_read(L, 3),
  };
  if (late_count++ == 0 && atexit(call_late) != 0) abort();
  return 0;
}

/* Results of finalisers, the last one's. */
static call *finalised;
static int finalised_count;

static int finalise(lua_State *L) {
  call **place = lua_touserdata(L, 1);
  if (finalised) call_forget(finalised);
  finalised = *place;
  call_make(finalised);
  finalised_count++;
  return 0;
}

/* finaliser(name, pointer, arguments...): a userdata whose finaliser makes the call. */
static int finaliser(lua_State *L) {
  call *c = call_read(L, 1);
  call **place = lua_newuserdata(L, sizeof *place);
  *place = c;
  lua_newtable(L);
  lua_pushcfunction(L, finalise);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  return 1;
}

/* aim(userdata, pointer): what a finaliser calls, if that was not known when it was made. */
static int aim(lua_State *L) {
  call **place = lua_touserdata(L, 1);
  luaL_argcheck(L, place, 1, "a finaliser expected");
  (*place)->pointer = check_pointer(L, 2);
  return 0;
}

/* finalised_results(): how many finalisers have run since the last time, and the results of the last. */
static int finalised_results(lua_State *L) {
  lua_pushinteger(L, finalised_count);
  finalised_count = 0;
  if (!finalised) return 1;
  call *c = finalised;
  finalised = NULL;
  return 1 + call_push(L, c);
}

static void set_path(lua_State *L, const char *field, const char *path) {
  lua_getglobal(L, "package");
  lua_pushstring(L, path);
  lua_setfield(L, -2, field);
  lua_pop(L, 1);
}

/* An executable with Lua inside brings the module itself. */
static void preload(lua_State *L) {
  lua_CFunction open = (lua_CFunction)dlsym(RTLD_DEFAULT, "luaopen_moonport");
  if (!open) return;
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "preload");
  lua_pushcfunction(L, open);
  lua_setfield(L, -2, "moonport");
  lua_pop(L, 2);
}

/* (path, cpath, code, arguments...): a state that lives as long as its code runs. Arguments are texts and numbers. */
void make_state(call *c) {
  int before = errno;
  lua_State *L = check_memory(luaL_newstate());
  luaL_openlibs(L);
  set_path(L, "path", in_text(c, 0));
  set_path(L, "cpath", in_text(c, 1));
  preload(L);
  int failed = luaL_loadstring(L, in_text(c, 2));
  for (int i = 3; !failed && i < c->given; i++) {
    if (in_text(c, i)) {
      lua_pushstring(L, in_text(c, i));
    } else {
      lua_pushnumber(L, in_number(c, i));
    }
  }
  if (failed || lua_pcall(L, c->given - 3, 0, 0) != 0) {
    const char *message = lua_tostring(L, -1);
    call_fail(c, message ? message : "an error in the other state");
  }
  lua_close(L);
  errno = before;
}

const luaL_Reg process_functions[] = {
    {"in_a_fork", in_a_fork},
    {"at_exit", at_exit},
    {"finaliser", finaliser},
    {"aim", aim},
    {"finalised_results", finalised_results},
    {NULL, NULL},
};
