#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Runs a server until its own standard input ends, so that none outlives the benchmark:  serve.sh OUTPUT COMMAND...
# What the server prints goes to OUTPUT, its process's number to OUTPUT.pid.
output=$1
shift
"$@" >"$output" 2>&1 </dev/null &
server=$!
echo "$server" >"$output.pid"
cat >/dev/null
kill -9 "$server" 2>/dev/null
wait "$server" 2>/dev/null
exit 0
