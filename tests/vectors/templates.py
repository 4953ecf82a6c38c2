#!/usr/bin/env python3
"""Chat templates: our interpreter beside Jinja 3 itself, set up as model makers test theirs.

Templates: every *.jinja under $HAECHI_TEMPLATES (a folder of public ones; none are kept here) and our own below, each
with several conversations. Skipped visibly without python's jinja2. Usage: templates.py PATH_OF_jinja_lines [--make]
--make writes templates.jsonl, the fixed answers that tests/unit/test_template.c compares with where no jinja2 is.
"""
import datetime, glob, json, os, subprocess, sys
try:
    import jinja2, jinja2.ext
    from jinja2.sandbox import ImmutableSandboxedEnvironment
except ImportError:
    print('SKIP chat templates beside Jinja: no python3-jinja2'); sys.exit(77)
here = os.path.dirname(os.path.abspath(__file__))

class Generation(jinja2.ext.Extension):
    tags = {'generation'}
    def parse(self, parser):
        line = next(parser.stream).lineno
        return jinja2.nodes.Scope(parser.parse_statements(['name:endgeneration'], drop_needle=True), lineno=line)
class Refused(Exception): pass
def refuse(text): raise Refused(text)
def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
env.filters['tojson'] = tojson
env.globals['raise_exception'] = refuse
env.globals['strftime_now'] = lambda f: datetime.datetime.now().strftime(f)

TOOLS = [{'type': 'function', 'function': {'name': 'get_weather', 'description': '날씨를 <알려> 줍니다 & "더"', 'parameters': {
    'type': 'object', 'properties': {'city': {'type': 'string', 'description': "도시's 이름"}, 'days': {'type': 'integer', 'enum': [1, 2, 3]},
    'unit': {'type': ['string', 'null'], 'default': None}, 'list': {'type': 'array', 'items': {'type': 'number'}}}, 'required': ['city']}}},
    {'type': 'function', 'function': {'name': 'now', 'description': 'Time', 'parameters': {'type': 'object', 'properties': {}}}}]
CALL = {'role': 'assistant', 'content': '', 'tool_calls': [{'id': 'call_1', 'type': 'function', 'function': {'name': 'get_weather', 'arguments': {'city': '서울', 'days': 2, 'deep': {'x': [1.5, True, None, 'é"']}}}}]}
CHATS = {
    'one': dict(messages=[{'role': 'user', 'content': '안녕하세요'}]),
    'system': dict(messages=[{'role': 'system', 'content': ' 한국어로 답하세요. '}, {'role': 'user', 'content': 'hi\n'}, {'role': 'assistant', 'content': '네, <|im_end|> 안녕\n\n'}, {'role': 'user', 'content': '1+1?'}]),
    'think': dict(messages=[{'role': 'user', 'content': '생각해'}, {'role': 'assistant', 'content': '<think>\n음\n</think>\n\n답'}, {'role': 'user', 'content': '또'}, {'role': 'assistant', 'content': '답 2', 'reasoning_content': '이유'}, {'role': 'user', 'content': '끝?'}]),
    'nothink': dict(messages=[{'role': 'user', 'content': 'x'}], enable_thinking=False),
    'thinking': dict(messages=[{'role': 'user', 'content': 'x'}], enable_thinking=True),
    'tools': dict(messages=[{'role': 'user', 'content': '서울 날씨?'}], tools=TOOLS),
    'tools-system': dict(messages=[{'role': 'system', 'content': '도우미'}, {'role': 'user', 'content': '서울 날씨?'}], tools=TOOLS),
    'called': dict(messages=[{'role': 'user', 'content': '서울 날씨?'}, CALL, {'role': 'tool', 'tool_call_id': 'call_1', 'name': 'get_weather', 'content': '{"temp": 21}'}], tools=TOOLS),
    'two-called': dict(messages=[{'role': 'system', 'content': 's'}, {'role': 'user', 'content': 'u'}, dict(CALL, tool_calls=CALL['tool_calls'] * 2), {'role': 'tool', 'tool_call_id': 'call_1', 'name': 'get_weather', 'content': 'a'},
                       {'role': 'tool', 'tool_call_id': 'call_2', 'name': 'now', 'content': 'b'}, {'role': 'assistant', 'content': '맑음'}, {'role': 'user', 'content': 'v'}], tools=TOOLS),
    'no-prompt': dict(messages=[{'role': 'user', 'content': 'a'}, {'role': 'assistant', 'content': 'b'}], add_generation_prompt=False),
}
OURS = dict(bos_token='<s>', eos_token='</s>', add_generation_prompt=True, tools=None, documents=None)

