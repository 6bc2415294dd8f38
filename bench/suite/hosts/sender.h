/* SPDX-License-Identifier: MIT OR Apache-2.0
 * The thread that wakes a host, and what it measures. LuaJIT reads this file too. */

/* `api` is moonport.api. A thread sends `count` messages to the port, irregularly, 2 ms apart in the mean; then nothing
 * for more than a second; then one more, the last. Not 0: failed. */
int sender_start(const void *api, uint64_t port, int count);

/* The first thing that the handler does: how many messages are still to come. */
int sender_heard(void);

/* After the last message. From just before a send to sender_heard, in nanoseconds: 1 a tenth, 2 the median, 3 nine tenths. */
double sender_took(int which);
/* How often the other threads of this process went to sleep in the second of silence. */
double sender_sleeps(void);

/* For a loop that only sleeps. */
void sender_pause(double seconds);
