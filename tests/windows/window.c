/* SPDX-License-Identifier: MIT OR Apache-2.0
 * What a host on Windows does around Lua, as a C module: runs its message loop, counts what comes out of its queue, opens a
 * message box, and has threads that send. Lua's functions are looked for in the process, as Moonport itself does. */
#include <windows.h>

#include "moonport.h"

#define EXPORT __declspec(dllexport)

static const moonport_api *api;
static moonport_port port;
static unsigned each;

static DWORD WINAPI sender(void *argument) {
  unsigned i;
  for (i = 0; i < each; i++) {
    unsigned number[2] = {(unsigned)(UINT_PTR)argument, i};
    while (api->send_within(port, number, sizeof number, 0, 0, 10.0) != MOONPORT_OK) {
    }
  }
  return 0;
}

/* So many threads send so many messages each: the thread's number and the message's, four bytes each. */
EXPORT void window_send(const void *moonport, unsigned long long id, unsigned threads, unsigned count) {
  unsigned i;
  api = moonport;
  port.id = id;
  each = count;
  for (i = 0; i < threads; i++) CloseHandle(CreateThread(NULL, 0, sender, (void *)(UINT_PTR)i, 0, NULL));
}

/* Runs the thread's loop until somebody posts WM_QUIT. Gives how many messages came out of the queue, for any window. */
EXPORT unsigned window_loop(void) {
  unsigned taken = 0;
  MSG message;
  while (GetMessageW(&message, NULL, 0, 0) > 0) {
    taken++;
    DispatchMessageW(&message);
  }
  return taken;
}

EXPORT void window_quit(void) { PostQuitMessage(0); }

static void CALLBACK elapsed(HWND window, UINT message, UINT_PTR timer, DWORD time) {
  (void)window, (void)message, (void)time;
  KillTimer(NULL, timer);
  PostQuitMessage(0);
}

EXPORT void window_quit_later(void) { SetTimer(NULL, 0, 50, elapsed); }

static HWND box;

static BOOL CALLBACK find(HWND window, LPARAM unused) {
  char name[16] = "";
  (void)unused;
  GetClassNameA(window, name, sizeof name);
  if (!lstrcmpA(name, "#32770")) box = window;
  return TRUE;
}

/* A box that stays until window_close_box: its loop is the system's own. */
EXPORT int window_box(void) { return MessageBoxA(NULL, "messages go on", "Moonport", MB_OKCANCEL); }

/* Is the box there? Then it closes with Cancel. */
EXPORT int window_close_box(void) {
  box = NULL;
  EnumThreadWindows(GetCurrentThreadId(), find, 0);
  return box && PostMessageA(box, WM_COMMAND, IDCANCEL, 0);
}

/* A menu that stays until it is told to end: a loop of the system's again. */
EXPORT void window_menu(void) {
  HWND owner = CreateWindowExA(0, "STATIC", "menu", WS_POPUP | WS_VISIBLE, 0, 0, 10, 10, NULL, NULL, NULL, NULL);
  HMENU menu = CreatePopupMenu();
  AppendMenuA(menu, MF_STRING, 1, "one");
  SetForegroundWindow(owner);
  TrackPopupMenu(menu, TPM_RETURNCMD, 0, 0, 0, owner, NULL);
  DestroyMenu(menu);
  DestroyWindow(owner);
}

EXPORT void window_end_menu(void) { EndMenu(); }
