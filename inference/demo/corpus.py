"""The corpus: entries of question phrasings and answers (corpus/*.txt), and conversations drawn from them.

One entry reads

    @ id                      law: sources, on a line of its own where the answer states law
    ko = form: name / name    names of the thing asked about, put into the templates of forms.txt ("topic" and the form)
    ko ? phrasing / phrasing  learnt
    ko ~ phrasing             held out: never learnt, only measured
    ko > the answer
"""
import collections
import pathlib
import re
import unicodedata
import zlib

HERE = pathlib.Path(__file__).parent / "corpus"
WEIGHT = {"unknown": 14, "hello": 3, "who-are-you": 3, "thanks": 2, "civil": 3, "write": 3, "redacted": 3,
          "high-impact": 2, "haechi": 2, "seven-steps": 2}
LOOSE = {"unknown", "ok", "thanks", "bye", "sorry", "praise", "complaint", "test", "joke"}  # whose words tell nothing
PARTICLE = {"이": ("이", "가"), "은": ("은", "는"), "을": ("을", "를"), "이란": ("이란", "란")}
DIGIT_ENDS_OPEN = "2459"
OPENERS = {"ko": ["저기 ", "혹시 ", "음 ", "그런데 ", "근데 ", "질문이 있는데요, ", "안녕하세요. ", "궁금한 게 있는데 ", "아 ", "그럼 "],
           "en": ["So, ", "Please, ", "Hi. ", "Hello, ", "Well, ", "I wonder: ", "Question: ", "ok so ", "um "]}
CLOSERS = {"ko": ["?", "??", "!", "~", "...", " ㅎㅎ", ".", " 부탁해요", "?!"], "en": ["?", "??", "!", "...", ".", " please"]}
VOWEL_SLIP = {1: 5, 5: 1, 8: 13, 13: 8, 0: 4, 4: 0, 10: 11, 11: 10, 18: 20, 20: 19, 19: 20}


class Entry:
    """One answer in one language, with everything that asks for it."""

    def __init__(self, name, language):
        self.name, self.language, self.law, self.names = name, language, "", []
        self.asks, self.held, self.made, self.made_held, self.answer = [], [], [], [], None


def parts(text):
    return [part.strip() for part in text.split(" / ") if part.strip()]


def has_final(word):
    """Does the last sound close the syllable? Decides 이/가, 은/는, 을/를. Latin words are read by their last letter."""
    last = word[-1]
    if "가" <= last <= "힣":
        return (ord(last) - 0xAC00) % 28 != 0
    return last not in DIGIT_ENDS_OPEN if last.isdigit() else last.lower() in "lmnr"


def fill(template, name):
    def particle(match):
        return PARTICLE[match[1]][0 if has_final(name) else 1]
    return re.sub(r"\{(이란|이|은|을)\}", particle, template.replace("{X}", name))


def key(text):
    """What two phrasings share when only spaces, marks and case differ."""
    return "".join(c for c in unicodedata.normalize("NFC", text).lower() if c.isalnum()) or text


def lines(path):
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            yield f"{path.name}:{number}", line.strip()


def read():
    """All entries, and the talk around them: forms, follow-ups, system messages, endings and words
    that may stand for one another, each by language."""
    entries, around = {}, {"forms": {}, "follow": {}, "system": {}, "ends": {}, "same": {}}
    for path in (HERE / "forms.txt", HERE / "follow.txt"):
        for _, line in lines(path):
            head, body = line.split(": ", 1)
            language, what = head.split()
            if what in ("ends", "same"):
                around[what].setdefault(language, []).append(parts(body))
            else:
                shelf = "forms" if path.name == "forms.txt" else "system" if what == "system" else "follow"
                around[shelf][language, what] = parts(body)
    for path in sorted(HERE.glob("*.txt")):
        if path.name in ("forms.txt", "follow.txt"):
            continue
        name = law = None
        for where, line in lines(path):
            if line.startswith("@ "):
                name, law = line[2:], ""
                if (name, "ko") in entries:
                    raise SystemExit(f"{where}: {name} is told twice")
            elif line.startswith("law: "):
                law = line[5:]
            else:
                language, sign, body = line.split(" ", 2)
                entry = entries.setdefault((name, language), Entry(name, language))
                entry.law = law
                if sign == "=":
                    form, names = body.split(": ", 1)
                    entry.names += [(form, one) for one in parts(names)]
                elif sign == "?":
                    entry.asks += parts(body)
                elif sign == "~":
                    entry.held += parts(body)
                elif sign == ">":
                    entry.answer = body
                else:
                    raise SystemExit(f"{where}: unknown sign {sign}")
    make_phrasings(entries, around["forms"])
    return entries, around


