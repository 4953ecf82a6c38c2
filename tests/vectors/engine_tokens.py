#!/usr/bin/env python3
"""haechi-engine's tokenizers beside llama.cpp's own, on texts drawn anew each run: every vocabulary of the reference
data with every pre-tokenizer that both know, without and with special tokens, and what each token stands for.

Wants LLAMA_PEER (see engine_peer.sh) and the vocabularies of $HAECHI_SHARED (or ../shared), which are not
part of the repository: skipped visibly where they are absent.
Usage: engine_tokens.py ENGINE [SEED [TEXTS]]
"""
import json, os, random, subprocess, sys
root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
shared = os.environ.get('HAECHI_SHARED') or os.path.join(os.path.dirname(root), 'shared')
vocabs = os.path.join(shared, 'data/engine/tokenizer/ggml-vocab-'); peer = os.environ.get('LLAMA_PEER')
if not peer: print('SKIP tokenizers beside llama.cpp: no LLAMA_PEER (engine_peer.sh)'); sys.exit(77)
if not os.path.exists(vocabs + 'gpt-2.gguf'): print('SKIP tokenizers beside llama.cpp: no vocabularies in', shared); sys.exit(77)
engine = sys.argv[1]; seed = int(sys.argv[2]) if len(sys.argv) > 2 else 20260122; count = int(sys.argv[3]) if len(sys.argv) > 3 else 2000
only = sys.argv[4].split(',') if len(sys.argv) > 4 else None
NAMES = ['gpt-2', 'exaone4', 'a.x-4.0', 'trillion', 'exaone', 'starcoder', 'command-r', 'smollm', 'llama-bpe', 'llama3', 'llama-v3', 'midm-2.0', 'qwen2', 'deepseek-r1-qwen',
         'kormo', 'solar-open', 'exaone-moe', 'kanana2', 'gpt-4o', 'llama4', 'deepseek-v3', 'default']
SPECIAL = {'gpt-2': ['<|endoftext|>'], 'llama-bpe': ['<|begin_of_text|>', '<|end_of_text|>', '<|eot_id|>', '<|start_header_id|>', '<|reserved_special_token_3|>'],
           'qwen2': ['<|endoftext|>', '<|im_start|>', '<|im_end|>'], 'llama-spm': ['<s>', '</s>', '<unk>']}
# Prose of our own, and what hides between the words of real documents.
PROSE = ['행정기관은 인공지능이 내린 결정의 근거를 국민에게 알려야 한다.', '제34조(고영향 인공지능 사업자의 책무) ① 위험관리방안을 수립·운영한다.', '민원인께서 신청하신 건은 처리기한이 3일 연장되었습니다!', '大韓民國 憲法 第1條 ②項: 主權은 國民에게 있고',
         'AI 기본법 시행령 제27조제2항 및 별표 1의2', '감사합니다ㅋㅋㅋ ㅠㅠ ㅇㅇ', '전화 010-1234-5678, 팩스 02)555-0199', '2026년 1월 22일(목) 09:30~18:00', '금 1,234,567원정 (₩1,234,567)', '서울특별시 종로구 세종대로 209', '「개인정보 보호법」 제21조', '훈민정음 나랏말ᄊᆞ미 듕귁에 달아',
         "It's what they've said; we'll see, I'd guess. DON'T 'S 'RE x'LL", 'The quick brown fox, 12345 jumps', 'naïve café Straße İstanbul ǅ', 'Привет, мир! Ёж', 'こんにちは、世界。カタカナ', 'مرحبا بالعالم ١٢٣', 'हिन्दी में पाठ', 'ไทยภาษา', 'Ελληνικά ά', 'iPhoneXSMax HTTPServer fooBar_baz',
         'int main(void) { return a->b[i] != 0x7f ? x : y; } // 주석', 'for (size_t i = 0; i < n; i++)\n\tputs("안녕\\n");\n\n', '{"키": [1, 2.5e-3, null], "b": "\\u00e9"}', 'https://www.law.go.kr/법령/인공지능?a=1&b=%20', 'SELECT * FROM 표 WHERE 이름 = \'홍길동\';', '<div class="x">가</div>\r\n', '# 제목\n\n- 항목 1\n  - 항목 2\n', 'e = mc² ½ ⅷ ① ㊀ ㋿']
