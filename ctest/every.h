/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Every function of the header, each in success and failure: for what must hold of all of them. */
#ifndef CTEST_EVERY_H
#define CTEST_EVERY_H

#include "host.h"

/* What the calls need. The owner serves `call`, whose handler answers. */
struct every {
  moonport_state state;
  moonport_port port;   /* open, with room */
  moonport_port json;   /* open, with room, codec "json" */
  moonport_port full;   /* full, policy "block" */
  moonport_port call;   /* answers */
  moonport_port closed; /* closed */
  int freed;
  bool served; /* somebody else runs the owner's loop: questions may be asked */
};

static inline void every_free(void *data, size_t size, void *context) {
  (void)data;
  (void)size;
  ++*(int *)context;
}

static inline void every_wake(void *context) {
  (void)context;
}

/* The owner's part. Give every->served its value afterwards. */
static inline void every_open(struct every *every, host *h) {
  host_run(h, "moonport.on_error(function() end)"
              "ports = {moonport.port{name = 'every', capacity = 1e6}, moonport.port{codec = 'json', capacity = 1e6},"
              "  moonport.port{capacity = 1, overflow = 'block'}, moonport.port(), moonport.port()}"
              "ports[1]:on(function() end) ports[2]:on(function() end) ports[4]:on(function(_, message)"
              "  message.reply(('y'):rep(100)) end)"
              "closed = ports[5] closed:close()");
  *every = (struct every){
      .state = h->state,
      .port = host_port(h, "ports[1]"),
      .json = host_port(h, "ports[2]"),
      .full = host_port(h, "ports[3]"),
      .call = host_port(h, "ports[4]"),
      .closed = host_port(h, "closed"),
  };
  CHECK_STATUS(MOONPORT_OK, moonport_send(every->full, "x", 1, 0, 0));
  CHECK(moonport_wake_descriptor(every->state) >= 0);
}

/* EACH(what, status): a call, and the status that it should give. EACH_OTHER(what): one that gives none. */
#define EVERY_CALL(EACH, EACH_OTHER, every)                                                                     \
  do {                                                                                                          \
    static char large[1000] = "";                                                                               \
    static const char document[] = "{\"a\":[1,2.5,\"\\u00e9\",null,{\"b\":true}]}";                             \
    static char deep[200];                                                                                      \
    memset(deep, '[', 100);                                                                                     \
    memset(deep + 100, ']', 100);                                                                               \
    static char nested[128]; /* MessagePack: an array in an array ... and a nil */                              \
    memset(nested, '\x91', sizeof nested - 1);                                                                  \
    nested[sizeof nested - 1] = '\xc0';                                                                         \
    moonport_reply reply = {.codec = 0};                                                                        \
    moonport_port_stats stats = {.struct_size = sizeof stats};                                                  \
    void *lua = NULL;                                                                                           \
    EACH(moonport_send((every)->port, "x", 1, 0, 0), MOONPORT_OK);                                              \
    EACH(moonport_send((every)->port, large, sizeof large, MOONPORT_RAW, 0), MOONPORT_OK);                      \
    EACH(moonport_send((every)->json, document, sizeof document - 1, 0, 0), MOONPORT_OK);                       \
    EACH(moonport_send((every)->json, document, sizeof document - 2, 0, 0), MOONPORT_INVALID);                  \
    EACH(moonport_send((every)->json, deep, sizeof deep, 0, 0), MOONPORT_OK);                                   \
    EACH(moonport_send((every)->json, "\x93\1\2\3", 4, MOONPORT_MSGPACK, 0), MOONPORT_OK);                      \
    EACH(moonport_send((every)->json, nested, sizeof nested, MOONPORT_MSGPACK, 0), MOONPORT_OK);                \
    EACH(moonport_send((every)->json, "\xc1", 1, MOONPORT_MSGPACK, 0), MOONPORT_INVALID);                       \
    EACH(moonport_send((every)->closed, "x", 1, 0, 0), MOONPORT_CLOSED);                                        \
    EACH(moonport_send((moonport_port){0}, "x", 1, 0, 0), MOONPORT_CLOSED);                                     \
    EACH(moonport_send_owned((every)->port, large, sizeof large, 0, 0, every_free, &(every)->freed), MOONPORT_OK); \
    EACH(moonport_send_owned((every)->closed, large, 1, 0, 0, every_free, &(every)->freed), MOONPORT_CLOSED);   \
    EACH(moonport_send_within((every)->port, large, sizeof large, 0, 0, 1), MOONPORT_OK);                       \
    EACH(moonport_send_within((every)->full, "x", 1, 0, 0, 0.01), MOONPORT_TIMEOUT);                            \
    EACH(moonport_call((every)->closed, "x", 1, 0, 0, 1, &reply), MOONPORT_CLOSED);                             \
    if ((every)->served) EACH(moonport_call((every)->call, "x", 1, 0, 0, 30, &reply), MOONPORT_OK);             \
    EACH_OTHER(moonport_reply_free(&reply));                                                                    \
    EACH(moonport_call((every)->full, "x", 1, 0, 0, 0.01, &reply), MOONPORT_TIMEOUT);                           \
    EACH(moonport_signal((every)->port, 1), MOONPORT_OK);                                                       \
    EACH(moonport_signal((every)->closed, 1), MOONPORT_CLOSED);                                                 \
    EACH_OTHER((void)moonport_find("every"));                                                                   \
    EACH_OTHER((void)moonport_find("nobody"));                                                                  \
    EACH(moonport_port_stats_get((every)->port, &stats), MOONPORT_OK);                                          \
    EACH(moonport_port_stats_get((every)->closed, &stats), MOONPORT_CLOSED);                                    \
    EACH(moonport_close((every)->closed), MOONPORT_CLOSED);                                                     \
    EACH_OTHER((void)moonport_status_name(MOONPORT_OK));                                                        \
    EACH(moonport_set_waker((every)->state, every_wake, NULL), MOONPORT_OK);                                    \
    EACH(moonport_send((every)->port, "x", 1, 0, 0), MOONPORT_OK);                                              \
    EACH(moonport_set_waker((every)->state, NULL, NULL), MOONPORT_OK);                                          \
    EACH_OTHER((void)moonport_wake_descriptor((every)->state));                                                 \
    EACH_OTHER((void)moonport_wake_descriptor((moonport_state){0}));                                            \
    EACH(moonport_step((every)->state, 0, 0), MOONPORT_WRONG_THREAD);                                           \
    /* The owner may let it in just then. */                                                                    \
    EACH_OTHER((void)moonport_lock((every)->state, 0, &lua));                                                   \
    EACH_OTHER((void)moonport_unlock((every)->state));                                                          \
    EACH(moonport_unlock((every)->state), MOONPORT_WRONG_THREAD);                                               \
    EACH(moonport_callback_close(NULL), MOONPORT_NOT_FOUND);                                                    \
    EACH_OTHER(moonport_callback_destroy(NULL));                                                                \
    EACH_OTHER((void)moonport_api_v1());                                                                        \
  } while (0)

#endif
