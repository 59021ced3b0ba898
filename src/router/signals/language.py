"""The ``language`` signal: which language the user writes in, as an ISO 639-1 code.

Scripts that few languages share are told by their characters, Latin and Cyrillic languages by their commonest words and
their letters. A short text without any of these marks is unknown rather than guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..types import Signal, SignalName, Signals
from .excerpt import excerpt, is_unspaced
from .triggers import WordSet, n_words

__all__ = ["LANGUAGES", "Language", "identify"]

# Blocks of characters in the order of their code points; "" is a block that tells nothing.
_BLOCKS = (
    (0x0000, ""),
    (0x00C0, "latin"),
    (0x0250, ""),
    (0x0370, "el"),
    (0x0400, "cyrillic"),
    (0x0530, "hy"),
    (0x0590, "he"),
    (0x0600, "arabic"),
    (0x0700, ""),
    (0x0900, "hi"),
    (0x0980, "bn"),
    (0x0A00, "pa"),
    (0x0A80, "gu"),
    (0x0B00, ""),
    (0x0B80, "ta"),
    (0x0C00, "te"),
    (0x0C80, "kn"),
    (0x0D00, "ml"),
    (0x0D80, "si"),
    (0x0E00, "th"),
    (0x0E80, "lo"),
    (0x0F00, ""),
    (0x1000, "my"),
    (0x10A0, "ka"),
    (0x1100, "ko"),
    (0x1200, "am"),
    (0x1380, ""),
    (0x1780, "km"),
    (0x1800, ""),
    (0x1E00, "latin"),
    (0x1F00, "el"),
    (0x2000, ""),
    (0x3040, "ja"),
    (0x3100, ""),
    (0x3400, "han"),
    (0xA000, ""),
    (0xAC00, "ko"),
    (0xD7B0, ""),
    (0xF900, "han"),
    (0xFB00, ""),
    (0xFF66, "ja"),
    (0xFFA0, ""),
)
_STARTS = np.array([start for start, _ in _BLOCKS], np.uint32)
_NAMES = tuple(name for _, name in _BLOCKS)

_WORDS = {
    "en": "the and is are was what how this that with for you my your from not have has do does can which it its to"
    " of in me please write why who when if would should give tell make an be will i i'm it's don't text"
    " following or by at as explain list find between than about there their we our a am so up out just any"
    " all some like get need more into over he she they his her been being because no yes hi hello thanks ok",
    "de": "der die das und ist nicht ein eine einen einem einer ich du er sie wir ihr mit für auf von den dem des"
    " im zu zum zur was wie warum wer wann bitte mir mich dir kann kannst wird sind habe hat auch oder aber"
    " aus bei nach noch nur mein meine meinen dein als diese dieser dieses welche welcher über schreib ins vom"
    " wenn dass sich es so",
    "fr": "le la les un une des et est pas ne je tu il elle nous vous que qui quoi quel quelle dans pour avec sur"
    " sous du de au aux ce cette ces mon ma mes ton ta son sa comment pourquoi où quand s'il plaît c'est j'ai"
    " qu'est en par plus mais ou sont fait être moi donne écris suis ai d'un d'une qu'on l'on peut entre",
    "es": "el la los las un una y es no que qué de del en con por para se su sus mi mis tu me te lo le al como cómo"
    " cuál cuándo dónde quién porque más pero si sí está están son este esta esto ese esa hay ser tengo quiero"
    " puedes hace dime escribe entre sobre muy ya o cuánto favor hola",
    "pt": "o a os as um uma e é não que de do da dos das em no na nos nas com por para se seu sua meu minha me te"
    " lhe ao à como qual quando onde quem porque mais mas está estão são este esta isso esse essa há ser tenho"
    " quero você pode fazer escreva entre sobre muito já ou pra foi favor olá eu ele ela",
    "it": "il lo la i gli le un una e è non che di del della dei delle in con per su da al alla nel nella si suo"
    " mio mia mi ti come quale quando dove chi perché più ma sono questo questa quello c'è ho hai puoi fare"
    " scrivi tra sul molto già anche l'ho dell' un' cosa ciao favore qual sia",
    "nl": "de het een en is niet ik je jij hij zij wij we met voor op van in te dat die wat hoe waarom wie wanneer"
    " naar aan bij of maar ook nog dit deze mijn jouw zijn heb heeft kan kun zou moet om als uit over er geen"
    " schrijf wordt",
    "sv": "och att det är en ett som inte jag du han hon vi med för på av i till den de vad hur varför vem när kan"
    " har men eller också min mitt din detta denna från om så ska skriv mig vill vilket vilken",
    "da": "og at det er en et som ikke jeg du han hun vi med for på af i til den de hvad hvordan hvorfor hvem"
    " hvornår kan har men eller også min mit din dette denne fra om så skal skriv mig vil hvilken være blev",
    "no": "og at det er en et som ikke jeg du han hun vi med for på av i til den de hva hvordan hvorfor hvem når"
    " kan har men eller også min mitt din dette denne fra om så skal skriv meg vil hvilken være ble",
    "fi": "ja on ei se että en hän me te he mutta tai kun jos niin mitä miten miksi kuka missä minä sinä ole olen"
    " oli tämä tuo kanssa myös vain voi mikä minun sinun ovat kirjoita sen sitä",
    "pl": "i w na z się nie to jest że do jak co dlaczego kto kiedy gdzie czy ale lub dla po o od za ja ty on ona"
    " mój moja mnie mi ten ta te są być mam masz może proszę napisz przez tego jego który która oraz bardzo",
    "cs": "a v na s se ne to je že do jak co proč kdo kdy kde ale nebo pro po o od za já ty on ona můj moje mě mi"
    " ten ta jsou být mám máš může prosím napiš který která jsem jsi by tak jen už si",
    "tr": "ve bir bu ne için ile mi mı mu mü değil da de ben sen o biz siz var yok nasıl neden kim nerede daha çok"
    " ama veya gibi olarak olan kadar bana benim lütfen yaz şu her en hangi ise sonra iyi",
    "id": "yang dan di ini itu dengan untuk tidak adalah saya kamu anda dia kami kita dari ke pada apa bagaimana"
    " mengapa siapa kapan bisa akan sudah juga atau tapi tolong buat lebih karena ada seperti dalam tulis",
    "vi": "và là của có không cho một các được này với trong tôi bạn những để khi như thì đã sẽ nào gì hãy tại sao"
    " làm người câu viết từ đến ra hay về",
    "ro": "și este nu că de la în cu pe pentru un o ce cum cine când unde sau dar mai din sunt are al ale eu tu el"
    " ea meu mea vă îmi te rog scrie acest această care fi să",
    "hu": "a az és nem hogy egy van is ez én te ő mi mit hogyan miért ki mikor hol vagy de meg csak már még ha volt"
    " lesz kérlek írj nekem ezt azt mint kell lehet",
    "ca": "el la els les un una i és no que de del en amb per es seu meva em et com quin quan on qui perquè més"
    " però són aquest aquesta això hi ha puc vull si us plau escriu molt ja què",
    "sw": "na ya wa ni kwa katika za la hii hiyo kuwa si mimi wewe yeye sisi nini vipi nani lini wapi au lakini pia"
    " tafadhali andika yangu yako",
    "ru": "и в не на что это как я ты он она мы вы с по для из к у о от за но или если когда где кто почему мне"
    " меня мой моя есть был быть так же ли бы все только какой какая напиши пожалуйста можно чем чтобы",
    "uk": "і в не на що це як я ти він вона ми ви з по для із до у про від за але або якщо коли де хто чому мені"
    " мене мій моя є був бути так же чи б все тільки який яка напиши будь ласка можна та щоб",
    "bg": "и в не на че това как аз ти той тя ние вие с по за от към у но или ако кога къде кой защо ми ме моят е"
    " са бях да се ще само какъв каква моля може със което",
    "ar": "في من على إلى عن أن هذا هذه ما هل كيف لماذا متى أين مع أو لا لم هو هي كان التي الذي بين ثم كل لي",
    "fa": "در از به که این آن را با برای است چه چرا چگونه کجا می من تو ما شما یا هم نیست های کن چیست",
    "ur": "میں کے کی ہے کا کو سے اور یہ وہ نہیں کیا ہیں پر اس کیسے کیوں ایک مجھے آپ",
}
_SETS = {code: frozenset(words.split()) for code, words in _WORDS.items()}
_PLAIN_ENGLISH = 8  # so many of its common words, a quarter of all, and no other language need be asked
_SPOKEN: dict[str, tuple[str, ...]] = {
    word: tuple(code for code, words in _SETS.items() if word in words) for word in frozenset().union(*_SETS.values())
}
_SPOKEN_WORDS = WordSet(_SPOKEN)
_LATIN = tuple(code for code in _SETS if code not in ("ru", "uk", "bg", "ar", "fa", "ur"))
_CYRILLIC, _ARABIC = ("ru", "uk", "bg"), ("ar", "fa", "ur")
_LETTERS = {
    "de": "ßäöü",
    "fr": "éèêàçœùîôëâûï",
    "es": "ñ¿¡áíóúé",
    "pt": "ãõçáâêéíóú",
    "it": "àèìòùé",
    "sv": "åäö",
    "da": "æøå",
    "no": "æøå",
    "fi": "äö",
    "pl": "łąęśżźćńó",
    "cs": "řěůčšžýáíé",
    "tr": "ğışçöü",
    "vi": "ơưđạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ",
    "ro": "ăâîșțşţ",
    "hu": "őűáéíóöü",
    "ca": "çàèéíòóúï·",
    "uk": "іїєґ",
    "ru": "ыэёъ",
    "bg": "ъ",
    "fa": "پچژگکی",
    "ur": "ٹڈڑےںھہ",
}
LANGUAGES = tuple(sorted({*_SETS, *(name for name in _NAMES if len(name) == 2), "zh"}))


class Language:
    """Detector of ``language``, from the user's own words (the last user message, or the text of the conversation)."""

    provides: tuple[SignalName, ...] = ("language",)
    slow = False

    def __call__(self, signals: Signals, /) -> Mapping[SignalName, Signal[Any]]:
        view = signals.view(excerpt)
        code, confidence = identify(view.ask or view.lower)
        return {"language": Signal(value=code, confidence=confidence, detector="language")}