ODD = ['\u00a0', '\u3000', '\u2003', '\u200a', '\u2028', '\u2029', '\u202f', '\u205f', '\u1680', '\u0085', '\u200b', '\u200d', '\ufeff', '\u00ad', '\x00', '\x01', '\x0b', '\x0c', '\x1c', '\x1f', '\x7f', '\u180e', '\u2060', '\u2581', '\u2581\u2581']
EMOJI = ['😀', '👨‍👩‍👧‍👦', '🇰🇷', '👍🏽', '❤️', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', '🧑‍💻', '①', '™', '©️', '㈜', '℃', '→', '※', '·', '…', '“', '”', '‘', '’', '–', '—']
ADDED = []
def letters(rng):
    k = rng.randrange(14)
    if k == 0: return chr(rng.randrange(0xac00, 0xd7a4))
    if k == 1: return chr(rng.randrange(0x1100, 0x1113)) + chr(rng.randrange(0x1161, 0x1176)) + (chr(rng.randrange(0x11a8, 0x11c3)) if rng.random() < .5 else '')
    if k == 2: return chr(rng.randrange(0x3131, 0x318f))
    if k == 3: return chr(rng.randrange(0x4e00, 0xa000))
    if k == 4: return chr(rng.choice([rng.randrange(0xa960, 0xa97d), rng.randrange(0xd7b0, 0xd7fc), rng.randrange(0xffa0, 0xffdd), rng.randrange(0xf900, 0xfb00), rng.randrange(0x3200, 0x3400)]))
    if k == 5: return rng.choice('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ')
    if k == 6: return rng.choice('0123456789') * rng.choice([1, 1, 2, 5])
    if k == 7: return chr(rng.choice([rng.randrange(0x660, 0x66a), rng.randrange(0xff10, 0xff1a), rng.randrange(0x2150, 0x218c), rng.randrange(0x2460, 0x2500), rng.randrange(0xb2, 0xbf), rng.randrange(0x966, 0x970), rng.randrange(0x1d7ce, 0x1d800)]))
    if k == 8: return rng.choice('!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~')
    if k == 9: return chr(rng.choice([rng.randrange(0x300, 0x370), rng.randrange(0x591, 0x5c8), rng.randrange(0x900, 0x904), rng.randrange(0xe31, 0xe3b), rng.randrange(0x302a, 0x3030), rng.randrange(0xfe00, 0xfe10), rng.randrange(0x20d0, 0x20f1)]))
    if k == 10: return rng.choice(ODD)
    if k == 11: return rng.choice(EMOJI)
    if k == 12: return chr(rng.choice([rng.randrange(0xa0, 0x250), rng.randrange(0x370, 0x590), rng.randrange(0x10a0, 0x1100), rng.randrange(0x1c80, 0x2000), rng.randrange(0x2c00, 0x2e00), rng.randrange(0xa640, 0xa800)]))
    c = rng.choice([rng.randrange(0x80, 0x3000), rng.randrange(0x3000, 0xd800), rng.randrange(0xe000, 0x10000), rng.randrange(0x10000, 0x20000), rng.randrange(0x20000, 0x30000), rng.randrange(0xe0000, 0xe0200), rng.randrange(0x30000, 0x110000)])
    return chr(c)
def draw(rng, special):
    out, size = [], rng.choice([0, 1, 2, 3, 5, 8, 13, 30])
    kind = rng.randrange(8)
    for _ in range(size):
        r = rng.random()
        if kind == 0: out.append(letters(rng))
        elif kind == 1: out.append(rng.choice([' ', '  ', '\n', '\r\n', '\t', '\r', ' \n', '\n ', rng.choice(ODD), letters(rng)]))
        elif kind == 2: out.append(rng.choice("'stmdrevlSTMDREVLſKé 가'’"))
        elif kind == 3: out.append(letters(rng) * rng.choice([1, 2, 3, 7, 40]))
        elif r < .45: out.append(rng.choice(PROSE)[:rng.randrange(1, 60)])
        elif r < .6: out.append(rng.choice([' ', ' ', '  ', '   ', '\n', '\n\n', '\t', ' \r\n']))
        elif r < .68: out.append(rng.choice(special))
        elif r < .72: out.append(rng.choice(special)[:rng.randrange(1, 8)])
        else: out.append(letters(rng))
    text = ''.join(out)
    if rng.random() < .08:
        import unicodedata
        text = unicodedata.normalize(rng.choice(['NFD', 'NFC', 'NFKD']), text)
    return text.encode()
def ids_of(text): return [int(x) for x in text.split(',')] if text.strip() else []
def ours(path, pre, texts, more):
    out = subprocess.run([engine, 'tokenize', '--lines', '--model', path, *(['--pre', pre] if pre else []), *more], input=''.join('{"hex":"%s"}\n' % t.hex() for t in texts), capture_output=True, text=True)
    if out.returncode: return out.stderr.strip()
    return [json.loads(x) for x in out.stdout.split('\n') if x]
def piece(said): return said['hex'] if isinstance(said, dict) else said.encode().hex()
failures = 0; total = 0; rng = random.Random(seed)
for vocab in ('gpt-2', 'llama-bpe', 'qwen2', 'llama-spm'):
    path = vocabs + vocab + '.gguf'
    for pre in NAMES if vocab != 'llama-spm' else [None]:
        if only and (vocab if pre is None else pre) not in only: continue
        texts = [draw(rng, SPECIAL[vocab]) for _ in range(count)]
        out = subprocess.run([peer, 'tokenize', path, *([pre] if pre else [])], input=''.join(t.hex() + '\n' for t in texts), capture_output=True, text=True)
        if out.returncode: print('llama.cpp refuses %s/%s: %s' % (vocab, pre, out.stderr.strip()[-160:])); continue
        lines = [x.split('|') for x in out.stdout.splitlines()]; theirs = [ids_of(x[0]) for x in lines], [ids_of(x[1]) for x in lines]
        for special in (0, 1):
            got = ours(path, pre, texts, ['--special', '--pieces'] if special else [])
            if isinstance(got, str) or len(got) != len(texts): failures += 1; print('FAIL %s/%s: %s' % (vocab, pre, got if isinstance(got, str) else 'answers missing')); continue
            if special: # and back: ours as it came, theirs by the same ids
                said = [[piece(x) for x in g['pieces']] for g in got]; got = [g['ids'] for g in got]
                out = subprocess.run([peer, 'pieces', path], input=''.join(','.join(map(str, g)) + '\n' for g in got), capture_output=True, text=True)
                odd = {(i, a, b) for g, x, line in zip(got, said, out.stdout.splitlines()) for i, a, b in zip(g, x, line.split(' ')) if a != b}
                if odd or out.returncode: failures += 1; print('FAIL %s/%s: tokens that stand for something else (id, ours, theirs): %s' % (vocab, pre, sorted(odd)[:5]))
            bad = [(t, g, w) for t, g, w in zip(texts, got, theirs[special]) if g != w]; total += len(texts)
            failures += bad != []
            print('%s%s/%s%s: %d texts, %d differ' % ('FAIL ' if bad else '', vocab, pre, ' special' if special else '', len(texts), len(bad)), flush=True)
            bad.sort(key=lambda b: len(b[0]))
            for t, g, w in bad[:3]: print('    %s %s\n      ours   %s\n      theirs %s' % (ascii(t.decode()), t.hex() if len(t) < 40 else '', g[:40], w[:40]))
print('tokenizers beside llama.cpp: %d texts, %d runs differ (seed %d)' % (total, failures, seed)); sys.exit(1 if failures else 0)
