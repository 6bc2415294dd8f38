/* SPDX-License-Identifier: MIT OR Apache-2.0
 * The Node-API contestant: a C function that copies its arguments and calls a thread-safe function, whose queue holds as
 * many as the others'; and one that waits for the answer. Both are called by caller.c, which is compiled into this. */
#include <node_api.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "caller.h"

enum { CAPACITY = 65536, MOST_ARGUMENTS = 3, LONGEST = 256 };

typedef struct message {
  size_t size;
  char text[];
} message;

typedef struct question {
  int number, answer;
  sem_t answered;
} question;

static napi_threadsafe_function texts, numbers;

static void must(napi_status status, const char *what) {
  if (status != napi_ok) napi_fatal_error("addon", NAPI_AUTO_LENGTH, what, NAPI_AUTO_LENGTH);
}

/* --- the caller's threads --- */

static void called_with_text(const char *data, size_t size) {
  message *copy = malloc(sizeof *copy + size);
  if (copy == NULL) abort();
  copy->size = size;
  memcpy(copy->text, data, size);
  must(napi_call_threadsafe_function(texts, copy, napi_tsfn_blocking), "call of a text");
}

static int called_with_number(int number) {
  question asked = {.number = number, .answer = -1};
  sem_init(&asked.answered, 0, 0);
  must(napi_call_threadsafe_function(numbers, &asked, napi_tsfn_blocking), "call of a number");
  while (sem_wait(&asked.answered) != 0) {
  }
  sem_destroy(&asked.answered);
  return asked.answer;
}

/* --- JavaScript's thread --- */

static napi_value call(napi_env env, napi_value handler, napi_value argument) {
  napi_value nothing, result;
  napi_get_undefined(env, &nothing);
  must(napi_call_function(env, nothing, handler, 1, &argument, &result), "handler");
  return result;
}

static void deliver_text(napi_env env, napi_value handler, void *unused, void *data) {
  (void)unused;
  message *copy = data;
  if (env != NULL) {
    napi_value text;
    /* The cheapest of Node-API's three; the texts are ASCII. */
    must(napi_create_string_latin1(env, copy->text, copy->size, &text), "string");
    call(env, handler, text);
  }
  free(copy);
}

static void deliver_number(napi_env env, napi_value handler, void *unused, void *data) {
  (void)unused;
  question *asked = data;
  if (env != NULL) {
    napi_value number;
    must(napi_create_int32(env, asked->number, &number), "number");
    must(napi_get_value_int32(env, call(env, handler, number), &asked->answer), "answer");
  }
  sem_post(&asked->answered);
}

static napi_value first_argument(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument;
  must(napi_get_cb_info(env, info, &count, &argument, NULL, NULL), "argument");
  return argument;
}

static napi_threadsafe_function make(napi_env env, napi_callback_info info, napi_threadsafe_function_call_js deliver) {
  napi_value name;
  napi_threadsafe_function made;
  must(napi_create_string_utf8(env, "moonport bench", NAPI_AUTO_LENGTH, &name), "name");
  napi_value handler = first_argument(env, info);
  must(napi_create_threadsafe_function(env, handler, NULL, name, CAPACITY, 1, NULL, NULL, NULL, deliver, &made), "function");
  return made;
}

/* text(handler), number(handler): who is called from now on. close() lets the process end. */
static napi_value set_text(napi_env env, napi_callback_info info) {
  texts = make(env, info, deliver_text);
  return NULL;
}

static napi_value set_number(napi_env env, napi_callback_info info) {
  numbers = make(env, info, deliver_number);
  return NULL;
}

static napi_value close_all(napi_env env, napi_callback_info info) {
  (void)env, (void)info;
  if (texts != NULL) napi_release_threadsafe_function(texts, napi_tsfn_release);
  if (numbers != NULL) napi_release_threadsafe_function(numbers, napi_tsfn_release);
  texts = numbers = NULL;
  return NULL;
}

static napi_value check(napi_env env, napi_callback_info info) {
  char text[LONGEST];
  size_t size = 0;
  must(napi_get_value_string_latin1(env, first_argument(env, info), text, sizeof text, &size), "text");
  caller_check(text, (int)size);
  return NULL;
}

/* --- caller.h, with numbers alone --- */

typedef double (*function)(const int *arguments);

static double flood(const int *a) { return caller_flood(called_with_text, a[0], a[1]); }
static double join(const int *a) { return (void)a, caller_join(); }
static double share(const int *a) { return (void)a, caller_share(); }
static double handled(const int *a) { return caller_handled(a[0]), 0; }
static double expect(const int *a) { return caller_expect(a[0]); }
static double corrupted(const int *a) { return (void)a, caller_corrupted(); }
static double ask(const int *a) { return caller_ask(called_with_number, a[0], a[1]); }
static double time_calls(const int *a) { return caller_time(called_with_text, a[0]); }
static double took(const int *a) { return caller_took(a[0]); }
static double place(const int *a) { return caller_place(a[0]); }
static double seconds(const int *a) { return caller_clock(a[0]); }

static napi_value call_function(napi_env env, napi_callback_info info) {
  size_t count = MOST_ARGUMENTS;
  napi_value given[MOST_ARGUMENTS], result;
  int arguments[MOST_ARGUMENTS] = {0};
  void *data;
  must(napi_get_cb_info(env, info, &count, given, NULL, &data), "arguments");
  for (size_t i = 0; i < count && i < MOST_ARGUMENTS; i++) {
    must(napi_get_value_int32(env, given[i], &arguments[i]), "a number");
  }
  must(napi_create_double(env, ((function)data)(arguments), &result), "result");
  return result;
}

static void export(napi_env env, napi_value exports, const char *name, napi_callback callback, void *data) {
  napi_value made;
  must(napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, data, &made), name);
  must(napi_set_named_property(env, exports, name, made), name);
}

NAPI_MODULE_INIT() {
  static const struct { const char *name; function function; } functions[] = {
    {"flood", flood}, {"join", join}, {"share", share}, {"handled", handled}, {"expect", expect}, {"corrupted", corrupted},
    {"ask", ask}, {"time", time_calls}, {"took", took}, {"place", place}, {"clock", seconds},
  };
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    export(env, exports, functions[i].name, call_function, (void *)functions[i].function);
  }
  export(env, exports, "text", set_text, NULL);
  export(env, exports, "number", set_number, NULL);
  export(env, exports, "close", close_all, NULL);
  export(env, exports, "check", check, NULL);
  return exports;
}
