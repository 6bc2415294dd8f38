/* SPDX-License-Identifier: MIT OR Apache-2.0
 * C functions for compiled loops, called through LuaJIT's FFI library: each calls a callback back in every n-th call.
 * They count what they get, so that the loop has nothing to do but call. */

static void *callback;
static int every;
static int right, given_up, wrong;

/* The callback, and how often it is called; counts from 0 again. */
void loop_begin(void *pointer, int n) {
  callback = pointer;
  every = n;
  right = given_up = wrong = 0;
}

/* void (*)(int) */
void loop_post(int i) {
  if (i % every == 0) ((void (*)(int))callback)(i);
}

/* int (*)(int), whose handler answers i + 1 and whose default is -1. */
int loop_ask(int i) {
  if (i % every != 0) return 0;
  int answer = ((int (*)(int))callback)(i);
  if (answer == i + 1) {
    right++;
  } else if (answer == -1) {
    given_up++;
  } else {
    wrong++;
  }
  return answer;
}

int loop_right(void) {
  return right;
}

int loop_given_up(void) {
  return given_up;
}

int loop_wrong(void) {
  return wrong;
}
