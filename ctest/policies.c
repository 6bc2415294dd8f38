/* SPDX-License-Identifier: MIT OR Apache-2.0
 * What becomes of ten messages where four have room, under each policy: by count and by bytes. */
#include "host.h"

struct sends {
  moonport_port port;
  int first;
  int count;
  int width; /* digits of each message */
  char codes[16];
};

/* One letter for each send: what it returned. */
static void *send_all(void *context) {
  struct sends *sends = context;
  for (int i = 0; i < sends->count; i++) {
    char text[64];
    int size = snprintf(text, sizeof text, "%0*d", sends->width, sends->first + i);
    int code = moonport_send(sends->port, text, (size_t)size, 0, 0);
    sends->codes[i] = code == MOONPORT_OK        ? 'o'
                      : code == MOONPORT_DROPPED ? 'd'
                      : code == MOONPORT_FULL    ? 'f'
                                                 : '?';
  }
  sends->codes[sends->count] = '\0';
  return NULL;
}

/* For "block" too, where moonport_send would hold this thread for 5 s each time. */
static void *send_all_within(void *context) {
  struct sends *sends = context;
  for (int i = 0; i < sends->count; i++) {
    char text[64];
    int size = snprintf(text, sizeof text, "%0*d", sends->width, sends->first + i);
    int code = moonport_send_within(sends->port, text, (size_t)size, 0, 0, 0.001);
    sends->codes[i] = code == MOONPORT_OK ? 'o' : code == MOONPORT_TIMEOUT ? 't' : '?';
  }
  sends->codes[sends->count] = '\0';
  return NULL;
}

static moonport_port open_port(host *h, const char *policy, const char *limits) {
  char chunk[512];
  snprintf(chunk, sizeof chunk,
           "got = {} port = assert(moonport.port{overflow = '%s', %s})"
           "port:on(function(value) got[#got + 1] = value end)",
           policy, limits);
  host_run(h, chunk);
  return host_port(h, "port");
}

static void check_stats(moonport_port port, const char *expected) {
  moonport_port_stats stats = {.struct_size = sizeof stats};
  char text[256];
  CHECK_STATUS(MOONPORT_OK, moonport_port_stats_get(port, &stats));
  snprintf(text, sizeof text, "sent %d delivered %d dropped %d refused %d waiting %d:%d high %d after %d",
           (int)stats.sent, (int)stats.delivered, (int)stats.dropped, (int)stats.refused, (int)stats.waiting,
           (int)stats.waiting_bytes, (int)stats.high_water, (int)stats.after_close);
  CHECK_TEXT(expected, text);
}

struct row {
  const char *policy;
  void *(*sender)(void *);
  const char *codes;
  const char *survivors;
  const char *before;
  const char *after;
};

