-- SPDX-License-Identifier: MIT OR Apache-2.0
-- SQLite on a helper thread: it tells Lua of every change, and asks Lua whether a long query shall go on.
local ffi = require("ffi")
local moonport = require("moonport")

-- From sqlite3.h. The two functions that take a callback declare it as the pointer it is.
ffi.cdef([[
typedef struct sqlite3 sqlite3;
int sqlite3_open(const char *filename, sqlite3 **database);
int sqlite3_close(sqlite3 *database);
int sqlite3_exec(sqlite3 *database, const char *sql, void *each_row, void *user, char **message);
const char *sqlite3_errmsg(sqlite3 *database);
void *sqlite3_update_hook(sqlite3 *database,
  void (*hook)(void *user, int operation, const char *database, const char *table, int64_t row), void *user);
void sqlite3_progress_handler(sqlite3 *database, int instructions, int (*handler)(void *user), void *user);
]])

local C = ffi.load("libsqlite3.so.0")
local OPERATIONS = { [9] = "delete from", [18] = "insert into", [23] = "update" }
local PATIENCE = 0.3 -- seconds of CPU time that one query may take
local INSTRUCTIONS = 100000 -- of SQLite's virtual machine, between two questions to Lua: a few milliseconds

local opened = ffi.new("sqlite3 *[1]")
assert(C.sqlite3_open(":memory:", opened) == 0, "the database cannot be opened")
local database = opened[0]

-- void: SQLite goes on at once, and the handler runs when this thread comes to it.
local change = moonport.callback(
  "void (*)(void *user, int operation, const char *database, const char *table, int64_t row)",
  function(_, operation, _, name, row)
    print(("  %s %s, row %s"):format(OPERATIONS[operation], name, row))
  end
)

-- Returning: SQLite waits for the answer. 0 goes on; anything else ends the query, and so does the default, which SQLite
-- gets if the handler fails.
local started = 0
local progress = moonport.callback("int (*)(void *user)", function()
  return os.clock() - started > PATIENCE and 1 or 0
end, { default = 1 })

C.sqlite3_update_hook(database, change.pointer, nil)
C.sqlite3_progress_handler(database, INSTRUCTIONS, progress.pointer, nil)

-- SQLite works on a helper thread; this one meanwhile answers it.
local function execute(sql)
  print("> " .. sql)
  started = os.clock()
  local code = moonport.blocking(C.sqlite3_exec, database, sql, nil, nil, nil)
  while moonport.step() > 0 do -- the changes that it has told and nobody has handled yet
  end
  if code ~= 0 then
    print("  " .. ffi.string(C.sqlite3_errmsg(database)))
  end
end

execute("create table moons (name, planet)")
execute("insert into moons values ('Io', 'Jupiter'), ('Titan', 'Saturn'), ('Luna', 'Mars')")
execute("update moons set planet = 'Earth' where name = 'Luna'")
execute("delete from moons where planet = 'Saturn'")
-- Counts to a billion, which takes minutes: too long.
execute("with recursive n(i) as (select 1 union all select i + 1 from n where i < 1e9) select max(i) from n")
execute("insert into moons values ('Europa', 'Jupiter')") -- what was cancelled has harmed nothing

C.sqlite3_close(database)
-- Only now: a closed callback gives its default.
progress:close()
change:close()
