/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Memory that is given away is freed exactly once, however its message ends. */
#include <stdatomic.h>

#include "host.h"

/* One allocation: freed counts its frees. The sanitizer sees the memory itself freed twice or never. */
struct parcel {
  moonport_port port;
  const char *text;
  size_t size;
  uint32_t codec;
  bool no_free_fn;
  int code;
  void *data;
  atomic_int freed;
};

static void free_parcel(void *data, size_t size, void *context) {
  struct parcel *parcel = context;
  CHECK(data == parcel->data);
  CHECK_INT(parcel->size, size);
  atomic_fetch_add(&parcel->freed, 1);
  free(data);
}

static void *give(void *context) {
  struct parcel *parcel = context;
  parcel->data = malloc(parcel->size ? parcel->size : 1);
  CHECK(parcel->data);
  memset(parcel->data, 'x', parcel->size);
  size_t length = strlen(parcel->text);
  memcpy(parcel->data, parcel->text, length < parcel->size ? length : parcel->size);
  parcel->code = moonport_send_owned(parcel->port, parcel->data, parcel->size, parcel->codec, 7,
                                     parcel->no_free_fn ? NULL : free_parcel, parcel);
  return NULL;
}

/* Gives one from a foreign thread. */
static struct parcel *parcel(moonport_port port, const char *text, size_t size, uint32_t codec) {
  struct parcel *parcel = calloc(1, sizeof *parcel);
  CHECK(parcel);
  *parcel = (struct parcel){.port = port, .text = text, .size = size, .codec = codec};
  on_thread(give, parcel);
  return parcel;
}

/* It was freed once, and is forgotten. */
static void once(struct parcel *parcel, int code) {
  CHECK_STATUS(code, parcel->code);
  CHECK_INT(1, atomic_load(&parcel->freed));
  free(parcel);
}

static moonport_port open_port(host *h, const char *options) {
  char chunk[512];
  snprintf(chunk, sizeof chunk,
           "got = {} port = moonport.port{%s} port:on(function(value, message) got[#got + 1] = value tag = message.tag end)",
           options);
  host_run(h, chunk);
  return host_port(h, "port");
}

static void delivered(host *h) {
  moonport_port port = open_port(h, "");
  /* Short and long: whichever way the module keeps them. */
  struct parcel *parcels[] = {parcel(port, "", 0, 0), parcel(port, "short", 5, 0), parcel(port, "long", 100000, 0),
                              parcel(port, "[1,2]", 5, MOONPORT_JSON), parcel(port, "\x93\1\2\3", 4, MOONPORT_MSGPACK)};
  for (int i = 0; i < 5; i++) CHECK_INT(0, atomic_load(&parcels[i]->freed));
  host_drain(h);
  for (int i = 0; i < 5; i++) once(parcels[i], MOONPORT_OK);
  CHECK_TEXT("5", host_text(h, "#got"));
  CHECK_TEXT("7", host_text(h, "tag"));
  CHECK(host_true(h, "got[1] == '' and got[2] == 'short' and got[3] == 'long' .. ('x'):rep(99996)"));
  CHECK(host_true(h, "#got[4] == 2 and got[4][2] == 2 and #got[5] == 3"));
  host_run(h, "port:close()");
}

static void received_and_failed(host *h) {
  moonport_port port = open_port(h, "");
  host_run(h, "port:on(nil)");
  struct parcel *received = parcel(port, "one", 3, 0);
  CHECK(host_true(h, "select(2, port:receive()) == 'one'"));
  once(received, MOONPORT_OK);
  /* The handler raises an error. */
  host_run(h, "port:on(function() error('on purpose') end)");
  struct parcel *failed = parcel(port, "two", 3, 0);
  host_drain(h);
  once(failed, MOONPORT_OK);
  host_run(h, "port:close()");
}