static void by_count(host *h) {
  const struct row rows[] = {
      {"error", send_all, "ooooffffff", "1 2 3 4", "sent 4 delivered 0 dropped 0 refused 6 waiting 4:4 high 4 after 0",
       "sent 4 delivered 4 dropped 0 refused 6 waiting 0:0 high 4 after 0"},
      {"drop_new", send_all, "oooodddddd", "1 2 3 4",
       "sent 4 delivered 0 dropped 6 refused 0 waiting 4:4 high 4 after 0",
       "sent 4 delivered 4 dropped 6 refused 0 waiting 0:0 high 4 after 0"},
      {"drop_old", send_all, "oooodddddd", "7 8 9 10",
       "sent 10 delivered 0 dropped 6 refused 0 waiting 4:5 high 4 after 0",
       "sent 10 delivered 4 dropped 6 refused 0 waiting 0:0 high 4 after 0"},
      {"latest", send_all, "oddddddddd", "10", "sent 10 delivered 0 dropped 9 refused 0 waiting 1:2 high 1 after 0",
       "sent 10 delivered 1 dropped 9 refused 0 waiting 0:0 high 1 after 0"},
      {"block", send_all_within, "ooootttttt", "1 2 3 4",
       "sent 4 delivered 0 dropped 0 refused 6 waiting 4:4 high 4 after 0",
       "sent 4 delivered 4 dropped 0 refused 6 waiting 0:0 high 4 after 0"},
      /* send_within waits whatever the policy: nothing is dropped for it. */
      {"error", send_all_within, "ooootttttt", "1 2 3 4",
       "sent 4 delivered 0 dropped 0 refused 6 waiting 4:4 high 4 after 0",
       "sent 4 delivered 4 dropped 0 refused 6 waiting 0:0 high 4 after 0"},
      {"drop_old", send_all_within, "ooootttttt", "1 2 3 4",
       "sent 4 delivered 0 dropped 0 refused 6 waiting 4:4 high 4 after 0",
       "sent 4 delivered 4 dropped 0 refused 6 waiting 0:0 high 4 after 0"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct sends sends = {open_port(h, rows[i].policy, "capacity = 4"), 1, 10, 1, ""};
    on_thread(rows[i].sender, &sends);
    CHECK_TEXT(rows[i].codes, sends.codes);
    check_stats(sends.port, rows[i].before);
    host_drain(h);
    CHECK_TEXT(rows[i].survivors, host_text(h, "table.concat(got, ' ')"));
    check_stats(sends.port, rows[i].after);
    host_run(h, "port:close()");
  }
}

/* Ten messages of three bytes where ten bytes have room. */
static void by_bytes(host *h) {
  const struct row rows[] = {
      {"error", send_all, "ooofffffff", "001 002 003",
       "sent 3 delivered 0 dropped 0 refused 7 waiting 3:9 high 3 after 0", ""},
      {"drop_new", send_all, "oooddddddd", "001 002 003",
       "sent 3 delivered 0 dropped 7 refused 0 waiting 3:9 high 3 after 0", ""},
      {"drop_old", send_all, "oooddddddd", "008 009 010",
       "sent 10 delivered 0 dropped 7 refused 0 waiting 3:9 high 3 after 0", ""},
      {"latest", send_all, "oddddddddd", "010", "sent 10 delivered 0 dropped 9 refused 0 waiting 1:3 high 1 after 0",
       ""},
      {"block", send_all_within, "ooottttttt", "001 002 003",
       "sent 3 delivered 0 dropped 0 refused 7 waiting 3:9 high 3 after 0", ""},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct sends sends = {open_port(h, rows[i].policy, "capacity_bytes = 10"), 1, 10, 3, ""};
    on_thread(rows[i].sender, &sends);
    CHECK_TEXT(rows[i].codes, sends.codes);
    check_stats(sends.port, rows[i].before);
    /* A message that could never fit is told so, under every policy, and discards nothing. */
    moonport_port_stats before = {.struct_size = sizeof before}, after = before;
    CHECK_STATUS(MOONPORT_OK, moonport_port_stats_get(sends.port, &before));
    CHECK_STATUS(MOONPORT_TOO_BIG, moonport_send(sends.port, "12345678901", 11, 0, 0));
    CHECK_STATUS(MOONPORT_TOO_BIG, moonport_send_within(sends.port, "12345678901", 11, 0, 0, 60));
    CHECK_STATUS(MOONPORT_OK, moonport_port_stats_get(sends.port, &after));
    CHECK_INT(before.refused + 2, after.refused);
    CHECK_INT(before.dropped, after.dropped);
    host_drain(h);
    CHECK_TEXT(rows[i].survivors, host_text(h, "table.concat(got, ' ')"));
    /* Exactly as many bytes as there are have room. */
    CHECK_STATUS(MOONPORT_OK, moonport_send(sends.port, "1234567890", 10, 0, 0));
    host_drain(h);
    CHECK_TEXT("1234567890", host_text(h, "got[#got]"));
    host_run(h, "port:close()");
  }
}

/* One large message for which several small ones must go. */
static void drop_old_makes_room_for_a_large_one(host *h) {
  struct sends sends = {open_port(h, "drop_old", "capacity_bytes = 10"), 1, 3, 3, ""};
  on_thread(send_all, &sends);
  CHECK_TEXT("ooo", sends.codes);
  struct sends large = {sends.port, 7, 1, 7, ""};
  on_thread(send_all, &large);
  CHECK_TEXT("d", large.codes);
  check_stats(sends.port, "sent 4 delivered 0 dropped 2 refused 0 waiting 2:10 high 3 after 0");
  host_drain(h);
  CHECK_TEXT("003 0000007", host_text(h, "table.concat(got, ' ')"));
  host_run(h, "port:close()");
}

/* What the owner has fetched but not yet given to Lua may still be dropped. */
static void the_owner_is_in_the_middle(host *h) {
  struct sends sends = {open_port(h, "drop_old", "capacity = 4"), 1, 4, 1, ""};
  on_thread(send_all, &sends);
  CHECK_INT(1, moonport_step(h->state, 1, 0));
  struct sends more = {sends.port, 5, 4, 1, ""};
  on_thread(send_all, &more);
  CHECK_TEXT("oddd", more.codes);
  host_drain(h);
  CHECK_TEXT("1 5 6 7 8", host_text(h, "table.concat(got, ' ')"));
  check_stats(sends.port, "sent 8 delivered 5 dropped 3 refused 0 waiting 0:0 high 4 after 0");
  host_run(h, "port:close()");

  sends = (struct sends){open_port(h, "latest", "capacity = 4"), 1, 1, 1, ""};
  struct sends other = {host_port(h, "(function() first = moonport.port() first:on(function() end) return first end)()"),
                        0, 1, 1, ""};
  on_thread(send_all, &other);
  on_thread(send_all, &sends);
  CHECK_INT(1, moonport_step(h->state, 1, 0));
  more = (struct sends){sends.port, 2, 2, 1, ""};
  on_thread(send_all, &more);
  CHECK_TEXT("dd", more.codes);
  host_drain(h);
  CHECK_TEXT("3", host_text(h, "table.concat(got, ' ')"));
  host_run(h, "port:close() first:close()");
}

/* on_error hears of drops twice an episode, and never of what "latest" replaces. */
static void overflow_is_told(host *h) {
  const char *policies[] = {"drop_new", "drop_old", "latest", "error"};
  const char *told[] = {"2", "2", "0", "0"};
  host_run(h, "moonport.on_error(function(_, info) assert(info.kind == 'overflow') told = told + 1 end)");
  for (int i = 0; i < 4; i++) {
    host_run(h, "told = 0");
    struct sends sends = {open_port(h, policies[i], "capacity = 4"), 1, 10, 1, ""};
    on_thread(send_all, &sends);
    host_drain(h);
    sends.count = 2;
    on_thread(send_all, &sends);
    host_drain(h);
    CHECK_TEXT(told[i], host_text(h, "told"));
    host_run(h, "port:close()");
  }
}

int main(void) {
  host h;
  host_open(&h);
  host_run(&h, "moonport.on_error(function() end)");
  by_count(&h);
  by_bytes(&h);
  drop_old_makes_room_for_a_large_one(&h);
  the_owner_is_in_the_middle(&h);
  overflow_is_told(&h);
  host_close(&h);
  return 0;
}
