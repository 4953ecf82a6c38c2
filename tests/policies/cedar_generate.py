#!/usr/bin/env python3
"""Random Cedar questions, the same for the same seed: one JSON object a line.

    cedar_generate.py --seed N --count N

A line is {"policies":…,"schema":TEXT,"entities":TEXT,"requests":[TEXT…]}; policies is {"text":TEXT} or {"json":TEXT}, a JSON
policy set with templates and links. Most questions are well-formed and well-typed, some have one thing wrong: a character,
a type, an attribute, an undeclared name. Every third question is made here, the others by cedar_typed.py.
cedar_differential.py asks Haechi and a reference and compares.
"""
import argparse
import json
import random

STRINGS = ['', 'a', 'b', 'abc', 'a*c', 'x y', '해치', '가나다', '😀', 'A', '"', '\\', '\n', '\t', '\0', "'", '::', 'true', 'principal',
           'é', 'e\u0301', '1.0', '127.0.0.1', 'admin', '\u202e', '\x7f']
LONGS = [0, 1, -1, 2, 3, 7, 42, 100, 2**31, 2**53 + 1, 2**62, 2**63 - 1, -2**63, -2**62, 3037000500]
DECIMALS = ['0.0', '1.0', '1.00', '-1.5', '12.3456', '922337203685477.5807', '-922337203685477.5808', '0.1', '-0.0', '00.1']
BAD_DECIMALS = ['1', '1.', '.5', '1.23456', '922337203685477.5808', '-922337203685477.5809', 'x', '', '+1.0', '1.0 ', '1e3', '-.1']
IPS = ['127.0.0.1', '10.0.0.0/8', '192.168.1.7', '192.168.0.0/16', '0.0.0.0/0', '::1', 'ff00::/8', '2001:db8::/32', '::', '224.0.0.1', '127.0.0.1/7',
       '2001:db8::1', '1:2:3:4:5:6:7::', '10.1.2.3/24', '::/0', 'ff02::1', '10.1.2.3/32']
BAD_IPS = ['1.2.3', '01.2.3.4', '256.1.1.1', '1.2.3.4/33', '::/129', '::ffff:1.2.3.4', '1.2.3.4/08', '12345::', '1::2::3', '', 'x', '1.2.3.4/', 'fe80::1%eth0', ':1']
DATETIMES = ['1970-01-01', '2026-01-22', '2024-02-29', '2026-03-02T09:00:00Z', '2026-03-02T09:00:00.123Z', '2026-03-02T09:00:00+0900',
             '1969-12-31T23:59:59.999Z', '0000-01-01', '9999-12-31T23:59:59.999-2359', '2026-03-02T00:00:00.001+2359', '0001-01-01']
BAD_DATETIMES = ['2023-02-29', '2026-13-01', '2026-00-10', '2026-1-01', '2026-03-02T24:00:00Z', '2026-03-02T09:00:60Z', '2026-03-02T09:00:00', '2026-03-02t09:00:00Z',
                 '2026-03-02T09:00:00+09:00', '2026-03-02T09:00:00.12Z', '2026-03-02T09:00:00+2400', '', 'x', '10000-01-01', '2026-03-02T09:00:00+0960', '2026-04-31']
DURATIONS = ['0ms', '1s', '-1s', '1d2h3m4s5ms', '5ms', '1d', '-1d', '90m', '24h', '9223372036854775807ms', '-9223372036854775808ms', '106751991167d', '2d5ms', '007s']
BAD_DURATIONS = ['', '-', '1', 's', '1h1d', '1s1s', '1.5h', '+1s', '9223372036854775808ms', '-9223372036854775809ms', '106751991168d', '1 s', '1x', '1ms1s', '99999999999999999999ms', '1dd']
EXT = {'decimal': ('decimal', DECIMALS, BAD_DECIMALS), 'ipaddr': ('ip', IPS, BAD_IPS),
       'datetime': ('datetime', DATETIMES, BAD_DATETIMES), 'duration': ('duration', DURATIONS, BAD_DURATIONS)}
