"""Typed random questions for cedar_generate.py: several namespaces, both schema syntaxes, both forms of policies.

Expressions are made as trees by type, knowing which optional attributes and tags a guard has made safe, and written as
text (with any white space, comments, brackets and escapes that are allowed) or as JSON. A part of the policies has one
thing wrong on purpose: a guard that does not carry, a type, an arity, a name, a token.
"""
import json
import random

from cedar_generate import BAD_DATETIMES, BAD_DECIMALS, BAD_DURATIONS, BAD_IPS, DATETIMES, DECIMALS, DURATIONS, IPS, LONGS, RESERVED, STRINGS

EXT = {'decimal': ('decimal', DECIMALS, BAD_DECIMALS), 'ipaddr': ('ip', IPS, BAD_IPS),
       'datetime': ('datetime', DATETIMES, BAD_DATETIMES), 'duration': ('duration', DURATIONS, BAD_DURATIONS)}
NAMES = ['a', 'b', 'c', 'd', 'name', 'owner', 'type', 'when', 'principal', 'Set', 'x y', 'in', 'if', '', '해', 'a"b', '__entity2', 'id']
TYPES = ['User', 'Group', 'Doc', 'Kind', 'Photo', 'appliesTo', '_x9']
IDS = ['1', '2', 'alice', '', '해치', 'x"y', 'User']
SPACES = ['  ', '\n', '\t', ' // 말 "x" }\n', '\r\n', '\u00a0', '\u3000', '//\n']
BOOL, LONG, STRING = ('Bool',), ('Long',), ('String',)
RELATIONS = ('==', '!=', '<', '<=', '>', '>=', 'in')
LEVEL = {'if': 0, '||': 1, '&&': 2, 'has': 3, 'like': 3, 'is': 3, '+': 4, '-': 4, '*': 5, '!': 6, 'neg': 6}
METHODS = {'decimal': ['lessThan', 'lessThanOrEqual', 'greaterThan', 'greaterThanOrEqual'], 'ipaddr': ['isIpv4', 'isIpv6', 'isLoopback', 'isMulticast', 'isInRange']}


def plain(s):
    return s.isascii() and s.isidentifier() and s not in RESERVED


def base(name):
    return name.rsplit('::', 1)[-1]


# ---- trees as text and as JSON

