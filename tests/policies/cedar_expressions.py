"""Random Cedar expressions by type, for cedar_typed.py's worlds: trees of cedar_typed.Writer."""
from cedar_generate import LONGS, STRINGS
from cedar_typed import BOOL, EXT, IDS, LONG, METHODS, NAMES, STRING, plain

TRUE, FALSE = ('lit', True), ('lit', False)
WORDS = ['*', 'a', 'b', 'abc', '가', '', 'x y', '\n', '"', '\\', '1', '😀']


class Expressions:
    """One policy's: `world`, the request environment it is written for, and how likely a mistake is at each step."""

    def __init__(self, world, action, p, q, fault):
        self.w, self.r, self.fault = world, world.r, fault
        self.action, self.p, self.q = action, p, q
        self.roots = [(('var', 'principal'), ('Entity', p)), (('var', 'resource'), ('Entity', q)), (('var', 'context'), ('Record', world.actions[action]['c']))]

    def slip(self):
        return self.fault > 0 and self.r.random() < self.fault

    # ---- places to read from

    def attributes_of(self, t):
        return self.w.shape.get(t[1], {}) if t[0] == 'Entity' else t[1] if t[0] == 'Record' else {}

    def places(self, fits, safe, depth=3):
        """(expression, type, guards still missing) of every attribute path whose type fits."""
        found, todo = [], [(e, t, (), 0) for e, t in self.roots]
        while todo:
            e, t, missing, d = todo.pop()
            if fits(t): found.append((e, t, missing))
            if d < depth and len(todo) < 60:
                for a, (s, required) in self.attributes_of(t).items():
                    todo.append((('get', e, a), s, missing if required or (e, a) in safe else missing + ((e, a),), d + 1))
        return found

    def same(self, t):
        if t[0] == 'Record': return lambda x: x == t
        return lambda x: x == t

    # ---- guards

    def guard(self, missing):
        """One expression that makes all of `missing` safe, outer first."""
        r, out, i = self.r, [], 0
        missing = list(missing)
        while i < len(missing):
            e, a = missing[i]
            names = [a]
            while i + 1 < len(missing) and missing[i + 1][0] == ('get', missing[i][0], missing[i][1]) and plain(a) and plain(missing[i + 1][1]) and r.random() < 0.7:
                i += 1
                names.append(missing[i][1])
            out.append(('has', e, names))
            i += 1
        g = out[0]
        for x in out[1:]: g = ('&&', g, x)
        return g

    def carried(self, g, d):
        """Forms of a guard that still make it count."""
        r, x = self.r, lambda: self.make(BOOL, min(d, 1), frozenset())
        return r.choice([lambda: g, lambda: g, lambda: g, lambda: ('&&', x(), g), lambda: ('&&', g, x()), lambda: ('||', g, FALSE), lambda: ('||', FALSE, g), lambda: ('||', g, g),
                         lambda: ('if', x(), g, g), lambda: ('if', g, x(), FALSE), lambda: ('if', TRUE, g, x()), lambda: ('&&', g, TRUE)])()

    def lost(self, g, d):
        """Forms that look like it and (mostly) do not count."""
        r, x = self.r, lambda: self.make(BOOL, min(d, 1), frozenset())
        return r.choice([lambda: ('||', g, x()), lambda: ('!', ('!', g)), lambda: ('==', g, TRUE), lambda: ('if', x(), g, TRUE), lambda: ('if', g, TRUE, x()), lambda: ('!', g),
                         lambda: ('||', g, TRUE), lambda: ('if', g, TRUE, FALSE), lambda: ('==', g, g), lambda: x(), lambda: TRUE])()

    def use(self, e, t, missing, d):
        r = self.r
        if not missing: return e
        g = self.guard(missing)
        g = self.lost(g, d) if self.slip() else self.carried(g, d) if r.random() < 0.4 else g
        if t == BOOL and r.random() < 0.7:
            return ('||', ('!', g), e) if self.slip() else ('&&', e, g) if self.slip() else ('&&', g, e)
        return ('if', ('!', g), self.constant(t), e) if self.slip() else ('if', g, e, self.constant(t))

    # ---- constants

    def entity(self, t):
        return ('ent', t if not self.slip() else self.r.choice(['Nowhere', 'User', 'Action']), self.w.id(t) if not self.slip() else self.r.choice(IDS))

    def action_of(self):
        at, a = self.r.choice(list(self.w.actions))
        return ('ent', at, a if not self.slip() else 'nothing')

    def constant(self, t):
        r = self.r
        if t[0] == 'Bool': return ('lit', r.random() < 0.5)
        if t[0] == 'Long': return ('lit', r.choice(LONGS))
        if t[0] == 'String': return ('lit', r.choice(STRINGS))
        if t[0] == 'Entity': return self.entity(t[1]) if t[1] in self.w.shape else self.action_of()
        if t[0] == 'Ext':
            fn, good, bad = EXT[t[1]]
            args = [('lit', r.choice(bad if self.slip() else good))]
            if self.slip(): args = r.choice([[], args * 2, [('lit', 1)], [('if', TRUE, args[0], args[0])], [('var', 'context')]])
            return ('call', fn, args)
        if t[0] == 'Set': return ('set', [self.constant(t[1]) for _ in range(r.randint(0 if self.slip() else 1, 3))])
        return ('rec', [(a, self.constant(s)) for a, (s, required) in t[1].items() if required or r.random() < 0.7])

    # ---- expressions

    def make(self, t, d, safe):
        r = self.r
        if self.slip(): t = self.w.type(2)
        found = self.places(self.same(t), safe)
        if found and r.random() < (0.2 if t == BOOL and d > 0 else 0.6):
            e, t2, missing = r.choice(found)
            if len(missing) <= 2 or r.random() < 0.3: return self.use(e, t2, missing, d)
        if d <= 0: return self.constant(t)
        k, d = r.random(), d - 1
        if k < 0.08: return ('if', self.make(BOOL, d, safe), self.make(t, d, safe), self.make(t, d, safe))
        if k < 0.1: return ('get', ('rec', [('a', self.make(t, d, safe)), ('b', self.constant(LONG))]), 'a')
        if k < 0.13: return r.choice([('if', TRUE, self.make(t, d, safe), self.junk(d)), ('if', FALSE, self.junk(d), self.make(t, d, safe))])
        tagged = [x for x in self.w.types if self.w.tags.get(x) == t]
        if tagged and k < 0.5: return self.tag(r.choice(tagged), t, d, safe)
        if t == BOOL: return self.boolean(d, safe)
        if t == LONG and k < 0.75:
            if k < 0.3: return ('neg', self.make(LONG, d, safe))
            if k < 0.4: return self.method(('Ext', 'duration'), r.choice(['toMilliseconds', 'toSeconds', 'toMinutes', 'toHours', 'toDays']), [], d, safe)
            return (r.choice('+-*'), self.make(LONG, d, safe), self.make(LONG, d, safe))
        if t == ('Ext', 'datetime') and k < 0.7:
            return self.method(t, 'toDate', [], d, safe) if k < 0.4 else self.method(t, 'offset', [('Ext', 'duration')], d, safe)
        if t == ('Ext', 'duration') and k < 0.7:
            return self.method(('Ext', 'datetime'), 'toTime', [], d, safe) if k < 0.4 else self.method(('Ext', 'datetime'), 'durationSince', [('Ext', 'datetime')], d, safe)
        if t[0] == 'Set' and k < 0.8: return ('set', [self.make(t[1], d, safe) for _ in range(r.randint(1, 4))])
        if t[0] == 'Record' and k < 0.8: return ('rec', [(a, self.make(s, d, safe)) for a, (s, required) in t[1].items() if required or r.random() < 0.9])
        return self.constant(t)

    def junk(self, d):
        """Something that a validator would refuse where it looks."""
        r = self.r
        return r.choice([lambda: ('+', ('lit', 1), ('lit', 'a')), lambda: ('get', ('var', r.choice(['principal', 'context', 'action'])), r.choice(NAMES)), lambda: ('set', []),
                         lambda: ('ent', 'Nowhere', 'x'), lambda: ('&&', ('lit', 1), TRUE), lambda: ('call', 'ip', [('lit', 'x')]), lambda: self.make(self.w.type(2), d, frozenset()),
                         lambda: ('method', ('var', 'principal'), 'getTag', [('lit', 'a')]), lambda: ('<', ('lit', 'a'), ('lit', 'b')), lambda: ('like', ('lit', 1), [None])])()

    def method(self, t, name, arguments, d, safe):
        args = [self.make(x, d, safe) for x in arguments]
        if self.slip(): args = self.r.choice([args + [TRUE], args[:-1], [('lit', 1)] * len(args)])
        return ('method', self.make(t, d, safe), name, args)

    def tag(self, owner, t, d, safe):
        r = self.r
        places = self.places(lambda x: x == ('Entity', owner), safe, 2)
        e, _, missing = r.choice(places) if places else (self.entity(owner), None, ())
        key = self.make(STRING, 1, safe) if r.random() < 0.3 else ('lit', r.choice(STRINGS))
        g, get = ('method', e, 'hasTag', [key]), ('method', e, 'getTag', [('lit', r.choice(STRINGS)) if self.slip() else key])
        if missing: g = ('&&', self.guard(missing), g)
        if self.slip(): return get
        g = self.lost(g, d) if self.slip() else self.carried(g, d) if r.random() < 0.3 else g
        return ('&&', g, get) if t == BOOL and r.random() < 0.6 else ('if', g, get, self.constant(t))

    def chain(self, d, safe):
        """a && b && c, where earlier ones make later ones safe."""
        r, out = self.r, None
        for _ in range(r.choice([2, 2, 3, 4, 12 if r.random() < 0.1 else 2])):
            if r.random() < 0.4:
                places = [m for _, _, m in self.places(lambda t: True, safe) if m]
                if places:
                    missing = r.choice(places)
                    x = self.guard(missing)
                    x = self.lost(x, d) if self.slip() else self.carried(x, d) if r.random() < 0.3 else x
                    safe = safe | set(missing)
                    out = x if out is None else ('&&', out, x)
                    continue
            x = self.make(BOOL, d, safe)
            out = x if out is None else ('&&', out, x) if r.random() < 0.8 else ('&&', x, out)
        return out

    def other_environment(self, d):
        """Only looked at where the request is another one: what is written there need not fit this one."""
        r, w = self.r, self.w
        a = r.choice(w.real)
        p, q = r.choice(w.actions[a]['p']), r.choice(w.actions[a]['q'])
        inner = Expressions(w, a, p, q, self.fault)
        guards = [('==', ('var', 'action'), ('ent',) + a)] if r.random() < 0.8 else []
        if r.random() < 0.8: guards.append(('is', ('var', 'principal'), p, None))
        if r.random() < 0.8: guards.append(('is', ('var', 'resource'), q, None))
        if not guards or self.slip(): guards = guards[:1] or [TRUE]
        r.shuffle(guards)
        out = guards[0]
        for g in guards[1:]: out = ('&&', out, g)
        return ('&&', out, inner.make(BOOL, d, frozenset()))

    def boolean(self, d, safe):
        r, w = self.r, self.w
        any_entity = lambda: self.make(('Entity', r.choice(w.types)), d, safe) if r.random() < 0.4 else r.choice(self.roots[:2])[0]
        k = r.randrange(24)
        if k < 4: return self.chain(d, safe)
        if k < 6: return ('||', self.make(BOOL, d, safe), self.make(BOOL, d, safe))
        if k == 6: return ('!', self.make(BOOL, d, safe))
        if k == 7: return r.choice([('&&', FALSE, self.junk(d)), ('||', TRUE, self.junk(d)), ('&&', ('is', ('var', 'principal'), r.choice(w.types), None), self.junk(d))])
        if k in (8, 9): return self.other_environment(d)
        if k in (10, 11):
            t = w.type(2)
            return (r.choice(['==', '!=']), self.make(t, d, safe), self.make(w.type(2) if self.slip() else t, d, safe))
        if k in (12, 13):
            t = r.choice([LONG, LONG, ('Ext', 'datetime'), ('Ext', 'duration')])
            return (r.choice(['<', '<=', '>', '>=']), self.make(t, d, safe), self.make(t, d, safe))
        if k == 14:
            t = w.type(1)
            name = r.choice(['contains', 'containsAll', 'containsAny'])
            return self.method(('Set', t), name, [t if name == 'contains' else ('Set', t)], d, safe)
        if k == 15: return self.method(('Set', w.type(1)), 'isEmpty', [], d, safe)
        if k == 16: return ('like', self.make(STRING, d, safe), [r.choice([None, r.choice(WORDS), r.choice(WORDS)]) for _ in range(r.randint(0, 4))])
        if k in (17, 18):
            e = any_entity()
            t = self.p if e == ('var', 'principal') else self.q
            above = (w.above(t) if r.random() < 0.7 else w.types) or w.types
            u = r.choice(above)
            if r.random() < 0.5: return ('in', e, self.make(('Entity', u), d, safe) if r.random() < 0.3 else self.entity(u))
            return ('in', e, ('set', [self.entity(r.choice(w.types) if self.slip() else u) for _ in range(r.randint(1, 3))]) if r.random() < 0.8 else self.make(('Set', ('Entity', u)), d, safe))
        if k == 19: return ('is', any_entity(), r.choice(w.types), self.entity(r.choice(w.types)) if r.random() < 0.3 else None)
        if k == 20:
            right = self.action_of() if r.random() < 0.6 else ('set', [self.action_of() for _ in range(r.randint(1, 3))])
            return (r.choice(['==', '!=', 'in', 'in']) if right[0] == 'ent' else 'in', ('var', 'action'), right)
        if k == 21:
            places = self.places(lambda t: t[0] in ('Entity', 'Record'), safe, 2)
            e, t, missing = r.choice(places)
            names = [r.choice(list(self.attributes_of(t)) or NAMES) if r.random() < 0.8 else r.choice(NAMES)]
            if plain(names[0]) and r.random() < 0.3:
                more = list(self.attributes_of(self.attributes_of(t).get(names[0], (BOOL,))[0])) or NAMES
                names += [x for x in [r.choice(more)] if plain(x)]
            has = ('has', e, names)
            return ('&&', self.guard(missing), has) if missing and not self.slip() else has
        if k == 22:
            t = ('Ext', r.choice(['decimal', 'ipaddr']))
            name = r.choice(METHODS[t[1]])
            return self.method(t, name, [] if name in ('isIpv4', 'isIpv6', 'isLoopback', 'isMulticast') else [t], d, safe)
        owner = [t for t in (self.p, self.q) if w.tags.get(t)] or [self.p]
        return ('method', r.choice([x for x, t in self.roots[:2] if t[1] in owner] or [('var', 'principal')]), 'hasTag', [self.make(STRING, 1, safe)])