ATTRS = ['a', 'b', 'c', 'name', 'owner', 'tags', 'if', 'x y', 'in', 'type', 'id', 'principal', '해']
IDENT_OK = lambda s: s.isascii() and s.isidentifier() and s not in ('if', 'in', 'true', 'false', 'then', 'else', 'is', 'like', 'has', '__cedar')
RESERVED = ('true', 'false', 'if', 'then', 'else', 'in', 'is', 'like', 'has', '__cedar')


def quote(s, pattern=False):
    out = '"'
    for c in s:
        if c == '"': out += '\\"'
        elif c == '\\': out += '\\\\'
        elif c == '\n': out += '\\n'
        elif c == '\t': out += '\\t' if len(s) % 2 else c
        elif c == '\0': out += '\\0'
        elif c == '*' and pattern: out += '\\*'
        elif ord(c) == 0x7f: out += '\\x7f'
        else: out += c
    return out + '"'


class World:
    """A schema and everything that hangs on it. Types are tuples: ('Long',) ('Set', t) ('Record', {a: (t, required)}) ('Entity', name) ('Ext', name)."""

    def __init__(self, r):
        self.r = r
        self.ns = r.choice(['', '', 'N', 'N::M'])
        self.types = ['User', 'Group', 'Doc', 'Folder', 'Kind'][:r.randint(3, 5)]
        self.enum = {}
        if r.random() < 0.4:
            self.enum[self.types[-1]] = r.sample(['k1', 'k2', 'k 3', ''], r.randint(1, 3))
        self.commons = {}
        for i in range(r.choice([0, 0, 1, 2])):
            self.commons['T%d' % i] = self.type(2)
        self.parents, self.shape, self.tags = {}, {}, {}
        for t in self.types:
            if t in self.enum:
                self.parents[t], self.shape[t], self.tags[t] = [], {}, None
                continue
            self.parents[t] = [p for p in self.types if r.random() < 0.35]
            self.shape[t] = self.attributes(2, r.randint(0, 5))
            self.tags[t] = self.type(1) if r.random() < 0.35 else None
        self.groups = ['all', 'some'][:r.randint(0, 2)]
        self.actions = {}
        for g in self.groups:
            self.actions[g] = dict(parents=['all'] if g == 'some' and r.random() < 0.5 else [], p=None, r=None, c={})
        for a in ['read', 'write', 'do it'][:r.randint(1, 3)]:
            self.actions[a] = dict(parents=[g for g in self.groups if r.random() < 0.5],
                                   p=r.sample(self.types, r.randint(1, min(2, len(self.types)))),
                                   r=r.sample(self.types, r.randint(1, min(2, len(self.types)))),
                                   c=self.attributes(2, r.randint(0, 5)))
        self.real = [a for a in self.actions if self.actions[a]['p']]

    def full(self, t):
        return (self.ns + '::' if self.ns else '') + t

    def type(self, depth):
        r = self.r
        k = r.random()
        if k < 0.45 or depth == 0:
            return r.choice([('Long',), ('String',), ('Bool',), ('Long',), ('String',)])
        if k < 0.6:
            return ('Entity', r.choice(self.types))
        if k < 0.75:
            return ('Ext', r.choice(list(EXT)))
        if k < 0.88:
            return ('Set', self.type(depth - 1))
        return ('Record', self.attributes(depth - 1, r.randint(0, 3)))

    def attributes(self, depth, count):
        return {a: (self.type(depth), self.r.random() < 0.65) for a in self.r.sample(ATTRS, count)}

    def show_type(self, t):
        r = self.r
        if t[0] == 'Set': return 'Set<' + self.show_type(t[1]) + '>'
        if t[0] == 'Record': return self.show_attributes(t[1])
        if t[0] in ('Entity', 'Ext'):
            name = t[1]
            if t[0] == 'Entity' and r.random() < 0.2: name = self.full(name)
            if t[0] == 'Ext' and r.random() < 0.1: name = '__cedar::' + name
            return name
        for name, c in self.commons.items():
            if c == t and r.random() < 0.3: return name
        return t[0] if r.random() < 0.9 else '__cedar::' + t[0]

    def show_attributes(self, attrs):
        r = self.r
        parts = []
        for a, (t, req) in attrs.items():
            name = a if IDENT_OK(a) and r.random() < 0.8 else quote(a)
            parts.append(name + ('' if req else '?') + ': ' + self.show_type(t))
        return '{' + ', '.join(parts) + (',' if parts and r.random() < 0.2 else '') + '}'

    def schema(self):
        r = self.r
        out = []
        for name, t in self.commons.items():
            out.append('type %s = %s;' % (name, self.show_type_plain(t)))
        for t in self.types:
            if t in self.enum:
                out.append('entity %s enum [%s];' % (t, ', '.join(map(quote, self.enum[t]))))
                continue
            s = 'entity ' + t
            if self.parents[t]:
                s += ' in [%s]' % ', '.join(self.parents[t])
            if self.shape[t] or r.random() < 0.3:
                s += r.choice([' = ', ' ']) + self.show_attributes(self.shape[t])
            if self.tags[t]:
                s += ' tags ' + self.show_type(self.tags[t])
            out.append(s + ';')
        for a, d in self.actions.items():
            s = 'action ' + (a if IDENT_OK(a) and r.random() < 0.5 else quote(a))
            if d['parents']:
                s += ' in [%s]' % ', '.join(quote(p) if r.random() < 0.7 else (self.full('Action') + '::' + quote(p)) for p in d['parents'])
            if d['p']:
                s += ' appliesTo { principal: [%s], resource: [%s]' % (', '.join(d['p']), ', '.join(d['r']))
                if d['c'] or r.random() < 0.5: s += ', context: ' + self.show_attributes(d['c'])
                s += ' }'
            out.append(s + ';')
        r.shuffle(out)
        text = '\n'.join(out)
        return 'namespace %s {\n%s\n}\n' % (self.ns, text) if self.ns else text + '\n'

    def show_type_plain(self, t):
        keep, self.commons = self.commons, {}
        s = self.show_type(t)
        self.commons = keep
        return s

    # ---- data

    def id(self, t):
        if t in self.enum:
            return self.r.choice(self.enum[t]) if self.r.random() < 0.995 else 'zz'
        return self.r.choice(['1', '2', '3', 'alice', '', '해치'])

    def value(self, t, explicit):
        r = self.r
        if r.random() < 0.0015: t = self.type(1)
        if t[0] == 'Bool': return r.random() < 0.5
        if t[0] == 'Long': return r.choice(LONGS)
        if t[0] == 'String': return r.choice(STRINGS)
        if t[0] == 'Entity':
            e = {'type': self.full(t[1]), 'id': self.id(t[1])}
            return {'__entity': e} if explicit or r.random() < 0.5 else e
        if t[0] == 'Ext':
            fn, good, bad = EXT[t[1]]
            arg = r.choice(good) if r.random() < 0.996 else r.choice(bad)
            if explicit or r.random() < 0.4: return {'__extn': {'fn': fn, 'arg': arg}}
            return {'fn': fn, 'arg': arg} if r.random() < 0.3 else arg
        if t[0] == 'Set': return [self.value(t[1], explicit) for _ in range(r.choice([0, 1, 2, 3]))]
        return self.record(t[1], explicit)

    def record(self, attrs, explicit):
        r = self.r
        out = {}
        for a, (t, req) in attrs.items():
            if (req and r.random() < 0.999) or (not req and r.random() < 0.6): out[a] = self.value(t, explicit)
        if r.random() < 0.001: out['extra'] = 1
        return out

    def above(self, t):
        seen, todo = set(), list(self.parents[t])
        while todo:
            p = todo.pop()
            if p not in seen:
                seen.add(p)
                todo += self.parents[p]
        return sorted(seen)

    def entities(self, explicit):
        r = self.r
        out, order, used = [], 0, []
        for t in self.types:
            for i in (self.enum.get(t) or ['1', '2', '3', 'alice', '']):
                if r.random() < 0.25: continue
                parents = []
                for p in self.parents[t]:
                    if r.random() < 0.6:
                        parents.append({'type': self.full(p), 'id': self.id(p)})
                # mostly no cycles: only upwards in a fixed order
                parents = [p for p in parents if (p['type'], p['id']) > (self.full(t), i) or r.random() < 0.004]
                e = {'uid': {'type': self.full(t), 'id': i}, 'attrs': self.record(self.shape[t], explicit), 'parents': parents}
                if self.tags[t] and r.random() < 0.7:
                    e['tags'] = {k: self.value(self.tags[t], explicit) for k in r.sample(STRINGS, r.randint(0, 3))}
                out.append(e)
        r.shuffle(out)
        if out and r.random() < 0.03: out.append(out[0])
        if out and r.random() < 0.01: out.append(dict(out[0], attrs={'zz': 1}))
        if r.random() < 0.1:
            a = r.choice(list(self.actions))
            out.append({'uid': {'type': self.full('Action'), 'id': a}, 'attrs': {},
                        'parents': [{'type': self.full('Action'), 'id': p} for p in self.actions[a]['parents']]})
        return out

    def request(self, explicit):
        r = self.r
        a = r.choice(self.real) if r.random() < 0.97 else r.choice(list(self.actions) + ['nothing'])
        d = self.actions.get(a) or dict(p=self.types, r=self.types, c={})
        p = r.choice(d['p'] or self.types) if r.random() < 0.97 else r.choice(self.types)
        q = r.choice(d['r'] or self.types) if r.random() < 0.97 else r.choice(self.types)
        return {'principal': {'type': self.full(p), 'id': self.id(p)}, 'action': {'type': self.full('Action'), 'id': a},
                'resource': {'type': self.full(q), 'id': self.id(q)}, 'context': self.record(d['c'], explicit),
                'validateRequest': r.random() < 0.8}