class Writer:
    """Trees: ('lit', v) ('ent', type, id) ('var', v) ('slot', s) ('set', [e]) ('rec', [(k, e)]) ('call', fn, [e]) ('method', e, name, [e]) ('get', e, a)
    ('has', e, [a]) ('like', e, pattern) ('is', e, type, e|None) ('!', e) ('neg', e) ('if', g, y, n) and (operator, left, right)."""

    def __init__(self, r):
        self.r, self.wild = r, r.random() < 0.15

    def sp(self, default=' '):
        return self.r.choice(SPACES) if self.wild and self.r.random() < 0.08 else default

    def quote(self, s, pattern=False):
        out = '"'
        for c in s:
            k = self.r.random() if self.wild else 1
            if c == '"': out += '\\"'
            elif c == '\\': out += '\\\\'
            elif c == '\0': out += '\\0'
            elif c == '\r': out += '\\r'
            elif pattern and c == '*': out += '\\*'
            elif k < 0.05: out += '\\u{%x}' % ord(c)
            elif k < 0.1 and ord(c) < 0x80: out += '\\x%02x' % ord(c)
            elif k < 0.12 and c == "'": out += "\\'"
            elif c == '\n' and k > 0.3: out += '\\n'
            elif c == '\t' and k > 0.3: out += '\\t'
            else: out += c
        return out + '"'

    def pattern(self, parts):
        return '"' + ''.join('*' if p is None else self.quote(p, True)[1:-1] for p in parts) + '"'

    def level(self, e):
        if e[0] == 'lit' and not isinstance(e[1], (bool, str)) and e[1] < 0: return 6
        return 3 if e[0] in RELATIONS else LEVEL.get(e[0], 8)

    def text(self, e, least=0):
        level = self.level(e)
        if level < least or (level < 8 and self.r.random() < 0.06): return '(' + self.sp('') + self.bare(e) + ')'
        return self.bare(e)

    def list(self, items):
        return ', '.join(items) + (',' if items and self.r.random() < 0.02 else '')

    def bare(self, e):
        k, s = e[0], self.sp
        if k == 'lit':
            if isinstance(e[1], bool): return 'true' if e[1] else 'false'
            return self.quote(e[1]) if isinstance(e[1], str) else str(e[1])
        if k == 'ent': return '%s%s::%s' % (e[1], s(''), self.quote(e[2]))
        if k in ('var', 'slot'): return e[1]
        if k == 'set': return '[' + self.list([self.text(x) for x in e[1]]) + ']'
        if k == 'rec': return '{' + self.list([(a if plain(a) and self.r.random() < 0.8 else self.quote(a)) + ':' + s() + self.text(x) for a, x in e[1]]) + '}'
        if k == 'call': return e[1] + '(' + self.list([self.text(x) for x in e[2]]) + ')'
        if k == 'method': return self.text(e[1], 7) + s('') + '.' + e[2] + '(' + self.list([self.text(x) for x in e[3]]) + ')'
        if k == 'get': return self.text(e[1], 7) + ('.' + e[2] if plain(e[2]) and self.r.random() < 0.9 else '[' + self.quote(e[2]) + ']')
        if k == 'has': return self.text(e[1], 4) + s() + 'has ' + ('.'.join(e[2]) if all(map(plain, e[2])) and (len(e[2]) > 1 or self.r.random() < 0.85) else self.quote(e[2][0]))
        if k == 'like': return self.text(e[1], 4) + s() + 'like ' + self.pattern(e[2])
        if k == 'is': return self.text(e[1], 4) + s() + 'is ' + e[2] + (' in ' + self.text(e[3], 4) if e[3] else '')
        if k == 'if': return 'if ' + self.text(e[1]) + s() + 'then ' + self.text(e[2]) + s() + 'else ' + self.text(e[3])
        if k in ('!', 'neg'):
            signs, inner = 1, e[1]
            while inner[0] == k and signs < 4 and self.r.random() < 0.5: signs, inner = signs + 1, inner[1]
            return ('!' if k == '!' else '-') * signs + (self.text(inner, 7) if k == '!' or inner[0] != 'lit' else '(' + self.text(inner) + ')')
        level = self.level(e)
        left, right = (4, 4) if level == 3 else (level, level + 1)
        return self.text(e[1], left) + s() + k + s() + self.text(e[2], right)

    def json(self, e):
        k, j = e[0], self.json
        if k == 'lit': return {'Value': e[1]}
        if k == 'ent': return {'Value': {'__entity': {'type': e[1], 'id': e[2]}}}
        if k == 'var': return {'Var': e[1]}
        if k == 'slot': return {'Slot': e[1]}
        if k == 'set': return {'Value': [x[1] for x in e[1]]} if all(x[0] == 'lit' for x in e[1]) and self.r.random() < 0.3 else {'Set': [j(x) for x in e[1]]}
        if k == 'rec': return {'Record': {a: j(x) for a, x in e[1]}}
        if k == 'call':
            if len(e[2]) == 1 and e[2][0][0] == 'lit' and self.r.random() < 0.15: return {'Value': {'__extn': {'fn': e[1], 'arg': e[2][0][1]}}}
            return {e[1]: [j(x) for x in e[2]]}
        if k == 'method':
            if e[2] in ('contains', 'containsAll', 'containsAny', 'hasTag', 'getTag') and len(e[3]) == 1: return {e[2]: {'left': j(e[1]), 'right': j(e[3][0])}}
            if e[2] == 'isEmpty' and not e[3]: return {'isEmpty': {'arg': j(e[1])}}
            return {e[2]: [j(x) for x in [e[1]] + e[3]]}
        if k == 'get': return {'.': {'left': j(e[1]), 'attr': e[2]}}
        if k == 'has': return {'has': {'left': j(e[1]), 'attr': e[2][0] if len(e[2]) == 1 and self.r.random() < 0.8 else e[2]}}
        if k == 'like': return {'like': {'left': j(e[1]), 'pattern': ['Wildcard' if p is None else {'Literal': p} for p in e[2]]}}
        if k == 'is': return {'is': dict({'left': j(e[1]), 'entity_type': e[2]}, **({'in': j(e[3])} if e[3] else {}))}
        if k == 'if': return {'if-then-else': {'if': j(e[1]), 'then': j(e[2]), 'else': j(e[3])}}
        if k in ('!', 'neg'): return {k: {'arg': j(e[1])}}
        return {k: {'left': j(e[1]), 'right': j(e[2])}}


# ---- schemas and data

