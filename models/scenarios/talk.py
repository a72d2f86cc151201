"""Open speech: sentences that are not commands, from Debian's fortune collections, WordNet's glosses
and examples (for training alone), and our own.

Needs the packages `fortunes` and, to train, `wordnet-base`; without them the others are used.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from models import grammar, orders, tokens
from models.phrasebook import phrasebook
from models.splits import held_out

FORTUNES = Path("/usr/share/games/fortunes")
WORDNET = Path("/usr/share/wordnet")
FILES = ("people", "food", "work", "wisdom", "platitudes", "kids", "humorists", "education",
         "science", "sports", "love", "miscellaneous", "literature", "cookie", "fortunes",
         "men-women", "law", "medicine", "pets", "politics", "riddles", "songs-poems", "startrek")
BUILT_IN = (
    "did you see the game last night", "i think we should leave soon", "put that over there",
    "she said the meeting was moved", "it is really cold in here today", "where did you park",
    "can you pass me the towel", "we ran out of milk again", "that was a good film",
    "the bus was late this morning", "let me know when you get home", "i have no idea",
    "he never told me about that", "turn left at the next corner", "what a lovely day",
    "are you coming with us tomorrow", "my brother lives near the station", "that is so funny",
    "we need two more chairs", "the printer does not work", "i will call you back later",
    "could you hand me that wrench", "this screw is completely stuck", "look at that dog",
    "the delivery comes on friday", "i had pasta for lunch", "who left the window open",
    "nice work everybody", "take five everyone", "keep your back straight", "one more my friend",
    "i counted twelve of them yesterday", "the red one is mine", "ten people came to the party",
    "my timer went off too early", "he stopped the car", "wait for me outside she said",
    "the camera is in my bag", "it costs fifteen pounds", "no i do not think so",
    "yes that sounds about right", "we could start over next week", "the count was a vampire",
)
BACKCHANNELS = ("okay", "right", "yeah", "mm hm", "i see", "aha", "cool", "good", "nice", "oh")
QUESTIONS = (
    "what torque for an {0}", "how do i {0}", "where is the {0}", "why does the {0} make a noise",
    "what does the {0} mean", "which {0} do i need", "when should i replace the {0}",
    "is it safe to {0}", "what is the right {0}", "how often should i check the {0}",
    "tell me about the {0}", "explain the {0}", "look up the {0}", "find the {0} in the manual",
    "what size is the {0}", "what do i do if the {0} leaks", "how much {0} is too much",
    "what comes after the {0}", "how tight should the {0} be", "how do i get the {0} off",
    "can i use the {0} without the {1}", "what is the difference between {0} and {1}",
    "how far apart are the {0} and the {1}", "who made the {0}", "how long does a {0} last",
    "at what temperature does the {0} {1}", "how hot may the {0} get", "how many {0} are there",
    "is there a {0} for the {1}", "do i need a {0} for that", "should i {0} before the {1}",
    "what happens if i {0}", "what can i do about the {0}", "which way does the {0} turn",
    "how much does a {0} weigh", "how old is the {0}", "where do i put the {0}",
    "where can i buy a {0}", "when was the {0} made", "when do i have to {0} again",
    "why is the {0} so {1}", "why can i not {0}", "are there any {0} in the {1}",
    "does the {0} go before the {1}", "could you find out about {0}", "i need to know about {0}",
    "how thick is the {0}", "what colour is the {0} wire", "how do you spell {0}",
    "what do they call the {0} on a {1}", "may i {0} with wet hands", "how fast is a {0}",
    "what should the {0} read", "the {0} will not {1} what now", "who is {0}", "what is {0}",
)
SUBJECTS = (
    "m eight bolt in aluminium", "bleed a radiator", "pilot light", "chain tension", "fuse box",
    "expansion tank", "relief valve", "brake pads", "sprained ankle", "wire gauge for a cooker",
    "lock out procedure", "spark plug", "circulation pump", "tyre pressure", "thermostat",
    "burner nozzle", "flow sensor", "m six screw in steel", "earth wire", "spoke nipple",
    "bottom bracket", "heart rate", "muscle cramp", "warm up", "protein", "gasket", "fan belt",
    "oil filter", "coolant", "junction box", "cable clamp", "bearing", "drain plug", "air lock",
    "gas smell", "error code", "ladder", "safety glasses", "tape measure", "soldering iron",
)


def _sentences(text: str) -> list[list[str]]:
    found = []
    text = re.sub(r"\s+-- .*", " ", text)
    for sentence in re.split(r"[.!?;:%\"\n]{1,}(?=\s|$)", text.replace("\n", " ")):
        words = re.sub(r"[^a-z' ]", " ", sentence.lower()).replace("'", "").split()
        clean = bool(re.fullmatch(r"[\sA-Za-z,'-]+", sentence))
        if 2 <= len(words) <= 14 and clean and all(len(w) < 13 for w in words):
            found.append(words)
    return found


@lru_cache(maxsize=2)
def sentences(trained: bool) -> list[list[str]]:
    """Word lists of open speech; a quarter, by hash, is never trained on. None is a command."""
    found = [s.split() for s in BUILT_IN]
    for name in FILES:
        path = FORTUNES / name
        if path.exists():
            for entry in path.read_text("utf-8", "ignore").split("\n%\n"):
                found += _sentences(entry)
    keep = [s for s in found if held_out("sentence", " ".join(s)) != trained]
    return [s for s in keep if grammar.parse(s) is None]


@lru_cache(maxsize=1)
def examples() -> list[list[str]]:
    """Sentences and phrases of WordNet, to train with; what is held out of `sentences` is not among
    them."""
    found: list[list[str]] = []
    for part in ("noun", "verb", "adj", "adv"):
        path = WORDNET / f"data.{part}"
        for line in path.read_text("latin-1").splitlines() if path.exists() else ():
            _, bar, gloss = line.partition(" | ")
            said = re.findall(r'"([^"]+)"', gloss)
            # what is said as an example counts twice as much as what is written to explain
            for text in (*said, *said, re.sub(r'"[^"]*"', "", gloss)) if bar else ():
                found += _sentences(text)
    kept_back = {" ".join(s) for s in sentences(False)}
    return [s for s in found if " ".join(s) not in kept_back and grammar.parse(s) is None]


@lru_cache(maxsize=2)
def other_words(trained: bool) -> list[str]:
    """Words of open speech that are not in the vocabulary; a quarter is never trained on alone."""
    found = sorted({w for s in sentences(True) for w in s if 2 < len(w) < 10} - set(tokens.WORDS))
    return [w for w in found if held_out("word", w) != trained]


def question(rng) -> list[str]:
    """An open question for the background: a pattern about a thing of ours, or about any words."""
    pool = other_words(True)
    subjects = [SUBJECTS[rng.integers(len(SUBJECTS))] if rng.random() < 0.4 else
                " ".join(pool[rng.integers(len(pool))] for _ in range(rng.integers(1, 3)))
                for _ in range(2)]
    return QUESTIONS[rng.integers(len(QUESTIONS))].format(*subjects).split()


def phrase(rng) -> list[str]:
    """A phrase of the phrasebook, or the beginning of one and the end of another, so that no phrase
    is known as a whole; a quarter, by hash, is never trained on. None is a command."""
    pool = _phrases()
    words = pool[rng.integers(len(pool))]
    if rng.random() < 0.5:
        other = pool[rng.integers(len(pool))]
        mixed = words[: rng.integers(1, len(words) + 1)] + other[rng.integers(len(other)) :]
        kept_back = held_out("phrase", " ".join(mixed))
        words = words if kept_back or grammar.parse(mixed) else mixed
    return words


@lru_cache(maxsize=1)
def _phrases() -> list[list[str]]:
    found = [p.english.split() for p in phrasebook() if not held_out("phrase", p.english)]
    return [p for p in found if grammar.parse(p) is None]


def sentence(rng) -> list[str]:
    """A sentence of training's open speech."""
    pool = examples() if rng.random() < 0.7 and examples() else sentences(True)
    return pool[rng.integers(len(pool))]