class Policies:
    def __init__(self, world):
        self.w, self.r = world, world.r

    def entity(self, t):
        name = self.w.full(t)
        if self.r.random() < 0.01: name = 'Nowhere'
        return '%s::%s' % (name, quote(self.w.id(t)))

    def action(self, a=None):
        return '%s::%s' % (self.w.full('Action'), quote(a or self.r.choice(list(self.w.actions))))

    def setting(self, a, p, q):
        self.act, self.p, self.q = a, p, q
        self.roots = [('principal', ('Entity', p)), ('resource', ('Entity', q)), ('context', ('Record', self.w.actions[a]['c']))]

    def paths(self, want, depth=2):
        found, todo = [], [(e, t, [], 0) for e, t in self.roots]
        while todo:
            e, t, guards, d = todo.pop()
            if t[:2] == want[:2] and (t[0] != 'Record' or t == want): found.append((e, guards))
            attrs = self.w.shape.get(t[1], {}) if t[0] == 'Entity' else t[1] if t[0] == 'Record' else {}
            if d >= depth: continue
            for a, (s, req) in attrs.items():
                g = guards if req else guards + [(e, a)]
                todo.append((e + ('.' + a if IDENT_OK(a) else '[' + quote(a) + ']'), s, g, d + 1))
        return found

    def expr(self, t, depth):
        r = self.r
        if r.random() < 0.012:
            t = self.w.type(1)
        if r.random() < 0.08 and depth > 0:
            return '(' + self.expr(t, depth - 1) + ')'
        found = self.paths(t)
        if found and r.random() < (0.6 if t[0] != 'Bool' else 0.25):
            e, guards = r.choice(found)
            if guards and t[0] == 'Bool' and r.random() < 0.7:
                return '(' + ' && '.join(['%s has %s' % (b, a if IDENT_OK(a) else quote(a)) for b, a in guards] + [e]) + ')'
            if guards and r.random() < 0.8:
                g = ' && '.join('%s has %s' % (b, a if IDENT_OK(a) else quote(a)) for b, a in guards)
                return '(if %s then %s else %s)' % (g, e, self.literal(t))
            return e
        if depth <= 0 or r.random() < 0.15:
            return self.literal(t)
        if r.random() < 0.07:
            return '(if %s then %s else %s)' % (self.expr(('Bool',), depth - 1), self.expr(t, depth - 1), self.expr(t, depth - 1))
        d = depth - 1
        if t[0] == 'Bool': return self.boolean(d)
        if t[0] == 'Long':
            k = r.randrange(6)
            if k == 0: return '-' + self.atom(('Long',), d)
            if k == 1: return '%s.%s()' % (self.atom(('Ext', 'duration'), d), r.choice(['toMilliseconds', 'toSeconds', 'toMinutes', 'toHours', 'toDays']))
            return '(%s %s %s)' % (self.atom(('Long',), d), r.choice('+-*'), self.atom(('Long',), d))
        if t == ('Ext', 'datetime') and r.random() < 0.6:
            return r.choice(['%s.offset(%s)' % (self.atom(t, d), self.expr(('Ext', 'duration'), d)), '%s.toDate()' % self.atom(t, d)])
        if t == ('Ext', 'duration') and r.random() < 0.6:
            return r.choice(['%s.durationSince(%s)' % (self.atom(('Ext', 'datetime'), d), self.expr(('Ext', 'datetime'), d)),
                             '%s.toTime()' % self.atom(('Ext', 'datetime'), d)])
        if t[0] == 'Set':
            return '[' + ', '.join(self.expr(t[1], d) for _ in range(r.choice([0, 1, 1, 2, 3]) if r.random() < 0.3 else r.randint(1, 3))) + (',' if r.random() < 0.02 else '') + ']'
        if t[0] == 'Record':
            return '{' + ', '.join('%s: %s' % (a if IDENT_OK(a) and r.random() < 0.7 else quote(a), self.expr(s, d))
                                   for a, (s, req) in t[1].items() if req or r.random() < 0.5) + '}'
        tagged = [x for x in self.w.types if self.w.tags.get(x) == t]
        if tagged and r.random() < 0.5:
            e, k = self.expr(('Entity', r.choice(tagged)), 0), quote(r.choice(STRINGS))
            return '(if %s.hasTag(%s) then %s.getTag(%s) else %s)' % (e, k, e, k, self.literal(t))
        return self.literal(t)

    def atom(self, t, d):
        e = self.expr(t, d)
        return e if self.r.random() < 0.3 and ' ' not in e and not e.startswith('-') else '(' + e + ')'

    def literal(self, t):
        r = self.r
        if t[0] == 'Bool': return r.choice(['true', 'false'])
        if t[0] == 'Long': return str(r.choice(LONGS))
        if t[0] == 'String': return quote(r.choice(STRINGS))
        if t[0] == 'Entity': return self.entity(t[1])
        if t[0] == 'Ext':
            fn, good, bad = EXT[t[1]]
            return '%s(%s)' % (fn, quote(r.choice(good) if r.random() < 0.97 else r.choice(bad)))
        if t[0] == 'Set':
            return '[' + ', '.join(self.literal(t[1]) for _ in range(r.randint(0, 3) if r.random() < 0.15 else r.randint(1, 3))) + ']'
        return '{' + ', '.join('%s: %s' % (quote(a), self.literal(s)) for a, (s, req) in t[1].items() if req or r.random() < 0.5) + '}'

    def boolean(self, d):
        r, w = self.r, self.w
        k = r.randrange(22)
        b = ('Bool',)
        if k < 3: return '(' + ' && '.join(self.expr(b, d) for _ in range(r.randint(2, 4))) + ')'
        if k < 6: return '(' + ' || '.join(self.expr(b, d) for _ in range(r.randint(2, 3))) + ')'
        if k == 6: return '!' * r.choice([1, 1, 2]) + self.atom(b, d)
        if k in (7, 8, 9):
            t = w.type(1)
            return '(%s %s %s)' % (self.expr(t, d), r.choice(['==', '!=']), self.expr(t if r.random() < 0.97 else w.type(1), d))
        if k in (10, 11):
            t = r.choice([('Long',), ('Long',), ('Ext', 'datetime'), ('Ext', 'duration')])
            return '(%s %s %s)' % (self.atom(t, d), r.choice(['<', '<=', '>', '>=']), self.atom(t, d))
        if k == 12:
            t = w.type(1)
            return '%s.%s(%s)' % ((self.atom(('Set', t), d), 'contains', self.expr(t, d)) if r.random() < 0.5 else
                                  (self.atom(('Set', t), d), r.choice(['containsAll', 'containsAny']), self.expr(('Set', t), d)))
        if k == 13: return '%s.isEmpty()' % self.atom(('Set', w.type(1)), d)
        if k == 14: return '(%s like %s)' % (self.atom(('String',), d), self.pattern())
        if k in (15, 16):
            e, t = r.choice(self.roots[:2] + [(self.entity(x), ('Entity', x)) for x in w.types[:2]])
            u = r.choice(w.above(t[1]) or w.types) if r.random() < 0.8 else r.choice(w.types)
            right = self.entity(u) if r.random() < 0.6 else '[' + ', '.join(self.entity(u if r.random() < 0.95 else r.choice(w.types)) for _ in range(r.randint(1, 3))) + ']'
            return '(%s in %s)' % (e, right)
        if k == 17:
            s = '(%s is %s' % (r.choice(['principal', 'resource', self.atom(('Entity', r.choice(w.types)), 0)]), w.full(r.choice(w.types)))
            return s + (' in ' + self.entity(r.choice(w.types)) + ')' if r.random() < 0.3 else ')')
        if k == 18:
            return '(action %s %s)' % (r.choice(['==', 'in', '!=']), self.action()) if r.random() < 0.6 else '(action in [%s])' % ', '.join(self.action() for _ in range(r.randint(1, 2)))
        if k == 19:
            e, t = r.choice(self.roots)
            attrs = list((w.shape.get(t[1]) if t[0] == 'Entity' else t[1]) or ATTRS)
            if r.random() < 0.3:
                return '(%s has %s)' % (e, '.'.join(a for a in r.sample(attrs + ['a', 'b'], 2) if IDENT_OK(a)) or 'a')
            a = r.choice(attrs + ['a'])
            return '(%s has %s)' % (e, a if IDENT_OK(a) else quote(a))
        if k == 20:
            e = r.choice(['principal', 'resource'])
            return '%s.hasTag(%s)' % (e, quote(r.choice(STRINGS)))
        t = ('Ext', r.choice(['decimal', 'ipaddr']))
        if t[1] == 'decimal':
            return '%s.%s(%s)' % (self.atom(t, d), r.choice(['lessThan', 'lessThanOrEqual', 'greaterThan', 'greaterThanOrEqual']), self.expr(t, d))
        if r.random() < 0.5: return '%s.isInRange(%s)' % (self.atom(t, d), self.expr(t, d))
        return '%s.%s()' % (self.atom(t, d), r.choice(['isIpv4', 'isIpv6', 'isLoopback', 'isMulticast']))

    def pattern(self):
        return '"' + ''.join(self.r.choice(['*', 'a', 'b', 'c', '\\*', '가', '1', '.', '\\u{2a}', '\\n']) for _ in range(self.r.randint(0, 5))) + '"'

    def scope(self, var, types, template):
        r, w = self.r, self.w
        k = r.random()
        slot = template and r.random() < 0.7
        ref = lambda t: '?' + var if slot else self.entity(t)
        t = r.choice(types) if r.random() < 0.9 else r.choice(w.types)
        above = r.choice(w.above(t) or [t])
        if k < (0.1 if template else 0.6): return var
        if k < 0.68: return '%s == %s' % (var, ref(t))
        if k < 0.8: return '%s in %s' % (var, ref(above))
        if k < 0.92: return '%s is %s' % (var, w.full(t))
        return '%s is %s in %s' % (var, w.full(t), ref(above))

    def policy(self, template=False):
        r, w = self.r, self.w
        a = r.choice(w.real)
        d = w.actions[a]
        p, q = r.choice(d['p']), r.choice(d['r'])
        self.setting(a, p, q)
        k = r.random()
        act = 'action' if k < 0.4 else 'action == ' + self.action(a) if k < 0.7 else 'action in ' + self.action(r.choice(d['parents'] or [a])) if k < 0.85 else \
            'action in [%s]' % ', '.join(self.action(x) for x in r.sample(list(w.actions), r.randint(1, min(3, len(w.actions)))))
        out = ''
        for key in r.sample(['id', 'note', 'when', 'x'], r.choice([0, 0, 0, 1, 2])):
            out += '@' + key + (r.choice(['("%s")' % key, '("가\\n")', '']) if True else '') + '\n'
        types_p = [p] if r.random() < 0.6 else d['p']
        out += '%s(%s, %s, %s%s)' % (r.choice(['permit', 'permit', 'forbid']), self.scope('principal', types_p, template), act,
                                     self.scope('resource', [q] if r.random() < 0.6 else d['r'], template), ',' if r.random() < 0.02 else '')
        for _ in range(r.choice([0, 1, 1, 1, 2])):
            depth = r.choice([1, 2, 2, 3, 4])
            body = self.expr(('Bool',), depth)
            if r.random() < 0.02:
                n = r.randint(5, 40)
                body = '(' * n + body + ')' * n
            if r.random() < 0.01:
                n = r.randint(5, 30)
                body = '!' * 1 + '(' + ' && '.join([body] * 1 + ['true'] * n) + ')'
            out += '\n%s { %s }' % (r.choice(['when', 'when', 'unless']), body)
        return out + ';\n'