class World:
    def __init__(self, r):
        self.r = r
        self.spaces = r.choice([[''], [''], ['', 'A'], ['A'], ['A', 'A::B'], ['', 'A', 'B'], ['N::M']])
        names = r.sample(TYPES, r.randint(3, 5))
        self.types = []
        for t in names:
            self.types.append(self.qualify(r.choice(self.spaces), t))
            if '' not in self.spaces and r.random() < 0.2: self.types.append(self.qualify(r.choice(self.spaces), t))
        if r.random() < 0.01: self.types.append(self.qualify(r.choice(self.spaces), r.choice(names)))
        self.types = list(dict.fromkeys(self.types))
        self.enum = {t: r.sample(['k1', 'k 2', '', '해'], r.randint(1, 3)) for t in self.types if r.random() < 0.15}
        if len(self.enum) == len(self.types): self.enum = {}
        self.commons = {}
        for i in range(r.choice([0, 1, 2, 3])): self.commons[self.qualify(r.choice(self.spaces), r.choice(['T%d', 'common%d']) % i)] = self.type(2)
        self.up, self.shape, self.tags = {}, {}, {}
        for t in self.types:
            e = t in self.enum
            self.up[t] = [] if e else [p for p in self.types if r.random() < 0.35]
            self.shape[t] = {} if e else self.attributes(3, r.randint(0, 5))
            self.tags[t] = None if e or r.random() < 0.5 else self.type(2)
        self.actions = {}
        for i, g in enumerate(r.sample(['all', 'some', 'any one', 'in'], r.randint(0, 3))):
            up = [x for x in self.actions if r.random() < 0.4]
            self.actions[(self.qualify(r.choice(self.spaces), 'Action'), g)] = dict(up=up, p=[], q=[], c={})
        groups = list(self.actions)
        for a in r.sample(['read', 'write', 'do it', 'b', 'contains'], r.randint(1, 3)):
            pick = lambda: r.sample(self.types, r.randint(1, min(3, len(self.types))))
            self.actions[(self.qualify(r.choice(self.spaces), 'Action'), a)] = dict(up=[g for g in groups if r.random() < 0.5], p=pick(), q=pick(), c=self.attributes(3, r.randint(0, 5)))
        self.real = [a for a in self.actions if self.actions[a]['p']]

    def qualify(self, space, name):
        return space + '::' + name if space else name

    def type(self, depth):
        r, k = self.r, self.r.random()
        if self.commons and r.random() < 0.12: return r.choice(list(self.commons.values()))
        if k < 0.45 or depth <= 0: return r.choice([LONG, STRING, BOOL])
        if k < 0.6: return ('Entity', r.choice(self.types))
        if k < 0.72: return ('Ext', r.choice(list(EXT)))
        if k < 0.84: return ('Set', self.type(depth - 1))
        return ('Record', self.attributes(depth - 1, r.randint(0, 3)))

    def attributes(self, depth, count):
        return {a: (self.type(depth), self.r.random() < 0.55) for a in self.r.sample(NAMES, count)}

    def above(self, t):
        seen, todo = set(), list(self.up.get(t, []))
        while todo:
            p = todo.pop()
            if p not in seen: seen.add(p); todo += self.up[p]
        return sorted(seen)

    # A name as seen from a namespace.
    def seen(self, name, space):
        if name.startswith(space + '::') and space and self.r.random() < 0.6 and '::' not in name[len(space) + 2:]: return name[len(space) + 2:]
        return name

    def show(self, t, space, w):
        r = self.r
        for name, c in self.commons.items():
            if c == t and r.random() < 0.5 and w is not None: return self.seen(name, space)
        if t[0] == 'Set': return 'Set' + w.sp('') + '<' + self.show(t[1], space, w) + '>'
        if t[0] == 'Record': return self.show_attributes(t[1], space, w)
        if t[0] == 'Entity': return self.seen(t[1], space)
        return ('__cedar::' if r.random() < 0.1 else '') + t[-1]

    def note(self, w):
        return '@%s%s\n' % (self.r.choice(['doc', 'if', 'id']), self.r.choice(['', '("x")', '("")'])) if self.r.random() < 0.04 else ''

    def show_attributes(self, attrs, space, w):
        parts = [self.note(w) + (a if plain(a) and self.r.random() < 0.7 else w.quote(a)) + ('' if req else '?') + ':' + w.sp() + self.show(t, space, w) for a, (t, req) in attrs.items()]
        return '{' + ', '.join(parts) + (',' if parts and self.r.random() < 0.15 else '') + '}'

    def common_text(self, t, space, w):
        """The body of a common type: never its own name."""
        keep, self.commons = self.commons, {}
        out = self.show(t, space, w)
        self.commons = keep
        return out

    def text(self, w):
        r, out = self.r, []
        in_space = lambda s, n: (n.rsplit('::', 1)[0] if '::' in n else '') == s
        for s in self.spaces:
            lines = ['type %s =%s%s;' % (base(n), w.sp(), self.common_text(t, s, w)) for n, t in self.commons.items() if in_space(s, n)]
            for t in self.types:
                if not in_space(s, t): continue
                if t in self.enum: lines.append('entity %s enum [%s];' % (base(t), ', '.join(map(w.quote, self.enum[t])))); continue
                up = [self.seen(p, s) for p in self.up[t]]
                lines.append(self.note(w) + 'entity ' + base(t) + (' in ' + (up[0] if len(up) == 1 and r.random() < 0.5 else '[' + ', '.join(up) + ']') if up else '') +
                             (r.choice([' = ', ' ']) + self.show_attributes(self.shape[t], s, w) if self.shape[t] or r.random() < 0.3 else '') +
                             (' tags ' + self.show(self.tags[t], s, w) if self.tags[t] else '') + ';')
            for (at, a), d in self.actions.items():
                if not in_space(s, at): continue
                up = [(w.quote(g) if gt == at and r.random() < 0.7 else gt + '::' + w.quote(g)) for gt, g in d['up']]
                line = self.note(w) + 'action ' + (a if plain(a) and r.random() < 0.6 else w.quote(a)) + (' in [' + ', '.join(up) + ']' if up else '')
                if d['p']:
                    parts = ['%s: %s' % (v, self.seen(d[k][0], s) if len(d[k]) == 1 and r.random() < 0.5 else '[' + ', '.join(self.seen(x, s) for x in d[k]) + ']') for v, k in (('principal', 'p'), ('resource', 'q'))]
                    if d['c'] or r.random() < 0.4: parts.append('context: ' + self.show(('Record', d['c']), s, w))
                    r.shuffle(parts)
                    line += ' appliesTo {' + ', '.join(parts) + (',' if r.random() < 0.2 else '') + '}'
                lines.append(line + ';')
            r.shuffle(lines)
            body = '\n'.join(lines)
            out.append(body if not s else self.note(w) + 'namespace %s {\n%s\n}' % (s, body))
        return '\n'.join(out) + '\n'

    def json_type(self, t, space, own=True):
        r = self.r
        for name, c in self.commons.items():
            if c == t and r.random() < 0.5 and own: return {'type': self.seen(name, space)} if r.random() < 0.6 else {'type': 'EntityOrCommon', 'name': self.seen(name, space)}
        if t[0] == 'Set': return {'type': 'Set', 'element': self.json_type(t[1], space, own)}
        if t[0] == 'Record': return {'type': 'Record', 'attributes': {a: dict(self.json_type(x, space, own), **({} if req and r.random() < 0.5 else {'required': req})) for a, (x, req) in t[1].items()}}
        if t[0] == 'Entity': return {'type': r.choice(['Entity', 'EntityOrCommon']), 'name': self.seen(t[1], space)}
        if t[0] == 'Ext': return {'type': 'Extension', 'name': t[1]} if r.random() < 0.8 else {'type': 'EntityOrCommon', 'name': t[1]}
        return {'type': {'Bool': 'Boolean'}.get(t[0], t[0])} if r.random() < 0.9 else {'type': 'EntityOrCommon', 'name': t[0]}

    def json(self):
        r, out = self.r, {}
        in_space = lambda s, n: (n.rsplit('::', 1)[0] if '::' in n else '') == s
        for s in self.spaces:
            types, actions = {}, {}
            for t in self.types:
                if not in_space(s, t): continue
                if t in self.enum: types[base(t)] = {'enum': self.enum[t]}; continue
                d = types[base(t)] = {}
                if self.up[t]: d['memberOfTypes'] = [self.seen(p, s) for p in self.up[t]]
                if self.shape[t]: d['shape'] = self.json_type(('Record', self.shape[t]), s)
                if self.tags[t]: d['tags'] = self.json_type(self.tags[t], s)
            for (at, a), d in self.actions.items():
                if not in_space(s, at): continue
                x = actions[a] = {}
                if d['up']: x['memberOf'] = [{'id': g} if gt == at and r.random() < 0.7 else {'id': g, 'type': gt} for gt, g in d['up']]
                if d['p']: x['appliesTo'] = dict({'principalTypes': [self.seen(y, s) for y in d['p']], 'resourceTypes': [self.seen(y, s) for y in d['q']]},
                                                 **({'context': self.json_type(('Record', d['c']), s)} if d['c'] or r.random() < 0.5 else {}))
            out[s] = {'entityTypes': types, 'actions': actions}
            commons = {base(n): self.json_type(t, s, False) for n, t in self.commons.items() if in_space(s, n)}
            if commons: out[s]['commonTypes'] = commons
            if s and r.random() < 0.1: out[s]['annotations'] = {'doc': 'x'}
        return json.dumps(out, ensure_ascii=False)

    # ---- data: `wrong` holds how many things may still be spoilt

    def id(self, t):
        return self.r.choice(self.enum[t]) if t in self.enum else self.r.choice(IDS)

    def uid(self, t, i):
        u = {'type': t, 'id': i}
        return {'__entity': u} if self.r.random() < 0.2 else u

    def value(self, t, explicit):
        r = self.r
        if self.wrong > 0 and r.random() < 0.06:
            self.wrong -= 1
            k = r.randrange(9)
            if k == 0: return None
            if k == 1: return 1.5
            if k == 2: return {'__extn': {'fn': 'ip', 'arg': r.choice(IPS + BAD_IPS)}}
            if k == 3: return {'__entity': {'type': r.choice(self.types + ['Nowhere', 'Action', 'A :: B']), 'id': 'k1'}}
            if k == 4: return {'__expr': '1'}
            if k == 5: return {'fn': r.choice(['ip', 'decimal', 'isIpv4', 'no']), 'arg': '1.0'}
            if k == 6: return {'__extn': {'fn': 'decimal', 'arg': r.choice(BAD_DECIMALS)}, 'x': 1}
            if k == 7: return {'type': 'User', 'id': 'a', 'more': 1}
            t = self.type(2)
        if t[0] == 'Bool': return r.random() < 0.5
        if t[0] == 'Long': return r.choice(LONGS)
        if t[0] == 'String': return r.choice(STRINGS)
        if t[0] == 'Entity':
            u = {'type': t[1], 'id': self.id(t[1])}
            return {'__entity': u} if explicit or r.random() < 0.5 else u
        if t[0] == 'Ext':
            fn, good, _ = EXT[t[1]]
            arg = r.choice(good)
            call = {'fn': fn, 'arg': arg} if r.random() < 0.8 else {'fn': fn, 'args': [arg]}
            if t[1] == 'datetime' and r.random() < 0.1: call = {'fn': 'offset', 'args': [{'__extn': {'fn': 'datetime', 'arg': arg}}, {'__extn': {'fn': 'duration', 'arg': '1h'}}]}
            if explicit or r.random() < 0.4: return {'__extn': call}
            return call if r.random() < 0.3 else arg
        if t[0] == 'Set': return [self.value(t[1], explicit) for _ in range(r.choice([0, 1, 2, 3]))]
        return self.record(t[1], explicit)

    def record(self, attrs, explicit):
        r, out = self.r, {}
        for a, (t, req) in attrs.items():
            if req or r.random() < 0.6: out[a] = self.value(t, explicit)
        if self.wrong > 0 and r.random() < 0.1:
            self.wrong -= 1
            if out and r.random() < 0.5: out.pop(r.choice(list(out)))
            else: out[r.choice(['extra', '__entity', 'fn', 'a'])] = r.choice([1, 'x', {}, []])
        return out

    def entities(self, explicit):
        r, out = self.r, []
        self.wrong = r.choice([0, 0, 0, 0, 1, 2]) if r.random() < 0.5 else 0
        for t in self.types:
            for i in self.enum.get(t) or IDS[:5]:
                if r.random() < 0.3: continue
                up = [self.uid(p, self.id(p)) for p in self.up[t] for _ in range(r.choice([0, 1, 1, 2]))]
                up = [p for p in up if json.dumps(p.get('__entity', p)) > json.dumps({'type': t, 'id': i}) or r.random() < 0.003]
                e = {'uid': self.uid(t, i), 'attrs': self.record(self.shape[t], explicit), 'parents': up}
                if self.tags[t] and r.random() < 0.7: e['tags'] = {k: self.value(self.tags[t], explicit) for k in r.sample(STRINGS, r.randint(0, 3))}
                if self.wrong > 0 and r.random() < 0.05:
                    self.wrong -= 1
                    k = r.randrange(8)
                    if k == 0: e['parents'].append({'type': r.choice(self.types + ['Nowhere']), 'id': '1'})
                    elif k == 1: e.pop(r.choice(['attrs', 'parents', 'uid']))
                    elif k == 2: e['tags'] = {'t': r.choice([1, 'x', [], True])}
                    elif k == 3: e['more'] = 1
                    elif k == 4: e['uid'] = {'type': r.choice(['Nowhere', t + ' ', 'in', '', 'A::', 'é']), 'id': i}
                    elif k == 5: e['uid'] = {'type': t, 'id': 'none'}
                    elif k == 6: e['parents'].append(e.get('uid'))
                    else: e['uid'] = t + '::"x"'
                out.append(e)
        r.shuffle(out)
        if out and r.random() < 0.03: out.append(json.loads(json.dumps(out[0])))
        if out and r.random() < 0.01: out.append(dict(out[0], parents=[]))
        if r.random() < 0.15:
            at, a = r.choice(list(self.actions))
            up = self.actions[(at, a)]['up']
            closed = set()
            todo = list(up)
            while todo:
                x = todo.pop()
                if x not in closed: closed.add(x); todo += self.actions[x]['up']
            if r.random() < 0.5: up = sorted(closed)
            if r.random() < 0.1: up = up[1:] or [(at, 'read')]
            out.append({'uid': {'type': at, 'id': a if r.random() < 0.95 else 'no'}, 'attrs': {} if r.random() < 0.95 else {'a': 1}, 'parents': [{'type': x, 'id': y} for x, y in up]})
        return out

    def request(self, explicit):
        r = self.r
        self.wrong = 1 if r.random() < 0.12 else 0
        at, a = r.choice(self.real) if r.random() < 0.97 else r.choice(list(self.actions) + [(self.real[0][0], 'nothing'), ('User', 'x')])
        d = self.actions.get((at, a)) or dict(p=[], q=[], c={})
        pick = lambda some: r.choice(some or self.types) if r.random() < 0.96 else r.choice(self.types + ['Nowhere', 'Action'])
        p, q = pick(d['p']), pick(d['q'])
        any_id = lambda t: self.id(t) if t in self.types and r.random() < 0.99 else 'zz'
        return {'principal': self.uid(p, any_id(p)), 'action': self.uid(at, a), 'resource': self.uid(q, any_id(q)),
                'context': self.record(d['c'], explicit), 'validateRequest': r.random() < 0.8}


