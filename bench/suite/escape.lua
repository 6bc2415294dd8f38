-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Text as HTML and SVG have it.

local NAMES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

return function(text)
  return (text:gsub('[&<>"]', NAMES))
end