MARKS = list('(){}[]<>=!&|+-*/%.,;:@?"\\\'#\r\n') + ['&&', '||', '::', '==', 'in', 'is', 'has', 'like', 'if', 'then', 'true', '__cedar', '?principal', '\u00a0', '0', '9' * 20, '가', '/*', '//',
                                                    '\\x', '\\u{', '\\*', '\0', '- -', '!!!!!', 'when', 'permit', 'contains', 'ip', '.isEmpty()', 'unless']


def damage(r, text):
    if not text: return r.choice(MARKS)
    i = r.randrange(len(text))
    k = r.random()
    if k < 0.35: return text[:i] + text[i + r.randint(1, 3):]
    if k < 0.7: return text[:i] + r.choice(MARKS) + text[i:]
    if k < 0.85: return text[:i] + r.choice(MARKS) + text[i + 1:]
    j = r.randrange(len(text))
    i, j = min(i, j), max(i, j)
    return text[:i] + text[j:] if r.random() < 0.5 else text[:i] + text[i:j][:20] + text[i:]


def names_twice(text):
    """JavaScript's reader keeps the last of two members with one name; Cedar's refuses them: not to be compared."""
    twice = []

    def look(pairs):
        twice.extend(k for k, _ in pairs if [n for n, _ in pairs].count(k) > 1)
        return dict(pairs)
    try:
        json.loads(text, object_pairs_hook=look)
    except ValueError:
        pass
    return bool(twice)