# ---- policies and questions

TOKENS = ['(', ')', '{', '}', '[', ']', ',', ';', ':', '::', '.', '@', '==', '!=', '<', '<=', '=', '&&', '||', '&', '|', '!', '-', '+', '*', '/', '%', '?', '?principal', '?resource', '?x',
          'permit', 'forbid', 'when', 'unless', 'principal', 'action', 'resource', 'context', 'true', 'false', 'if', 'then', 'else', 'in', 'is', 'has', 'like', '__cedar', 'ip', 'decimal',
          'contains', 'isEmpty', 'hasTag', 'lessThan', 'offset', '1', '9223372036854775808', '9223372036854775807', '00', '"x"', '"\\x"', '"\\u{110000}"', '"\\u{d800}"', '"\\x80"', "'", '"',
          '#', '\\', '\u00a0', '\u200b', '\ufeff', '가', '//', '/*', '*/', '\r', 'entity', 'type', 'namespace', 'appliesTo', 'enum', 'tags', 'Set', 'Long', 'Bool', 'attributes', '<', '>', '!!', '0x1', '1.5']


def break_tokens(r, text):
    """One token taken away, doubled, exchanged or put in."""
    import re
    parts = re.findall(r'"(?:\\.|[^"\\])*"|[A-Za-z_][A-Za-z_0-9]*|[0-9]+|::|==|!=|<=|>=|&&|\|\||\s+|.', text, re.S)
    if not parts: return r.choice(TOKENS)
    i, j, k = r.randrange(len(parts)), r.randrange(len(parts)), r.randrange(6)
    if k == 0: parts[i] = ''
    elif k == 1: parts[i] = parts[i] * 2
    elif k == 2: parts[i], parts[j] = parts[j], parts[i]
    elif k == 3: parts[i] = r.choice(TOKENS)
    elif k == 4: parts.insert(i, ' ' + r.choice(TOKENS) + ' ')
    else: parts[i:i] = parts[j:j + r.randint(1, 6)]
    return ''.join(parts)