def interspersed(rng) -> list[str]:
    """A sentence into which one to three words of the vocabulary, half of them cues, are put."""
    words = list(sentence(rng))
    for _ in range(rng.integers(1, 4)):
        pool = grammar.CUES if rng.random() < 0.5 else tokens.WORDS
        words.insert(int(rng.integers(len(words) + 1)), pool[rng.integers(len(pool))])
    return words


def backchannel(rng) -> list[str]:
    """What somebody who listens says."""
    return BACKCHANNELS[rng.integers(len(BACKCHANNELS))].split()


def anything(rng) -> list[str]:
    """Talk that is no command: a sentence as it is or with words put in, a phrase, an order, words
    of the vocabulary, numbers, a command inside a sentence, a backchannel."""
    draw = rng.random()
    if draw < 0.12:
        return sentence(rng)
    if draw < 0.36:
        return interspersed(rng)
    if draw < 0.58:
        return phrase(rng)
    if draw < 0.69:
        return orders.sample(rng)[0]
    if draw < 0.79:
        return [tokens.WORDS[i] for i in rng.integers(len(tokens.WORDS), size=rng.integers(2, 7))]
    if draw < 0.86:
        return [grammar.NUMBER_WORDS[i] for i in rng.integers(28, size=rng.integers(1, 4))]
    if draw < 0.94:
        names = tuple(grammar.INTENTS)
        command = list(grammar.sample(rng, names[rng.integers(len(names))]).words)
        if rng.random() < 0.5:
            return command + sentence(rng)[:4]
        return sentence(rng)[:3] + command
    return backchannel(rng)
