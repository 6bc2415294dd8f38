/* SPDX-License-Identifier: MIT OR Apache-2.0
 * What the parts of native.so share. A call is one native call through a callback's pointer, or a small program of
 * several, with all that it needs: nothing in it belongs to Lua, so that it can be made on any thread. */
#ifndef NATIVE_H
#define NATIVE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lauxlib.h>
#include <lua.h>

#define MOST 16

typedef enum { NOTHING, BOOLEAN, SIGNED, UNSIGNED, NUMBER, POINTER, TEXT } kind;

/* An argument, or a result. */
typedef struct value {
  kind kind;
  uint64_t bits; /* of an integer, a boolean or a pointer; the whole part of a number */
  double number;
  char *text; /* malloc */
  size_t size;
} value;

typedef struct call {
  void (*make)(struct call *);
  void *pointer;
  value in[MOST];
  int given;
  value out[MOST];
  int results;
  char *failed; /* malloc: why it could not be made as it should */
} call;

/* call.c: calls, on whichever thread. */
void call_make(call *c);
void call_forget(call *c);
void call_fail(call *c, const char *why);
int64_t in_integer(const call *c, int at);
double in_number(const call *c, int at);
void *in_pointer(const call *c, int at);
/* NULL for nil. */
char *in_text(const call *c, int at);
/* The size of the text at `at`, or the number behind it if one was given. */
size_t in_size(const call *c, int at);
void out_boolean(call *c, bool value);
void out_signed(call *c, int64_t value);
void out_unsigned(call *c, uint64_t value);
void out_number(call *c, double value);
void out_pointer(call *c, void *value);
/* A copy of these bytes; NULL is nil. */
void out_text(call *c, const char *text, size_t size);
void *check_memory(void *memory);

/* signatures.c: how a function of this C type is called; NULL for an unknown name. */
void (*signature_find(const char *name))(call *);

/* programs.c: the same for programs of several calls. */
void (*program_find(const char *name))(call *);
/* Lets programs that wait for it go on. */
void gate_open(void);

/* lua.c: between Lua and calls. */
void *check_pointer(lua_State *L, int at);
/* The call of `name, pointer, arguments...` from `at` on. */
call *call_read(lua_State *L, int at);
/* Pushes the results, says how many, and frees the call. */
int call_push(lua_State *L, call *c);

/* thread.c */
typedef struct thread thread;
thread *thread_start(call *c);
/* On a small stack; how much of it was used is one more result. */
thread *thread_start_small(call *c);
call *thread_join(thread *t);
int thread_open(lua_State *L);
/* Threads started in this process that have not ended. */
int thread_count(void);

/* process.c: functions for Lua that concern the whole process. */
extern const luaL_Reg process_functions[];
void make_state(call *c);
void make_in_a_fork(call *c);

#endif
