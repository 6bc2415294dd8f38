/* SPDX-License-Identifier: MIT OR Apache-2.0
 * The buffer that one writes by hand to poll it: a ring under a mutex. LuaJIT reads this file too. */

/* Any thread; where the ring is full it waits. */
void ring_put(const char *data, size_t size);
/* The owner: copies the oldest string; gives its size, or -1 where there is none. */
int ring_take(char *data);