OWN = [
    # white space
    "a\n{% if true %}\nb\n{% endif %}\nc\n", "a  \n   {%- if true %} x {%- endif -%}  \n  b", "  {% if true %}  x{% endif %}\n y", "{{- ' a ' -}}   b  {{ 'c' }}\nd\n", "x {# gone #}\ny\n  {# z #}  \nw",
    "{% raw %}{{ a }} {% b %}{% endraw %}!", "{%+ if true +%}\nq{% endif %}", "a\r\nb\rc\n\n", "  {%+ if true %}z{% endif %}", "{% for x in [1,2] -%}\n  {{ x }}\n{%- endfor %}|", "{#- a -#}  b  {#- c #}\n\nd",
    # expressions
    "{{ 1 + 2 * 3 - 4 // 3 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ -7 // 2 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 1.0 }} {{ 1e20 }} {{ 0.1 + 0.2 }} {{ 1.5e-7 }}", "{{ 'a' ~ 1 ~ none ~ true }} {{ 'ab' * 2 }} {{ [1] + [2, 'x'] }} {{ (1,) }} {{ () }}",
    "{{ 1 < 2 < 3 }} {{ 1 < 2 > 3 }} {{ 'a' in 'abc' }} {{ 'z' not in ['a'] }} {{ not 1 == 2 }} {{ 1 == 1.0 }} {{ true == 1 }}", "{{ 'yes' if false else 'no' }} {{ 'only' if false }}| {{ a or 'b' }} {{ 0 or '' or 'c' }} {{ 1 and 0 }}",
    "{{ messages[0]['content'][0] }} {{ messages[-1].role }} {{ 'abcdef'[1:4] }} {{ '가나다라'[::-1] }} {{ [1,2,3,4][::2] }} {{ [1,2,3][5:] }} {{ 'abc'[-2:] }}", "{{ {'a': 1, 'b': [true, none, 'it\\'s']} }} {{ {'k': {'x': 1.5}}['k'].x }}",
    "{{ 'a\\tb\\n' }}{{ \"q\\\"q\" }}{{ '\\u00e9\\x41' }} {{ 'a' 'b' }}", "{{ -1|abs }} {{ 'x'|upper|lower }} {{ 3 is odd and 4 is even }} {{ 'a' is string }} {{ none is none }} {{ zz is defined }} {{ 6 is divisibleby 3 }} {{ 1 is in [1] }}",
    "{{ [1, 'a', none, {'b': '\\n가'}]|tojson }} {{ {'z': 1, 'a': [1.0, 1e100, -0.0]}|tojson(indent=2) }}", "{{ {}|tojson(indent=4) }}{{ []|tojson(indent=1) }}{{ {'b':1,'a':2}|tojson(sort_keys=true) }}{{ 'é😀'|tojson(ensure_ascii=true) }}{{ [1,2]|tojson(separators=(',', ':')) }}",
    # statements
    "{% set x = 1 %}{% for i in range(3) %}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }}", "{% set ns = namespace(n=0, s='') %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% set ns.s = ns.s ~ m.role[0] %}{% endfor %}{{ ns.n }}{{ ns.s }}",
    "{% for a, b in {'x': 1, 'y': 2}.items() %}{{ loop.index }}/{{ loop.length }}:{{ a }}={{ b }}{{ ',' if not loop.last }}{% else %}none{% endfor %}", "{% for x in [] %}a{% else %}empty{% endfor %}",
    "{% for i in range(10) if i is even %}{{ i }}{{ loop.revindex0 }} {% endfor %}", "{% for i in range(10) %}{% if i == 2 %}{% continue %}{% endif %}{% if i > 4 %}{% break %}{% endif %}{{ i }}{% endfor %}.",
    "{% for i in [1,2,3] %}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('a','b') }}{{ loop.first }}{% for j in 'xy' %}{{ loop.index }}{{ loop.depth }}{% endfor %}{% endfor %}",
    "{% macro f(a, b=2, c='x') %}[{{ a }}|{{ b }}|{{ c }}]{% endmacro %}{{ f(1) }}{{ f(1, c=3) }}{{ f(b=1, a=0) }}{{ f() }}", "{% macro fact(n) %}{{ n * (fact(n - 1)|int) if n > 1 else 1 }}{% endmacro %}{{ fact(6) }}",
    "{% set t %}  a {{ 1 }} b  {% endset %}[{{ t }}]{% set u | trim | upper %} q {% endset %}{{ u }}", "{% filter upper %}abc{{ 'd' }}{% endfilter %}", "{% with a = 1, b = 'x' %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% set a, b = 1, 'z' %}{{ b }}{{ a }}",
    "{% if messages|length > 3 %}long{% elif messages|length > 1 %}mid{% else %}short{% endif %}", "{% generation %}x{{ 1 }}{% endgeneration %}", "{% set x = messages[0] %}{{ x.get('nope', 'd') }}{{ x.get('role') }}{{ 'role' in x }}{{ x.items()|list|length }}",
    # filters and methods
    "{{ ' x '|trim }}|{{ 'xxaxx'|trim('x') }}|{{ 'a,b,c'.split(',') }}|{{ ' a  b '.split() }}|{{ 'a-b-c'.rsplit('-', 1) }}|{{ 'a-b-c'.split('-', 1)[1] }}|{{ 'abc'.replace('b', 'X') }}|{{ 'a\nb\n'.splitlines() }}",
    "{{ 'abc'.startswith('ab') }}{{ 'abc'.endswith(('x', 'bc')) }}{{ '\n\nx\n'.lstrip('\n') }}{{ 'xyz'.rstrip('z') }}{{ 'hello world'.title() }}{{ 'hELLO'.capitalize() }}{{ '12'.isdigit() }}{{ 'a'.join(['x', 'y']) }}{{ 'abcb'.find('b') }}{{ 'abcb'.rfind('b') }}{{ 'abab'.count('ab') }}",
    "{{ ['b', 'A', 'c']|sort }} {{ [3,1,2]|sort(reverse=true) }} {{ messages|map(attribute='role')|list }} {{ messages|selectattr('role', 'equalto', 'user')|list|length }} {{ [1,2,3,4]|select('even')|list }} {{ [1,none,2]|reject('none')|list }}",
    "{{ messages|map(attribute='nope', default='-')|join(',') }} {{ ['a','b']|map('upper')|join }} {{ [1,2]|sum }} {{ [1,5,3]|max }} {{ ['x','y','x']|unique|list }} {{ 'abc'|first }}{{ [1,2]|last }} {{ 'abc'|reverse }} {{ [1,2]|reverse|list }}",
    "{{ none|default('d') }} {{ zz|default('d') }} {{ ''|default('d', true) }} {{ zz|d }}| {{ 'a<b>&\"'|e }} {{ '3.7'|float }} {{ '42'|int }} {{ 'x'|int(5) }} {{ 2.567|round(1) }} {{ 2.5|round|int }} {{ 1|string ~ 2 }} {{ {'b':1,'a':2}|dictsort }} {{ {'q':1}|items|list }}",
    "{{ 'line1\nline2\n\nline3'|indent(2) }} {{ 'a\nb'|indent(1, true) }} {{ 'abc'|list }} {{ {'a':1}|list }} {{ 'x'|length }} {{ '가나'|length }}", "{{ [1,2]|tojson|safe }} {{ messages|rejectattr('role', 'in', ['user', 'tool'])|map(attribute='role')|join('+') }}",
    "{{ [{'a': {'b': 3}}]|map(attribute='a.b')|first }} {{ dict(a=1, b='x') }} {{ range(2, 8, 3)|list }} {{ range(3, 0, -1)|list }} {{ [[1, 2], [3]]|map('length')|list }} {{ ['a', 'b'].index('b') }}",
    "{{ 'It\\'s' }} {{ ['It\\'s', \"q\\\"\", 'b\\\\'] }} {{ true }} {{ none }} {{ 1.50 }} {{ 100000000000000000000.0 }} {{ 12345678901234567.0 }}", "{{ messages }}",
    # what a template may do to people's words and to us
    "{{ '[|' + messages[0]['role'] + '|]' + messages[0]['content'] }}", "{{ bos_token }}{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] | trim + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    # failures: both must fail
    "{{ zz.a }}", "{{ 1 + 'a' }}", "{{ 1 / 0 }}", "{{ raise_exception('no ' ~ messages[0].role) }}", "{{ zz() }}", "{% for x in 1 %}{% endfor %}", "{{ 'a' < 1 }}", "{{ messages[0].nope.deeper }}", "{{ f(1) }}", "{{ 'a'|nosuch }}", "{{ 1 is nosuch }}", "{% if %}{% endif %}",
    "{% for %}", "{{ 'a }}", "{% endif %}", "{{ [1 }}", "{{ 1 2 }}", "{% set %}", "{% if true %}", "{# never", "{{ x | }}", "{{ (1 }}", "{% macro f(a %}{% endmacro %}", "{{ a.1.b. }}", "{{ 'x'.nosuch() }}", "{% macro f(a) %}{% endmacro %}{{ f(1, 2) }}",
]