def break_json(r, value):
    """One place of a JSON value exchanged, renamed or taken away."""
    places = []

    def walk(v):
        for k in v if isinstance(v, dict) else range(len(v)) if isinstance(v, list) else []:
            places.append((v, k))
            walk(v[k])
    walk(value)
    if not places: return value
    at, k = r.choice(places)
    other = r.choice(places)
    n = r.randrange(5)
    if n == 0: del at[k]
    elif n == 1: at[k] = r.choice([None, 1, -1, 'x', '', True, [], {}, [1], {'a': 1}, 'Long', 'Record', {'type': 'Long'}, 'permit', 'Wildcard', 9007199254740993])
    elif n == 2: at[k] = json.loads(json.dumps(other[0][other[1]])) if other[1] in other[0] or isinstance(other[0], list) and other[1] < len(other[0]) else 1
    elif n == 3 and isinstance(at, dict): at[r.choice(['x', 'type', 'left', 'Value', '__entity', 'arg', 'annotations', 'required', 'id', '', 'ip', '=='])] = at.pop(k)
    elif isinstance(at, dict): at[r.choice(['x', 'type', 'attr', 'in', 'annotations', 'additionalAttributes', 'entity', 'slot'])] = r.choice([1, 'x', {}, [], False])
    else: at.append(at[k])
    return value


