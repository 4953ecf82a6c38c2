#!/usr/bin/env bash
# Chat templates beside Jinja 3 itself (python3-jinja2), where that is installed.
set -eu
cd "$(dirname "$0")/../.."
program=${BUILD:-build}/tools/jinja_lines
[ -x "$program" ] || { echo "skip: no $program"; exit 77; }
python=python3
/usr/bin/python3 -c 'import jinja2' 2>/dev/null && python=/usr/bin/python3
$python tests/vectors/templates.py "$program"