def question(seed):
    if seed % 3:
        from cedar_typed import question as typed
        return typed(seed)
    r = random.Random(seed)
    w = World(r)
    maker = Policies(w)
    explicit = r.random() < 0.4
    schema = w.schema()
    entities = json.dumps(w.entities(explicit), ensure_ascii=False)
    requests = [json.dumps(w.request(explicit), ensure_ascii=False) for _ in range(r.randint(4, 8))]
    texts = [maker.policy() for _ in range(r.choice([1, 1, 2, 3, 5]))]
    if r.random() < 0.06: schema = damage(r, schema)
    if r.random() < 0.02:
        damaged = damage(r, entities)
        if not names_twice(damaged): entities = damaged
    if r.random() < 0.12:
        i = r.randrange(len(texts))
        texts[i] = damage(r, texts[i])
    if r.random() < 0.3:
        templates, links = {}, []
        for i in range(r.randint(1, 2)):
            text = maker.policy(True)
            if '?principal' not in text and '?resource' not in text: continue
            templates['t%d' % i] = text
            for j in range(r.randint(0, 3)):
                values = {}
                for s in ('?principal', '?resource'):
                    if (s in text) != (r.random() < 0.02):
                        t = r.choice(w.types)
                        values[s] = {'type': w.full(t), 'id': w.id(t)}
                links.append({'templateId': 't%d' % i if r.random() < 0.99 else 't9', 'newId': 'l%d_%d' % (i, j if r.random() < 0.98 else 0), 'values': values})
        policies = {'json': json.dumps({'staticPolicies': {'p%d' % i: t for i, t in enumerate(texts)}, 'templates': templates, 'templateLinks': links}, ensure_ascii=False)}
    else:
        policies = {'text': ''.join(texts)}
    return {'policies': policies, 'schema': schema, 'entities': entities, 'requests': requests}


if __name__ == '__main__':
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--seed', type=int, default=1)
    ap.add_argument('--count', type=int, default=10)
    args = ap.parse_args()
    for i in range(args.count):
        print(json.dumps(question(args.seed * 1000003 + i), ensure_ascii=True))
