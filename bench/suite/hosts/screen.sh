#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# sh screen.sh COMMAND...: runs it on a screen of its own, which nobody sees.

# When its time is over all processes are told so; this one goes last.
trap : TERM
pipe=$(mktemp -u) && mkfifo "$pipe" || exit 1
# It tells its number as soon as programs may connect; where it cannot start, nothing.
Xvfb -displayfd 3 -screen 0 1024x768x24 -nolisten tcp -noreset 3>"$pipe" >/dev/null 2>&1 &
screen=$!
read -r number <"$pipe"
rm "$pipe"
[ -n "$number" ] || { echo "Xvfb does not start"; exit 1; }
DISPLAY=:$number "$@"
status=$?
kill "$screen" && wait "$screen" 2>/dev/null
exit "$status"