def make_phrasings(entries, forms):
    """Put names into templates. One in twelve of what comes out is held out; no phrasing may ask for two answers."""
    owner, held = {}, {key(text) for entry in entries.values() for text in entry.held}
    for entry in entries.values():
        if entry.answer is None:
            raise SystemExit(f"{entry.name} {entry.language}: no answer")
        entry.asks = [text for text in entry.asks if key(text) not in held]
        for text in entry.asks + entry.held:
            other = owner.setdefault((entry.language, key(text)), entry)
            if other is not entry:
                raise SystemExit(f"'{text}' asks for {other.name} and {entry.name}")
    for entry in entries.values():
        for form, name in entry.names:
            for template in forms[entry.language, "topic"] + (forms[entry.language, form] if form != "topic" else []):
                text = fill(template, name)
                if owner.setdefault((entry.language, key(text)), entry) is not entry or key(text) in held:
                    continue
                (entry.made_held if zlib.crc32(key(text).encode()) % 12 == 0 else entry.made).append(text)


def basis(entry):
    """The answer to "on what ground?": the articles named in the entry's sources, or None."""
    korean, english = [], []
    for source in entry.law.split(", "):
        match = re.match(r"(ACT|DEC|PIPA) (\d+)(?:-(\d+))?(?:\((\d+)\))?(\d|[가-힣](?=$))?$", source)
        if not match:
            continue
        book, article, branch, inner, item = match.groups()
        unit = "호" if (book, article) == ("ACT", "2") else "항"
        text = f"제{article}조" + (f"의{branch}" if branch else "") + (f"제{inner}{unit}" if inner else "")
        text += (f"{item}목" if unit == "호" else f"제{item}호") if item else ""
        korean.append({"ACT": "인공지능기본법 ", "DEC": "인공지능기본법 시행령 ", "PIPA": "개인정보 보호법 "}[book] + text)
        number = article + (f"-{branch}" if branch else "") + (f"({inner})" if inner else "") + (item if unit == "항" and item else "")
        english.append({"ACT": "Article {} of the AI Basic Act", "DEC": "Article {} of its Enforcement Decree",
                        "PIPA": "Article {} of the Personal Information Protection Act"}[book].format(number))
    if not korean:
        return None
    return f"근거는 {', '.join(korean)}입니다." if entry.language == "ko" else f"The source is {' and '.join(english)}."


def first_sentence(text):
    return re.split(r"(?<=[.?!]) ", text, maxsplit=1)[0]


def slip(text, language, random):
    """One small slip of the keyboard."""
    at = random.randrange(len(text))
    c = text[at]
    if language == "ko" and "가" <= c <= "힣" and random.random() < 0.6:
        code = ord(c) - 0xAC00
        lead, vowel, tail = code // 588, code // 28 % 21, code % 28
        if tail and random.random() < 0.5:
            tail = 0
        else:
            vowel = VOWEL_SLIP.get(vowel, vowel)
        return text[:at] + chr(0xAC00 + lead * 588 + vowel * 28 + tail) + text[at + 1:]
    kind = random.random()
    if kind < 0.4:
        return text[:at] + text[at + 1:]
    if kind < 0.7:
        return text[:at] + c + text[at:]
    return text[:at] + text[at + 1:at + 2] + c + text[at + 2:]


def noisy(text, language, random):
    """The phrasing as people type it: spacing, marks, case, slips, a word before or after."""
    if text.startswith("["):
        return text
    if random.random() < 0.15:
        text = random.choice(OPENERS[language]) + (text if language == "ko" else text[:1].lower() + text[1:])
    if random.random() < 0.3:
        text = text.rstrip("?.! ") or text
    if random.random() < 0.2:
        text = text.rstrip("?.! ") + random.choice(CLOSERS[language])
    if language == "ko" and " " in text and random.random() < 0.25:
        if random.random() < 0.4:
            text = text.replace(" ", "")
        else:
            at = random.choice([i for i, c in enumerate(text) if c == " "])
            text = text[:at] + text[at + 1:]
    if language == "en" and random.random() < 0.3:
        text = text.lower()
    while len(text) > 5 and random.random() < 0.2:
        text = slip(text, language, random)
    return text.strip() or "?"


def vary(text, language, around, random):
    """The same question in other words: another ending, another word for the same."""
    if random.random() < 0.7:
        bare = text.rstrip("?.! ")
        fits = [(end, group) for group in around["ends"][language] for end in group if bare.endswith(end)]
        if fits:
            end, group = max(fits, key=lambda fit: len(fit[0]))
            text = bare[:len(bare) - len(end)] + random.choice(group) + random.choice(("?", "", ""))
    for group in around["same"][language]:
        found = [word for word in group if word in text]
        if found and random.random() < 0.35:
            text = text.replace(max(found, key=len), random.choice(group), 1)
    return text


