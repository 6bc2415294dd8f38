// SPDX-License-Identifier: MIT OR Apache-2.0
// wxWidgets itself: a program that opens a frame and runs a LuaJIT script on its main thread. The script gets the global
// table `host`, whose functions window.lua describes; loops, timers, dialogs and menus in it are wxWidgets' own.
//   wx SCRIPT
#include <map>
#include <memory>
#include <string>

#include <wx/dcbuffer.h>
#include <wx/wx.h>

#include <lua.hpp>

namespace {

// Where Lua runs now: what wxWidgets calls goes on there.
lua_State *lua;

// While a function of ours runs, which may be one that a coroutine called.
class Entered {
 public:
  explicit Entered(lua_State *L) : before(lua) { lua = L; }
  ~Entered() { lua = before; }

 private:
  lua_State *before;
};

// A Lua function, kept until this is destroyed.
class Function {
 public:
  Function(lua_State *L, int at) {
    luaL_checktype(L, at, LUA_TFUNCTION);
    lua_pushvalue(L, at);
    reference = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  ~Function() {
    if (lua) luaL_unref(lua, LUA_REGISTRYINDEX, reference);
  }
  Function(const Function &) = delete;
  void operator()() const {
    lua_rawgeti(lua, LUA_REGISTRYINDEX, reference);
    if (lua_pcall(lua, 0, 0, 0) == 0) return;
    fprintf(stderr, "a function called by wxWidgets: %s\n", lua_tostring(lua, -1));
    exit(1);
  }

 private:
  int reference;
};

class Timer : public wxTimer {
 public:
  Timer(lua_State *L, int at) : fn(L, at) {}
  void Notify() override { fn(); }

 private:
  Function fn;
};

// An animation: the farther it is, the more it was painted.
class Canvas : public wxPanel {
 public:
  explicit Canvas(wxWindow *parent) : wxPanel(parent) {
    SetBackgroundStyle(wxBG_STYLE_PAINT);
    Bind(wxEVT_PAINT, [this](wxPaintEvent &) { Paint(); });
    Bind(wxEVT_MOTION, [this](wxMouseEvent &) { motions++; });
    ticker.Bind(wxEVT_TIMER, [this](wxTimerEvent &) { Refresh(false); });
  }
  int paints = 0, motions = 0;
  wxTimer ticker;

 private:
  void Paint() {
    paints++;
    wxAutoBufferedPaintDC dc(this);
    const wxSize size = GetClientSize();
    dc.SetBackground(wxBrush(wxColour(25, 25, 50)));
    dc.Clear();
    dc.SetBrush(wxBrush(wxColour(230, 205, 130)));
    dc.SetPen(*wxTRANSPARENT_PEN);
    dc.DrawCircle(int(size.x * (0.2 + 0.6 * (paints % 120) / 120)), size.y / 2, size.y / 8);
  }
};

class Frame : public wxFrame {
 public:
  Frame() : wxFrame(nullptr, wxID_ANY, "Moonport in wxWidgets", wxDefaultPosition, wxSize(400, 300)), canvas(new Canvas(this)) {
    Bind(wxEVT_SIZE, [this](wxSizeEvent &event) {
      if (event.GetSize() != size) sizes++;
      size = event.GetSize();
      event.Skip();
    });
  }
  Canvas *canvas;
  int sizes = 0;
  bool menu_open = false;

