/* SPDX-License-Identifier: MIT OR Apache-2.0
 * moonport.api in Lua, moonport_api_v1() and the linked functions are one and the same. */
#include "host.h"

int main(void) {
  host h;
  host_open(&h);
  const moonport_api *api = moonport_api_v1();
  CHECK_INT(sizeof *api, api->struct_size);
  CHECK_INT(1, api->version);

  lua_getglobal(h.lua, "moonport");
  lua_getfield(h.lua, -1, "api");
  CHECK(lua_touserdata(h.lua, -1) == (const void *)api);
  lua_settop(h.lua, 0);

#define SAME(name) CHECK(api->name == moonport_##name)
  SAME(send);
  SAME(send_owned);
  SAME(send_within);
  SAME(call);
  SAME(reply_free);
  SAME(signal);
  SAME(find);
  SAME(close);
  SAME(port_stats_get);
  SAME(status_name);
  SAME(callback_close);
  SAME(callback_destroy);
  SAME(state_of);
  SAME(wake_descriptor);
  SAME(set_waker);
  SAME(step);
  SAME(lock);
  SAME(unlock);
  /* Two fields of data, then the functions above: none was forgotten here. */
  CHECK_INT(sizeof(size_t) * 2 + 18 * sizeof(void *), sizeof *api);

  CHECK(strtoull(host_text(&h, "moonport.state"), NULL, 10) == h.state.id);
  host_close(&h);
  CHECK_STATUS(MOONPORT_CLOSED, api->step(h.state, 0, 0));
  CHECK_INT(-1, api->wake_descriptor(h.state));
  return 0;
}