def loosen(text, random):
    """A word left out, or two changed about."""
    words = text.split(" ")
    if len(words) >= 3 and random.random() < 0.6:
        del words[random.randrange(len(words))]
    if len(words) >= 3 and random.random() < 0.4:
        one, two = random.sample(range(len(words)), 2)
        words[one], words[two] = words[two], words[one]
    return " ".join(words)


def telling_words(entries):
    """For every entry the words of its phrasings and answer that few other entries use, the rarer the heavier."""
    used = collections.defaultdict(set)
    for name, entry in entries.items():
        for text in [entry.answer, *entry.asks, *(one for _, one in entry.names)]:
            for word in re.findall(r"[\w-]+", text):
                used[name[1], word.lower()].add(name)
    words = {name: [] for name in entries}
    for (_, word), names in used.items():
        if len(names) <= 4 and len(word) > 1:
            for name in names:
                words[name].append((word, 1 / len(names) ** 2))
    return words


def gibberish(random):
    if random.random() < 0.5:
        words = ["".join(chr(0xAC00 + random.randrange(11172)) for _ in range(random.randint(1, 5)))
                 for _ in range(random.randint(1, 4))]
    else:
        words = ["".join(random.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(random.randint(2, 8)))
                 for _ in range(random.randint(1, 4))]
    return " ".join(words)


class Speaker:
    """Draws conversations: lists of (role, text)."""

    def __init__(self, entries, around, random):
        self.entries, self.around, self.random = entries, around, random
        self.pool = list(entries.values())
        self.words = telling_words(entries)
        self.held = {(entry.language, key(text)) for entry in self.pool for text in entry.held + entry.made_held}
        self.weights = [WEIGHT.get(entry.name, 1) for entry in self.pool]

    def ask(self, entry):
        random = self.random
        words = self.words[entry.name, entry.language]
        if entry.name not in LOOSE and len(words) > 3 and random.random() < 0.15:
            return self.from_words(entry, words)
        made = entry.made and random.random() < (0.7 if len(entry.asks) < 4 else 0.5)
        if entry.name == "unknown" and random.random() < 0.1:
            return gibberish(random)
        text = random.choice(entry.made if made else entry.asks)
        if entry.name not in LOOSE and random.random() < 0.15:
            text = loosen(text, random)
        if random.random() < 0.5:
            other = vary(text, entry.language, self.around, random)
            text = text if (entry.language, key(other)) in self.held else other
        if entry.name == "write" and random.random() < 0.2:  # with the text it is about
            others = [other.answer for other in random.choices(self.pool, k=random.randint(1, 3)) if other.language == entry.language]
            return " ".join([text.rstrip("?.! ") + random.choice((":", "\n", ": ")), *others])
        if random.random() < 0.03:  # a word that means nothing here, as in trials
            text = gibberish(random).split()[0] + random.choice(("", "-7", "42", ":")) + " " + text
        other = noisy(text, entry.language, random) if random.random() < 0.45 else text
        return text if (entry.language, key(other)) in self.held else other

    def from_words(self, entry, words):
        """A question made of two to four telling words, so that the words themselves are known by their answer."""
        random, chosen = self.random, []
        for word, _ in random.choices(words, [weight for _, weight in words], k=random.randint(2, 4)):
            if word not in chosen:
                chosen.append(word[:-1] if entry.language == "ko" and len(word) > 2 and random.random() < 0.4 else word)
        text = " ".join(chosen)
        if random.random() < 0.7:
            text += (" " if random.random() < 0.5 else "") + random.choice(random.choice(self.around["ends"][entry.language]))
        return text

    def follow(self, entry):
        """A question that leans on the answer before it, and what to say."""
        random = self.random
        other = self.entries.get((entry.name, "en" if entry.language == "ko" else "ko"))
        ground = basis(entry)
        choices = [("short", first_sentence(entry.answer)), ("again", entry.answer)]
        choices += [("other", other.answer)] if other else []
        choices += [("law", ground)] * 2 if ground else []
        what, say = random.choice(choices)
        return random.choice(self.around["follow"][entry.language, what]), say

    def conversation(self, single=0.5):
        """single: the share of conversations kept to one question, beyond those that are short by chance."""
        random, turns = self.random, []
        entry = random.choices(self.pool, self.weights)[0]
        if random.random() < 0.15:
            turns.append(("system", random.choice(self.around["system"][entry.language, "system"])))
        length = 1 if random.random() < single else random.choices((1, 2, 3, 5), (30, 40, 20, 10))[0]
        for number in range(length):
            if number and random.random() < 0.45:
                question, say = self.follow(entry)
            else:
                entry = random.choices(self.pool, self.weights)[0] if number else entry
                question, say = self.ask(entry), entry.answer
            turns += [("user", question), ("assistant", say)]
        return turns

    def plain(self):
        """Text without roles, for the completions interface: the question's line, then the answer."""
        entry = self.random.choices(self.pool, self.weights)[0]
        return self.ask(entry) + "\n", entry.answer
