"""How well resourced is the language that a translation starts from (GEN-02, GEN-03 of the guide)?

High: languages with ample parallel text (those of the large WMT tracks and the European institutions, and the "winners"
of Joshi et al., 2020, arXiv:2004.09095). The source is what the request names after "from", else what its text is in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..patterns import late_pattern
from ..types import Signals
from .excerpt import excerpt
from .rule import Rule
from .triggers import triggers

__all__ = ["HIGH_RESOURCE", "RESOURCE", "language_code"]

HIGH_RESOURCE = frozenset(
    (
        "en",
        "de",
        "fr",
        "es",
        "it",
        "pt",
        "nl",
        "ru",
        "zh",
        "ja",
        "ko",
        "ar",
        "pl",
        "cs",
        "sv",
        "tr",
        "fi",
        "da",
        "no",
        "nb",
        "hu",
        "el",
        "uk",
        "hi",
        "vi",
        "id",
        "fa",
        "he",
        "bg",
    )
)
"""ISO 639-1 codes. Romanian and Galician are low, as the guide counts them."""

_NAMES: Mapping[str, str] = {
    name: code
    for code, names in (
        ("en", "english englisch anglais inglés ingles inglês inglese engels angielskiego angielski английского "
        "английский"),
        ("de", "german deutsch deutschen allemand alemán alemão tedesco duits niemieckiego немецкого"),
        ("fr", "french französisch französischen français francés francês francese frans francuskiego французского"),
        ("es", "spanish spanisch spanischen espagnol español castellano espanhol spagnolo spaans hiszpańskiego "
        "испанского"),
        ("it", "italian italienisch italien italiano italiaans włoskiego итальянского"),
        ("pt", "portuguese portugiesisch portugais portugués português portoghese portugees"),
        ("nl", "dutch niederländisch néerlandais neerlandés holandés holandês olandese nederlands"),
        ("ru", "russian russisch russe ruso russo rosyjskiego русского"),
        ("zh", "chinese mandarin cantonese chinesisch chinois chino chinês cinese chinees"),
        ("ja", "japanese japanisch japonais japonés japonês giapponese"),
        ("ko", "korean koreanisch coréen coreano"),
        ("ar", "arabic arabisch arabe árabe arabo"),
        ("pl", "polish polnisch polonais polaco polonês polacco"),
        ("cs", "czech tschechisch tchèque checo"),
        ("sv", "swedish schwedisch suédois sueco"),
        ("tr", "turkish türkisch turc turco"),
        ("fi", "finnish finnisch finnois finlandés"),
        ("da", "danish dänisch danois danés"),
        ("no", "norwegian norwegisch norvégien noruego"),
        ("hu", "hungarian ungarisch hongrois húngaro"),
        ("el", "greek griechisch grec griego"),
        ("uk", "ukrainian ukrainisch ukrainien ucraniano"),
        ("hi", "hindi"),
        ("vi", "vietnamese vietnamesisch vietnamien vietnamita"),
        ("id", "indonesian indonesisch indonésien indonesio"),
        ("fa", "persian farsi persisch"),
        ("he", "hebrew hebräisch hébreu hebreo"),
        ("bg", "bulgarian bulgarisch bulgare búlgaro"),
        ("ro", "romanian rumänisch roumain rumano romeno rumeno"),
        ("rm", "romansh romansch rätoromanisch romanche"),
        ("gl", "galician galicisch galicien gallego galego"),
        ("ca", "catalan katalanisch catalán catalão"),
        ("eu", "basque baskisch euskera vasco"),
        ("cy", "welsh walisisch gallois galés"),
        ("ga", "irish gaelic irisch"),
        ("gd", "scottish-gaelic"),
        ("is", "icelandic isländisch islandais islandés"),
        ("fo", "faroese färöisch"),
        ("mt", "maltese maltesisch maltais maltés"),
        ("sq", "albanian albanisch albanais albanés"),
        ("mk", "macedonian mazedonisch"),
        ("sr", "serbian serbisch serbe"),
        ("hr", "croatian kroatisch croate"),
        ("bs", "bosnian bosnisch"),
        ("sl", "slovenian slovene slowenisch"),
        ("sk", "slovak slowakisch slovaque"),
        ("lt", "lithuanian litauisch lituanien"),
        ("lv", "latvian lettisch letton"),
        ("et", "estonian estnisch estonien"),
        ("be", "belarusian"),
        ("ka", "georgian georgisch"),
        ("hy", "armenian armenisch"),
        ("az", "azerbaijani azeri"),
        ("kk", "kazakh kasachisch"),
        ("uz", "uzbek"),
        ("ky", "kyrgyz"),
        ("tg", "tajik"),
        ("mn", "mongolian mongolisch"),
        ("bn", "bengali bangla"),
        ("ur", "urdu"),
        ("pa", "punjabi panjabi"),
        ("gu", "gujarati"),
        ("mr", "marathi"),
        ("ta", "tamil"),
        ("te", "telugu"),
        ("kn", "kannada"),
        ("ml", "malayalam"),
        ("or", "odia oriya"),
        ("as", "assamese"),
        ("ne", "nepali"),
        ("si", "sinhala sinhalese"),
        ("th", "thai"),
        ("lo", "lao"),
        ("km", "khmer"),
        ("my", "burmese"),
        ("ms", "malay malaiisch"),
        ("tl", "tagalog filipino"),
        ("ceb", "cebuano"),
        ("jv", "javanese"),
        ("su", "sundanese"),
        ("sw", "swahili suaheli"),
        ("am", "amharic"),
        ("ti", "tigrinya"),
        ("so", "somali"),
        ("ha", "hausa"),
        ("yo", "yoruba"),
        ("ig", "igbo"),
        ("zu", "zulu"),
        ("xh", "xhosa"),
        ("st", "sesotho"),
        ("sn", "shona"),
        ("rw", "kinyarwanda"),
        ("wo", "wolof"),
        ("mg", "malagasy"),
        ("af", "afrikaans"),
        ("ps", "pashto"),
        ("ku", "kurdish kurdisch"),
        ("yi", "yiddish jiddisch"),
        ("la", "latin latein"),
        ("eo", "esperanto"),
        ("lb", "luxembourgish luxemburgisch"),
        ("br", "breton bretonisch"),
        ("oc", "occitan"),
        ("co", "corsican"),
        ("sc", "sardinian"),
        ("fy", "frisian friesisch"),
        ("ht", "creole"),
        ("qu", "quechua"),
        ("gn", "guarani guaraní"),
        ("ay", "aymara"),
        ("mi", "maori māori"),
        ("haw", "hawaiian"),
        ("sm", "samoan"),
        ("to", "tongan"),
        ("fj", "fijian"),
        ("iu", "inuktitut"),
        ("nv", "navajo"),
        ("chr", "cherokee"),
        ("bo", "tibetan"),
        ("ug", "uyghur"),
        ("tt", "tatar"),
        ("ks", "kashmiri"),
        ("sd", "sindhi"),
        ("sa", "sanskrit"),
        ("kmr", "kurmanji"),
    )
    for name in names.split()
}  # fmt: skip
_SIGNS: Mapping[str, str] = {
    "英语": "en",
    "英文": "en",
    "德语": "de",
    "法语": "fr",
    "西班牙语": "es",
    "俄语": "ru",
    "日语": "ja",
    "韩语": "ko",
    "阿拉伯语": "ar",
    "意大利语": "it",
    "葡萄牙语": "pt",
    "泰语": "th",
    "越南语": "vi",
    "中文": "zh",
    "藏语": "bo",
    "维吾尔语": "ug",
    "冰岛语": "is",
    "威尔士语": "cy",
    "スワヒリ語": "sw",
    "英語": "en",
    "中国語": "zh",
    "フランス語": "fr",
    "ドイツ語": "de",
    "스와힐리어": "sw",
    "영어": "en",
    "중국어": "zh",
    "일본어": "ja",
}
_FROM = late_pattern(
    r"\b(?:from|aus dem|vom|du|de l'|de l’|depuis le|desde el|del|do|dal|dall'|uit het|van het|z|"
    r"с)[ ]?(?:the )?(?:(?:language|old|ancient|modern|brazilian|scottish|haitian|"
    r"simplified|traditional) )?(?P<name>[^\W\d_]{3,})"
)
_OF = late_pattern(
    r"\b(?:this|the|following|these|diesen?|cette|ce|este|esta|questa|questo|a|my|"
    r"into english[^.\n]{0,20}) (?:\w+ )?(?P<name>[^\W\d_]{3,}) (?:text|sentences?|paragraph|passage|phrase|word|poem|"
    r"letter|e-?mail|message|article|song|quote|document|recipe|menu|proverb|satz|phrase|texte|texto|frase|testo)"
)
_LABEL = late_pattern(r"^[ \t*]*(?P<name>[^\W\d_]{3,})[*]* ?[:：]", re.MULTILINE)
_FROM_SIGN = late_pattern(
    r"(?:从|把(?:这[段句])?|将(?:这[段句])?|请把)?(?P<name>" + "|".join(_SIGNS) + r")(?:翻译|译|から|を|에서|를|을)"
)
_PAIR = late_pattern(r"\b(?P<name>[^\W\d_]{3,})[- ]?(?:to|->|→|nach|vers|a|-)[- ]?(?P<into>[^\W\d_]{3,})\b")

_TRIGGERS = triggers(
    "translate translated translating translation translations translator übersetze übersetzen übersetz "
    "übersetzung traduis traduire "
    "traduisez traduction traduce traducir traducción traduzca traduz traduza traduzir tradução traduci tradurre "
    "traduzione vertaal "
    "vertalen przetłumacz tłumaczenie переведи переведите перевод translator"
)


def language_code(name: str) -> str | None:
    """The ISO 639 code of a language named in one of a dozen languages ("Welsh", "walisisch"), else None."""
    return _NAMES.get(name.lower())


def _read(signals: Signals) -> tuple[str | None, float]:
    task = signals["task"]
    view = signals.view(excerpt)
    if task.value is not None and task.value != "translation" and task.confidence >= 0.6:
        return None, 0.0
    if task.value != "translation" and not view.is_unspaced and not view.groups & _TRIGGERS.bit:
        return None, 0.0
    for form in (_FROM, _OF, _PAIR, _LABEL):
        for match in form.finditer(view.lower):
            code = _NAMES.get(match["name"]) or _NAMES.get(match["name"].removesuffix("en"))
            if code is not None and (form is not _PAIR or match["into"] in _NAMES):
                return ("high" if code in HIGH_RESOURCE else "low"), 0.92
    if view.is_unspaced:
        sign = _FROM_SIGN.search(view.lower)
        if sign is not None:
            return ("high" if _SIGNS[sign["name"]] in HIGH_RESOURCE else "low"), 0.88
    if task.value != "translation":
        return None, 0.0
    language = signals["language"]
    if language.value is None or language.confidence < 0.5:
        return None, 0.0
    return ("high" if language.value in HIGH_RESOURCE else "low"), 0.7 * language.confidence


RESOURCE = Rule(name="resource", read=_read)