class Maker:
    def __init__(self, world, writer):
        self.w, self.r, self.writer = world, world.r, writer

    def scope(self, var, t, types, slots):
        """(operator, reference, type): a reference is a tree."""
        r, w = self.r, self.w
        k = r.random()
        u = t if r.random() < 0.93 else r.choice(types)
        ref = lambda x: ('slot', '?' + var) if slots and r.random() < 0.75 else ('ent', x, w.id(x)) if r.random() < 0.99 else ('ent', 'Nowhere', 'x')
        above = r.choice((w.above(u) if r.random() < 0.9 else w.types) or [u])
        if k < (0.15 if slots else 0.35): return ('All', None, None)
        if k < 0.45: return ('==', ref(u), None)
        if k < 0.6: return ('in', ref(above), None)
        if k < 0.88: return ('is', None, u)
        return ('is', ref(above), u)

    def policy(self, slots=False):
        from cedar_expressions import Expressions
        r, w = self.r, self.w
        action = r.choice(w.real)
        p, q = r.choice(w.actions[action]['p']), r.choice(w.actions[action]['q'])
        fault = r.choice([0, 0, 0, 0, 0.01, 0.03, 0.1])
        k = r.random()
        group = r.choice(w.actions[action]['up'] or [action])
        acts = ('All', None) if k < 0.15 else ('==', action) if k < 0.65 else ('in', group) if k < 0.8 else ('in', r.sample(list(w.actions), r.randint(0 if r.random() < 0.05 else 1, min(3, len(w.actions)))))
        scopes = self.scope('principal', p, w.types, slots), acts, self.scope('resource', q, w.types, slots)
        conditions, safe = [], frozenset()
        maker = Expressions(w, action, p, q, fault)
        for _ in range(r.choice([0, 1, 1, 1, 2, 3])):
            if r.random() < 0.15:
                places = [m for _, _, m in maker.places(lambda t: True, safe) if m]
                if places:
                    missing = r.choice(places)
                    g = maker.guard(missing)
                    conditions.append(('when', g) if r.random() < 0.8 else ('unless', ('!', g)))
                    safe = safe | set(missing)
                    continue
            body = maker.make(BOOL, r.choice([1, 2, 2, 3, 4]), safe)
            if r.random() < 0.01:
                for _ in range(r.randint(5, 35)): body = r.choice([lambda: ('!', body), lambda: ('&&', body, ('lit', True)), lambda: ('if', ('lit', True), body, ('lit', False)), lambda: ('get', ('rec', [('a', body)]), 'a')])()
            conditions.append((r.choice(['when', 'when', 'unless']), body))
        notes = [(k, r.choice([None, '', 'x', '가\n"'])) for k in r.sample(['id', 'note', 'when', 'if', 'x', '_'], r.choice([0, 0, 0, 1, 2]))]
        return r.choice(['permit', 'permit', 'forbid']), notes, scopes, conditions

    def text(self, policy):
        r, w = self.r, self.writer
        effect, notes, (p, a, q), conditions = policy
        ref = lambda e: ('action' if e is None else '%s::%s' % (e[0], w.quote(e[1])))

        def side(var, s):
            op, e, t = s
            if op == 'All': return var
            if op == 'is': return '%s is %s%s' % (var, t, ' in ' + w.text(e) if e else '')
            return '%s %s %s' % (var, op, w.text(e) if e[0] != 'lit' else w.bare(e))
        act = 'action' if a[0] == 'All' else 'action == ' + ref(a[1]) if a[0] == '==' else 'action in ' + ('[' + w.list([ref(x) for x in a[1]]) + ']' if isinstance(a[1], list) else ref(a[1]))
        keep, w.r = w.r, _NoBrackets(w.r)
        head = effect + w.sp('') + '(' + w.sp('') + w.list([side('principal', p), act, side('resource', q)]) + ')'
        w.r = keep
        out = ''.join('@%s%s%s' % (k, '' if v is None else '(' + w.quote(v) + ')', w.sp('\n')) for k, v in notes) + head
        for kind, body in conditions: out += w.sp('\n') + kind + w.sp() + '{' + w.sp() + w.text(body) + w.sp() + '}'
        return out + w.sp('') + ';\n'

    def json(self, policy):
        w = self.writer
        effect, notes, (p, a, q), conditions = policy
        uid = lambda e: {'slot': e[1]} if e[0] == 'slot' else {'entity': self.w.uid(e[1], e[2])}

        def side(s):
            op, e, t = s
            if op == 'All': return {'op': 'All'}
            if op == 'is': return dict({'op': 'is', 'entity_type': t}, **({'in': uid(e)} if e else {}))
            return dict({'op': op}, **uid(e))
        act = {'op': 'All'} if a[0] == 'All' else {'op': a[0], 'entities': [self.w.uid(*x) for x in a[1]]} if isinstance(a[1], list) else {'op': a[0], 'entity': self.w.uid(*a[1])}
        out = {'effect': effect, 'principal': side(p), 'action': act, 'resource': side(q), 'conditions': [{'kind': k, 'body': w.json(b)} for k, b in conditions]}
        if notes: out['annotations'] = dict(notes)
        return out