static void refused(host *h) {
  moonport_port port = open_port(h, "capacity = 1, capacity_bytes = 50");
  struct parcel *first = parcel(port, "a", 1, 0);
  once(parcel(port, "b", 1, 0), MOONPORT_FULL);
  once(parcel(port, "c", 51, 0), MOONPORT_TOO_BIG);
  once(parcel(port, "d", 1, 4), MOONPORT_INVALID);
  once(parcel(port, "e", 1, UINT32_MAX), MOONPORT_INVALID);
  once(parcel(port, "[1,", 3, MOONPORT_JSON), MOONPORT_INVALID);
  once(parcel(port, "\x93\1", 2, MOONPORT_MSGPACK), MOONPORT_INVALID);
  once(parcel(port, "", 0, MOONPORT_JSON), MOONPORT_INVALID);
  once(parcel((moonport_port){0}, "f", 1, 0), MOONPORT_CLOSED);
  once(parcel((moonport_port){UINT64_MAX}, "g", 1, 0), MOONPORT_CLOSED);
  CHECK_INT(0, atomic_load(&first->freed));
  host_drain(h);
  once(first, MOONPORT_OK);

  struct parcel null = {.port = port, .text = "h", .size = 1, .no_free_fn = true};
  on_thread(give, &null);
  CHECK_STATUS(MOONPORT_INVALID, null.code);
  free(null.data);

  /* Null memory of some size cannot be read, but is the caller's own to free. */
  struct parcel nothing = {.size = 5};
  CHECK_STATUS(MOONPORT_INVALID, moonport_send_owned(port, NULL, 5, 0, 0, free_parcel, &nothing));
  CHECK_INT(1, atomic_load(&nothing.freed));
  /* A size that no memory has. */
  nothing = (struct parcel){.size = SIZE_MAX};
  char *somewhere = malloc(1);
  nothing.data = somewhere;
  CHECK_STATUS(MOONPORT_TOO_BIG, moonport_send_owned(port, somewhere, SIZE_MAX, 0, 0, free_parcel, &nothing));
  CHECK_INT(1, atomic_load(&nothing.freed));

  host_run(h, "port:close()");
  once(parcel(port, "i", 1, 0), MOONPORT_CLOSED);
}

static void dropped(host *h) {
  moonport_port port = open_port(h, "capacity = 2, overflow = 'drop_new'");
  struct parcel *parcels[4];
  for (int i = 0; i < 4; i++) parcels[i] = parcel(port, &"abcd"[i], 1, 0);
  once(parcels[2], MOONPORT_DROPPED);
  once(parcels[3], MOONPORT_DROPPED);
  host_drain(h);
  once(parcels[0], MOONPORT_OK);
  once(parcels[1], MOONPORT_OK);
  CHECK_TEXT("ab", host_text(h, "table.concat(got)"));
  host_run(h, "port:close()");

  port = open_port(h, "capacity = 2, overflow = 'drop_old'");
  for (int i = 0; i < 4; i++) parcels[i] = parcel(port, &"abcd"[i], 1, 0);
  once(parcels[0], MOONPORT_OK);
  once(parcels[1], MOONPORT_OK);
  host_drain(h);
  once(parcels[2], MOONPORT_DROPPED);
  once(parcels[3], MOONPORT_DROPPED);
  CHECK_TEXT("cd", host_text(h, "table.concat(got)"));
  host_run(h, "port:close()");

  port = open_port(h, "overflow = 'latest'");
  for (int i = 0; i < 4; i++) parcels[i] = parcel(port, &"abcd"[i], 1, 0);
  once(parcels[0], MOONPORT_OK);
  for (int i = 1; i < 3; i++) once(parcels[i], MOONPORT_DROPPED);
  CHECK_INT(0, atomic_load(&parcels[3]->freed));
  host_drain(h);
  once(parcels[3], MOONPORT_DROPPED);
  CHECK_TEXT("d", host_text(h, "table.concat(got)"));
  host_run(h, "port:close()");
}

/* The sender waits for room when the port closes. */
static void closed_while_blocked(host *h) {
  moonport_port port = open_port(h, "capacity = 1, overflow = 'block'");
  struct parcel *first = parcel(port, "a", 1, 0);
  struct parcel waiting = {.port = port, .text = "b", .size = 1};
  pthread_t thread = thread_start(give, &waiting);
  /* At whichever point the close meets the sender, the result is the same. */
  host_run(h, "port:close()");
  thread_join(thread);
  CHECK_STATUS(MOONPORT_CLOSED, waiting.code);
  CHECK_INT(1, atomic_load(&waiting.freed));
  host_drain(h);
  once(first, MOONPORT_OK);

  port = open_port(h, "capacity = 1, overflow = 'block'");
  first = parcel(port, "a", 1, 0);
  struct parcel late = {.port = port, .text = "b", .size = 1};
  give(&late);
  CHECK_STATUS(MOONPORT_WOULD_DEADLOCK, late.code);
  CHECK_INT(1, atomic_load(&late.freed));
  host_run(h, "port:close()");
  host_drain(h);
  once(first, MOONPORT_OK);
}

