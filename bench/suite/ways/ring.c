/* SPDX-License-Identifier: MIT OR Apache-2.0
 * See ring.h. */
#define _GNU_SOURCE
#include "senders.h"

#include "ring.h"

/* As many as may wait in the other ways. */
enum { SLOTS = 65536, ROOM = 64 };

static struct {
  pthread_mutex_t lock;
  uint32_t put, taken;
  struct { size_t size; char text[ROOM]; } slots[SLOTS];
} ring = {.lock = PTHREAD_MUTEX_INITIALIZER};

void ring_put(const char *data, size_t size) {
  if (size > ROOM) size = ROOM;
  pthread_mutex_lock(&ring.lock);
  while (ring.put - ring.taken == SLOTS) {
    pthread_mutex_unlock(&ring.lock);
    wait_for_room();
    pthread_mutex_lock(&ring.lock);
  }
  uint32_t at = ring.put++ % SLOTS;
  ring.slots[at].size = size;
  memcpy(ring.slots[at].text, data, size);
  pthread_mutex_unlock(&ring.lock);
}

int ring_take(char *data) {
  pthread_mutex_lock(&ring.lock);
  int size = -1;
  if (ring.put != ring.taken) {
    uint32_t at = ring.taken++ % SLOTS;
    size = (int)ring.slots[at].size;
    memcpy(data, ring.slots[at].text, ring.slots[at].size);
  }
  pthread_mutex_unlock(&ring.lock);
  return size;
}
