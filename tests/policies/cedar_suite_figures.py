#!/usr/bin/env python3
"""What the figures of the public suite are worth: how many of its requests differ, and what a stub would pass.

    cedar_suite_figures.py FOLDER…     folders that hold tests; the paths in a test are read from each folder in turn

A stub that takes every policy for satisfied (and every set for valid) is the floor: only what lies above it says anything.
"""
import glob
import json
import os
import re
import sys

requests = distinct = floor = tests = valid = 0
for root in sys.argv[1:]:
    for path in glob.glob(root + '/corpus-tests/*.json') + glob.glob(root + '/tests/*/*.json'):
        if path.endswith('.entities.json'): continue
        with open(path, encoding='utf-8') as file: test = json.load(file)
        if 'requests' not in test: continue
        with open(os.path.join(root, test['policies']), encoding='utf-8') as file: text = file.read()
        text = re.sub(r'"(?:\\.|[^"\\])*"|//[^\n]*', '""', text)
        effects = [m.group(1) for m in re.finditer(r'(?<![\w.])(permit|forbid)\s*\(', text)]
        forbids = {'policy%d' % i for i, e in enumerate(effects) if e == 'forbid'}
        permits = {'policy%d' % i for i, e in enumerate(effects) if e == 'permit'}
        decision = 'deny' if forbids or not permits else 'allow'
        tests += 1
        valid += test['shouldValidate'] is True
        seen = set()
        for r in test['requests']:
            requests += 1
            key = json.dumps([r.get(k) for k in ('principal', 'action', 'resource', 'context')] + [r.get('validateRequest', True)], sort_keys=True)
            distinct += key not in seen
            seen.add(key)
            floor += r['decision'] == decision and set(r['reason']) == (forbids or permits) and not r['errors']
if not tests: sys.exit('no tests in ' + ' '.join(sys.argv[1:]))
print(json.dumps({'requests': requests, 'distinct_requests': distinct, 'a_stub_would_pass': '%.1f %%' % (100 * floor / requests),
                  'validations': tests, 'a_stub_would_validate': '%.1f %%' % (100 * valid / tests)}))
