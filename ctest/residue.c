/* SPDX-License-Identifier: MIT OR Apache-2.0
 * A thread that sends once and ends leaves nothing behind. */
#include <unistd.h>

#include "host.h"

#define THREADS 10000
#define WARM 2000

static moonport_port port;

static void *send_once(void *context) {
  CHECK_STATUS(MOONPORT_OK, moonport_send(port, context, strlen(context), 0, 0));
  return NULL;
}

static long resident_bytes(void) {
  long size, resident;
  FILE *file = fopen("/proc/self/statm", "r");
  CHECK(file);
  CHECK_INT(2, fscanf(file, "%ld %ld", &size, &resident));
  fclose(file);
  return resident * sysconf(_SC_PAGESIZE);
}

int main(void) {
  host h;
  host_open(&h);
  host_run(&h, "count = 0 port = moonport.port() port:on(function() count = count + 1 end)");
  port = host_port(&h, "port");
  static char text[200];
  memset(text, 'x', sizeof text - 1);
  long warm = 0;
  for (int i = 1; i <= THREADS; i++) {
    on_thread(send_once, text);
    if (i % 100 == 0) {
      host_drain(&h);
      lua_gc(h.lua, LUA_GCCOLLECT, 0);
    }
    if (i == WARM) warm = resident_bytes();
  }
  long last = resident_bytes();
  CHECK_INT(THREADS, atoi(host_text(&h, "count")));
  if (last - warm > 1 << 20) {
    fprintf(stderr, "%s:%d: %ld bytes after %d threads, %ld after %d\n", __FILE__, __LINE__, warm, WARM, last, THREADS);
    return 1;
  }
  host_close(&h);
  return 0;
}