class _NoBrackets:
    """The scope of a policy holds no brackets around its references."""

    def __init__(self, r): self.r = r
    def random(self): return 0.5 + self.r.random() / 2
    def __getattr__(self, name): return getattr(self.r, name)


def question(seed):
    r = random.Random('typed %d' % seed)
    world, writer = World(r), Writer(r)
    maker = Maker(world, writer)
    explicit = r.random() < 0.3
    schema = world.json() if r.random() < 0.3 else world.text(writer)
    if r.random() < 0.1: schema = json.dumps(break_json(r, json.loads(schema)), ensure_ascii=False) if schema[0] == '{' else break_tokens(r, schema)
    entities = json.dumps(world.entities(explicit), ensure_ascii=False)
    if r.random() < 0.04: entities = json.dumps(break_json(r, json.loads(entities)), ensure_ascii=False)
    requests = [json.dumps(world.request(explicit), ensure_ascii=False) for _ in range(r.randint(8, 12))]
    n = r.choice([1, 1, 2, 3, 5, 8])
    if r.random() < 0.55:
        texts = [maker.text(maker.policy()) for _ in range(n)]
        if r.random() < 0.1:
            i = r.randrange(n)
            texts[i] = break_tokens(r, texts[i])
        return {'policies': {'text': ''.join(texts)}, 'schema': schema, 'entities': entities, 'requests': requests}
    static, templates, links = {}, {}, []
    ids = r.choice([lambda i: 'p%d' % i, lambda i: 'policy%d' % (n - i), lambda i: ['', '가', 'a b', 'x"y', 'p', 'q', 'r', 's'][i]])
    for i in range(n):
        p = maker.policy()
        if r.random() < 0.6:
            static[ids(i)] = maker.json(p)
            if r.random() < 0.07: static[ids(i)] = break_json(r, static[ids(i)])
        else:
            static[ids(i)] = maker.text(p)
            if r.random() < 0.04: static[ids(i)] = break_tokens(r, static[ids(i)])
    for i in range(r.choice([0, 0, 1, 2])):
        p = maker.policy(True)
        slots = [s[1][1] for s in (p[2][0], p[2][2]) if s[1] and s[1][0] == 'slot']
        if not slots and r.random() < 0.9: continue
        name = 't%d' % i if r.random() < 0.97 else ids(0)
        templates[name] = maker.json(p) if r.random() < 0.4 else maker.text(p)
        for j in range(r.randint(0, 3)):
            values = {s: world.uid(t, world.id(t)) for s in slots for t in [r.choice(world.types)]}
            if r.random() < 0.03: values.pop('?principal', 0)
            if r.random() < 0.02: values['?resource'] = world.uid(r.choice(world.types), 'x')
            links.append({'templateId': name if r.random() < 0.98 else 'none', 'newId': 'l%d %d' % (i, j) if r.random() < 0.97 else r.choice([ids(0), name, 'l0 0']), 'values': values})
    policies = {'staticPolicies': static, 'templates': templates, 'templateLinks': links}
    if r.random() < 0.02: policies = break_json(r, policies)
    return {'policies': {'json': json.dumps(policies, ensure_ascii=False)}, 'schema': schema, 'entities': entities, 'requests': requests}
