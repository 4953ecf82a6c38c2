#!/usr/bin/env python3
"""Ask Haechi and the reference the same random questions and compare every answer.

    cedar_differential.py --seed N --count N [--show N]

Environment: CEDAR_ANSWER (build/tools/cedar_answer), CEDAR_REFERENCE (node --no-opt tests/policies/cedar_reference.mjs),
CEDAR_WASM (the folder that holds node_modules/@cedar-policy). Exits 1 when a decision, a set of determining or erring
policies, a validity, or an acceptance of a text differs.
"""
import argparse
import collections
import json
import os
import shlex
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cedar_generate import question

HERE = os.path.dirname(os.path.abspath(__file__))
ANSWER = shlex.split(os.environ.get('CEDAR_ANSWER', os.path.join(HERE, '../../build/tools/cedar_answer')))
REFERENCE = shlex.split(os.environ.get('CEDAR_REFERENCE', 'node --no-opt ' + os.path.join(HERE, 'cedar_reference.mjs')))


def same(a, b):
    if a is None or b is None: return a is b
    return a['d'] == b['d'] and sorted(set(a['r'])) == sorted(set(b['r'])) and sorted(set(a['e'])) == sorted(set(b['e']))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--seed', type=int, default=1)
    ap.add_argument('--count', type=int, default=1000, help='questions; each holds several requests, asked with and without the schema')
    ap.add_argument('--show', type=int, default=5)
    args = ap.parse_args()
    n, shown = collections.Counter(), 0
    for start in range(0, args.count, 500):
        batch = [question(args.seed * 1000003 + i) for i in range(start, min(start + 500, args.count))]
        with tempfile.TemporaryFile() as lines:
            lines.write(''.join(json.dumps(q) + '\n' for q in batch).encode())
            lines.seek(0)
            reference = subprocess.Popen(REFERENCE, stdin=lines, stdout=subprocess.PIPE)
            theirs = reference.communicate()[0].decode().splitlines()
            lines.seek(0)
            mine = subprocess.run(ANSWER, stdin=lines, stdout=subprocess.PIPE).stdout.decode().splitlines()
        if len(theirs) != len(batch): sys.exit('the reference stopped after %d of %d answers' % (len(theirs), len(batch)))
        if len(mine) != len(batch): sys.exit('haechi stopped after %d of %d answers: seed %d, question %d' % (len(mine), len(batch), args.seed, start + len(mine)))
        for i, q in enumerate(batch):
            a, b = json.loads(mine[i]), json.loads(theirs[i])
            if b.get('crash'):
                n['reference crashed'] += 1
                continue
            bad = [k for k in ('parse', 'schema', 'valid') if a[k] != b[k]]
            if sorted(set(a['invalid'])) != sorted(set(b['invalid'])): bad.append('invalid')
            n['questions'] += 1
            n['parsed'] += a['parse']
            n['schemas'] += a['schema']
            n['valid'] += a['valid'] is True
            for mode in ('plain', 'typed'):
                for j, (x, y) in enumerate(zip(a[mode], b[mode])):
                    n['cases'] += 1
                    n['refused'] += x is None
                    n['allowed'] += x is not None and x['d'] == 'allow'
                    n['with errors'] += x is not None and bool(x['e'])
                    if not same(x, y): bad.append('%s %d' % (mode, j))
            if bad:
                n['different'] += 1
                if shown < args.show:
                    shown += 1
                    print('DIFFERENT seed %d question %d: %s' % (args.seed, start + i, ', '.join(bad)))
                    print('  policies', q['policies'].get('text') or q['policies']['json'])
                    print('  schema', q['schema'])
                    if any(' ' in x for x in bad): print('  entities', q['entities'], '\n  requests', q['requests'])
                    print('  haechi   ', json.dumps(a), '\n  reference', json.dumps(b, ensure_ascii=False))
    print(json.dumps(n))
    sys.exit(1 if n['different'] else 0)


if __name__ == '__main__': main()