def reference(template, variables):
    try: return env.from_string(template).render(**variables)
    except Exception as e: return e
def main():
    make = '--make' in sys.argv; program = [a for a in sys.argv[1:] if not a.startswith('-')][0]
    folder = os.environ.get('HAECHI_TEMPLATES', '')
    cases = [('own-%d' % i, t, n, c) for i, t in enumerate(OWN) for n, c in CHATS.items() if n in ('one', 'system', 'called') and (n == 'one' or 'messages' in t)]
    files = sorted(glob.glob(folder + '/*.jinja')) if folder else []
    for path in files:
        text = open(path, encoding='utf-8', newline='').read()
        cases += [(os.path.basename(path), text, n, c) for n, c in CHATS.items()]
    lines = []
    for name, template, chat, conversation in cases:
        theirs = {k: v for k, v in conversation.items() if k in ('messages', 'tools')}
        ours = {**OURS, **{k: v for k, v in conversation.items() if k not in theirs}}
        if 'tools' in theirs: ours.pop('tools')
        lines.append(json.dumps(dict(template=template, ours=ours, theirs=theirs), ensure_ascii=False))
    got = subprocess.run([program], input='\n'.join(lines) + '\n', capture_output=True, text=True)
    answers = [json.loads(x) for x in got.stdout.splitlines()]
    if got.returncode or len(answers) != len(cases): print('FAIL interpreter:', got.returncode, len(answers), got.stderr[-300:]); return 1
    bad = 0; refused = 0; by = {}; made = []
    for (name, template, chat, conversation), line, answer in zip(cases, lines, answers):
        sent = json.loads(line); want = reference(template, {**sent['ours'], **sent['theirs']})
        good = ('error' in answer) if isinstance(want, Exception) else answer.get('text') == want
        refused += isinstance(want, Exception) and good
        if name.startswith('own-'): made.append(json.dumps({**sent, **({'error': True} if isinstance(want, Exception) else {'want': want})}, ensure_ascii=False))
        if good: continue
        bad += 1; by[name] = by.get(name, 0) + 1
        if by[name] <= 2:
            print('DIFF', name, chat, '\n   want', repr(want)[-600:] if isinstance(want, Exception) else repr(want)[:600], '\n   got ', repr(answer.get('text', answer.get('error')))[:600])
            if name.startswith('own-'): print('   of  ', repr(template))
    if make: open(os.path.join(here, 'templates.jsonl'), 'w', encoding='utf-8').write('\n'.join(made) + '\n')
    print('chat templates: %d own, %d of others, %d renderings, %d refused by both, %d differ in %d templates' % (len(OWN), len(files), len(cases), refused, bad, len(by)))
    if not files: print('SKIP public templates: $HAECHI_TEMPLATES names no folder with *.jinja')
    return 1 if bad else 0
sys.exit(main())