static void *close_port(void *context) {
  moonport_port *port = context;
  CHECK_STATUS(MOONPORT_OK, moonport_close(*port));
  return NULL;
}

/* What waits at a close is freed by the next step of the owner at the latest; policies that keep their messages at the
 * port itself included. */
static void discarded_at_close(void) {
  static const char *const policies[] = {"error", "drop_new", "drop_old", "latest", "block"};
  static const char *const closes[] = {"port:close()", "moonport.shutdown()", "lua_close", "moonport_close",
                                       "port:on(nil) port:close()", "port = nil collectgarbage() collectgarbage()"};
  for (int policy = 0; policy < 5; policy++) {
    for (int close = 0; close < 6; close++) {
      host h;
      host_open(&h);
      char options[64];
      snprintf(options, sizeof options, "overflow = '%s'", policies[policy]);
      moonport_port port = open_port(&h, options);
      moonport_port other = host_port(&h, "(function() other = moonport.port() other:on(function() end) return other end)()");
      /* One that the owner has fetched, with another port's before it, and one that it has not. */
      struct parcel *before = parcel(other, "0", 1, 0);
      struct parcel *fetched = parcel(port, "1", 1, 0);
      CHECK_INT(1, moonport_step(h.state, 1, 0));
      once(before, MOONPORT_OK);
      struct parcel *waiting = parcel(port, "2", 1, 0);
      if (close == 2) {
        host_close(&h);
      } else if (close == 3) {
        on_thread(close_port, &port);
      } else {
        host_run(&h, closes[close]);
      }
      if (h.lua) host_drain(&h);
      if (close == 5) CHECK_TEXT("2", host_text(&h, policy == 3 ? "#got + 1" : "#got"));
      once(fetched, MOONPORT_OK);
      once(waiting, policy == 3 ? MOONPORT_DROPPED : MOONPORT_OK);
      if (close != 5) once(parcel(port, "3", 1, 0), MOONPORT_CLOSED);
      if (h.lua) host_close(&h);
    }
  }
}

/* A free function may call us: no lock is held while it runs. */
struct again {
  moonport_port port;
  int code;
};

static void send_again(void *data, size_t size, void *context) {
  struct again *again = context;
  (void)size;
  free(data);
  again->code = moonport_send(again->port, "from free", 9, 0, 0);
  moonport_port_stats stats = {.struct_size = sizeof stats};
  moonport_port_stats_get(again->port, &stats);
}

static void the_free_function_sends(host *h) {
  const char *options[] = {"", "capacity = 1, overflow = 'latest'", "capacity = 1, overflow = 'drop_new'",
                           "capacity = 1, overflow = 'drop_old'", "capacity = 1"};
  int codes[] = {MOONPORT_OK, MOONPORT_DROPPED, MOONPORT_DROPPED, MOONPORT_DROPPED, MOONPORT_FULL};
  for (int i = 0; i < 5; i++) {
    struct again again = {open_port(h, options[i]), 99};
    CHECK_STATUS(MOONPORT_OK, moonport_send_owned(again.port, malloc(8), 8, 0, 0, send_again, &again));
    if (i > 0) moonport_send(again.port, "x", 1, 0, 0);
    if (i > 2) moonport_send_owned(again.port, malloc(8), 8, 0, 0, send_again, &again);
    if (i == 1 || i >= 3) CHECK_STATUS(codes[i], again.code);
    host_drain(h);
    CHECK(again.code != 99);
    host_run(h, "port:close()");
    host_drain(h);
  }
}

int main(void) {
  host h;
  host_open(&h);
  host_run(&h, "moonport.on_error(function() end)");
  delivered(&h);
  received_and_failed(&h);
  refused(&h);
  dropped(&h);
  closed_while_blocked(&h);
  the_free_function_sends(&h);
  host_close(&h);
  discarded_at_close();
  return 0;
}
