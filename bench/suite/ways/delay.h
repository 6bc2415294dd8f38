/* SPDX-License-Identifier: MIT OR Apache-2.0
 * How soon after a call its handler begins, and what the process costs while nobody calls. LuaJIT reads this file too. */
typedef void (*delay_callback)(int number);

/* A thread makes `count` calls, 1 to 3 ms apart, after some that are not counted; then it looks for a second at a process in
 * which nothing happens; then it makes one call more. Not 0: no thread. */
int delay_start(delay_callback callback, int count);
/* The first thing that each handler does: how many calls are still to come. */
int delay_heard(void);
/* Waits for the thread: the CPU time of the silent second, in percent of one core. -1: not every call came exactly once. */
double delay_idle(void);
/* What the calls took, in nanoseconds: 1 a tenth, 2 the median, 3 nine tenths, 4 all but one of a hundred. */
double delay_took(int which);
/* The calling thread sleeps. */
void delay_pause(double seconds);
