/* SPDX-License-Identifier: MIT OR Apache-2.0
 * The library that all contestants are given: its threads call function pointers. It counts and checks what arrives, and
 * has the clocks. LuaJIT reads this file too. */
typedef void (*caller_text)(const char *data, size_t size);
typedef int (*caller_number)(int number);

/* `threads` threads make `count` calls in all, each with a new string of 64 bytes; join waits for their end. Not 0: failed. */
int caller_flood(caller_text callback, int count, int threads);
int caller_join(void);

/* How far the threads may be ahead. A handler reports its count at each multiple of share. */
void *caller_window(void);
int caller_share(void);
void caller_handled(int count);

/* Every handler of a checked run hands over what it got. Corrupted: not a text of this run, or one that came before. */
int caller_expect(int count);
void caller_check(const char *text, int size);
int caller_corrupted(void);

/* One thread makes `count` calls, each timed alone: round trips to a sleeping owner, from that core; or calls as in a flood. */
int caller_ask(caller_number callback, int count, int core);
int caller_time(caller_text callback, int count);
/* What they took, in nanoseconds: 1 a tenth, 2 the median, 3 nine tenths. Waits for the thread. -1: an answer was wrong. */
double caller_took(int which);

/* The calling thread runs on this core; -1: on any. */
int caller_place(int core);
/* Seconds of a clock of clock_gettime: 1 monotonic, 2 this process, 3 this thread. */
double caller_clock(int which);