 private:
  wxSize size;
};

Frame *frame;
wxDialog *dialog;
std::map<int, Timer *> timers;

int run(lua_State *L) {
  Entered entered(L);
  wxTheApp->wxAppConsoleBase::MainLoop();
  return 0;
}

int stop(lua_State *) {
  wxTheApp->ExitMainLoop();
  return 0;
}

int cancel(lua_State *L) {
  Entered entered(L);
  auto found = timers.find(int(lua_tointeger(L, lua_upvalueindex(1))));
  if (found == timers.end()) return 0;
  found->second->Stop();
  // Perhaps it is what called.
  Timer *timer = found->second;
  wxTheApp->CallAfter([timer] { delete timer; });
  timers.erase(found);
  return 0;
}

int start_timer(lua_State *L, bool once) {
  static int last = 0;
  const double seconds = luaL_checknumber(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  Entered entered(L);
  Timer *timer = new Timer(L, 2);
  timers[++last] = timer;
  timer->Start(std::max(1, int(seconds * 1000)), once);
  lua_pushinteger(L, last);
  lua_pushcclosure(L, cancel, 1);
  return 1;
}

int after(lua_State *L) { return start_timer(L, true); }

int every(lua_State *L) { return start_timer(L, false); }

// A modal dialog, until close_dialog.
int show_dialog(lua_State *L) {
  Entered entered(L);
  wxDialog box(frame, wxID_ANY, "A modal dialog");
  auto *sizer = new wxBoxSizer(wxVERTICAL);
  sizer->Add(new wxStaticText(&box, wxID_ANY, "Messages are delivered while it is open."), 0, wxALL, 20);
  sizer->Add(box.CreateButtonSizer(wxOK), 0, wxALL | wxEXPAND, 10);
  box.SetSizerAndFit(sizer);
  dialog = &box;
  box.ShowModal();
  dialog = nullptr;
  return 0;
}

int close_dialog(lua_State *L) {
  Entered entered(L);
  dialog->EndModal(wxID_OK);
  return 0;
}

// The toolkit's own message box, until somebody presses Return.
int message_box(lua_State *L) {
  Entered entered(L);
  wxMessageDialog(frame, "Messages are delivered while it is open.", "A message box", wxOK).ShowModal();
  return 0;
}

// The next right click opens a popup menu; the function is called then.
int menu(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  Entered entered(L);
  auto opened = std::make_shared<Function>(L, 1);
  frame->Bind(wxEVT_MENU_OPEN, [opened](wxMenuEvent &) {
    frame->menu_open = true;
    (*opened)();
  });
  frame->canvas->Bind(wxEVT_RIGHT_DOWN, [](wxMouseEvent &) {
    wxMenu popup;
    popup.Append(wxID_OPEN);
    popup.Append(wxID_SAVE);
    popup.Append(wxID_CLOSE);
    frame->PopupMenu(&popup);
    frame->menu_open = false;
  });
  return 0;
}

int is_menu_open(lua_State *L) {
  lua_pushboolean(L, frame->menu_open);
  return 1;
}

int resize(lua_State *L) {
  Entered entered(L);
  frame->SetClientSize(int(luaL_checkinteger(L, 1)), int(luaL_checkinteger(L, 2)));
  return 0;
}

int animate(lua_State *L) {
  Entered entered(L);
  if (lua_toboolean(L, 1)) frame->canvas->ticker.Start(10);
  else frame->canvas->ticker.Stop();
  return 0;
}

int sizes(lua_State *L) {
  lua_pushinteger(L, frame->sizes);
  return 1;
}

int paints(lua_State *L) {
  lua_pushinteger(L, frame->canvas->paints);
  return 1;
}

int motions(lua_State *L) {
  lua_pushinteger(L, frame->canvas->motions);
  return 1;
}

const luaL_Reg functions[] = {{"run", run},
                              {"stop", stop},
                              {"after", after},
                              {"every", every},
                              {"dialog", show_dialog},
                              {"close_dialog", close_dialog},
                              {"message_box", message_box},
                              {"menu", menu},
                              {"is_menu_open", is_menu_open},
                              {"resize", resize},
                              {"sizes", sizes},
                              {"paints", paints},
                              {"motions", motions},
                              {"animate", animate},
                              {nullptr, nullptr}};

class App : public wxApp {
 public:
  bool OnInit() override {
    frame = new Frame;
    frame->Show();
    lua = luaL_newstate();
    luaL_openlibs(lua);
    lua_newtable(lua);
    luaL_register(lua, nullptr, functions);
    lua_setglobal(lua, "host");
    return true;
  }
  int OnRun() override {
    const std::string script = argv[1].ToStdString();
    lua_newtable(lua);
    lua_pushstring(lua, script.c_str());
    lua_rawseti(lua, -2, 0);
    lua_setglobal(lua, "arg");
    if (luaL_dofile(lua, script.c_str()) == 0) return 0;
    fprintf(stderr, "%s\n", lua_tostring(lua, -1));
    return 1;
  }
  int OnExit() override {
    lua_close(lua);
    lua = nullptr; // the windows go later
    return 0;
  }
};

}  // namespace

wxIMPLEMENT_APP(App);