def identify(text: str) -> tuple[str | None, float]:
    """Language code of a lower-case text and the probability that it is right; ``(None, 0.0)`` when nothing tells."""
    if not text.isascii():
        found = _by_script(text)
        if found in ("cyrillic", "arabic"):
            return _by_words(text, _CYRILLIC if found == "cyrillic" else _ARABIC)
        if found not in ("", "latin"):
            return found, 0.97
    return _by_words(text, _LATIN)


def _by_script(text: str) -> str:
    """The script that most letters are of, ASCII letters counting for Latin; ``""`` when there are none."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    counts = np.bincount(_STARTS.searchsorted(codes, side="right") - 1, minlength=len(_NAMES)).tolist()
    totals: dict[str, int] = {}
    for name, count in zip(_NAMES, counts, strict=True):
        if name and count:
            totals[name] = totals.get(name, 0) + count
    ascii_letters = int(((codes >= 97) & (codes <= 122)).sum())
    if totals.get("ja", 0) and totals.get("han", 0) + totals["ja"] > ascii_letters / 4:
        return "ja"
    totals["han"] = totals.get("han", 0) * 3  # one sign is about a word
    totals["latin"] = totals.get("latin", 0) + ascii_letters
    best = max(totals, key=lambda name: totals[name] * (1 if name == "latin" else 2))
    if totals[best] == 0:
        return ""
    return "zh" if best == "han" else best


def _by_words(text: str, codes: tuple[str, ...]) -> tuple[str | None, float]:
    raw = text.encode("utf-8", "replace")
    words = _SPOKEN_WORDS.among(raw)
    is_ascii = text.isascii()
    if is_ascii:
        english = len(words & _SETS["en"])
        if english >= _PLAIN_ENGLISH and 4 * english >= n_words(raw):
            return "en", 0.99
    # In ASCII only what its words speak for can win, beside English; there is a second in any case.
    counts = {"en": 0, "de": 0} if is_ascii else dict.fromkeys(codes, 0)
    for word in words:
        for code in _SPOKEN[word]:
            if is_ascii or code in counts:
                counts[code] = counts.get(code, 0) + 1
    scores = []
    for code, count in counts.items():
        score = float(count)
        if is_ascii:
            score += 0.9 * (code == "en")  # most text without accents is
        elif code in _LETTERS:
            score += sum(1.5 for letter in _LETTERS[code] if letter in text)
        scores.append((score, code))
    scores.sort(reverse=True)
    (best, code), second = scores[0], scores[1][0]
    if best < 1.0:
        if codes is _LATIN:
            return ("en", 0.6) if is_ascii and len(text) >= 12 and not is_unspaced(text) else (None, 0.0)
        return codes[0], 0.6
    return code, min(0.99, 0.5 + 0.5 * (best - second) / (best + 1.0) + 0.03 * best)
