/* SPDX-License-Identifier: MIT OR Apache-2.0
 * The C library whose threads hand strings to a Lua program, the program's main loop, and the clocks. It knows no Lua.
 * LuaJIT reads this file too. */
typedef void (*ways_call)(const char *data, size_t size);

/* GLib's loop, on this thread, until somebody quits it; any thread may. tick, if not NULL, is called every 10 ms. */
void ways_run(int (*tick)(void *));
void ways_quit(void);

/* Keeps this thread busy for so long. */
void ways_work(int milliseconds);

/* A thread makes so many calls, irregularly, 2 ms apart in the mean; then, if silent, none for two seconds; then one more. Not
 * 0: failed. */
int ways_delay(ways_call call, int count, int silent);
/* The first thing that the handler does: how many calls are still to come. */
int ways_heard(void);
/* After the last call: waits for the thread. Not 0: not every call came exactly once. */
int ways_delayed(void);
/* Then, at this place of a thousand, in nanoseconds: from just before a call to ways_heard; from there to its return. */
double ways_took(int place);
double ways_held(int place);
/* Of the two seconds: the process's CPU, in per cent of one core; how often a second its other threads went to sleep. */
double ways_idle_cpu(void);
double ways_idle_sleeps(void);

/* So many threads make `count` calls in all, flat out, each with a new string; join waits for them. Not 0: failed. */
int ways_flood(ways_call call, int count, int threads);
int ways_join(void);
/* They are at most 65,536 calls ahead of what the handler reports, at each multiple of share. */
int ways_share(void);
void ways_handled(int count);

/* So many threads call without end, 0.1 ms apart. */
int ways_torment(ways_call call, int threads);
