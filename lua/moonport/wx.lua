-- SPDX-License-Identifier: MIT OR Apache-2.0
-- wxLua: require("moonport.wx").attach(app_or_frame, options). Messages wake wxWidgets' own loop where Moonport knows what
-- it stands on (GLib, with wxGTK). Elsewhere a wxTimer looks for them every 10 ms; host() says which of the two it is.
-- Thread: the one that owns the Lua state and runs the loop.
local moonport = require("moonport")

local INTERVAL = 10 -- milliseconds
local FIRST_ID = 30000 -- of timers: far from those that programs count from wx.wxID_HIGHEST

local attachments = 0

-- Needs of wxLua only what every version binds: wxTimer(owner, id), Start, Stop, Connect, wxGetApp.
local function start_timer(app_or_frame)
  local found, wx = pcall(require, "wx")
  if not found then
    return nil, "moonport.wx: wxLua is not there: " .. wx, "not_found"
  end
  -- The application outlives all windows, and so the timer.
  local owner = wx.wxGetApp and wx.wxGetApp() or app_or_frame
  if not owner then
    return nil, "moonport.wx: there is no application yet, and no frame was passed", "not_found"
  end
  local id = FIRST_ID + attachments
  attachments = attachments + 1
  local timer = wx.wxTimer(owner, id)
  owner:Connect(id, wx.wxEVT_TIMER, function()
    -- One turn: what remains waits for the next timer, so that the windows stay alive.
    if timer then
      moonport.step()
    end
  end)
  timer:Start(INTERVAL)
  return function()
    if timer then
      timer:Stop()
      timer = nil
    end
  end
end

local function attachment(host, detach)
  return {
    host = function()
      return host
    end,
    detach = detach,
  }
end

---Let wxWidgets' loop wake up for messages.
---@param app_or_frame? userdata  the application or any window of it
---@param options? {budget?: number, max_messages?: integer}  as for moonport.attach; a wxTimer's turns have step's own limits
---@return table|nil attachment  detach(), and host(): "wx", or "wxTimer" where a timer looks every 10 ms
---@return string? message
---@return string? name
local function attach(app_or_frame, options)
  -- A misuse is the caller's: the message shall have its line.
  local ok, native, message, name = pcall(moonport.attach, "wx", options)
  if not ok then
    error(native, 2)
  elseif native then
    return attachment("wx", function()
      native:detach()
    end)
  elseif name ~= "not_found" and name ~= "unsupported" then
    return nil, message, name
  end
  local detach
  detach, message, name = start_timer(app_or_frame)
  if not detach then
    return nil, message, name
  end
  return attachment("wxTimer", detach)
end

return { attach = attach }
