"""Lists of answers in Chinese, Japanese and Korean, which put no blanks between words or glue particles to them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..patterns import late_pattern
from .labels import Listing, clean

__all__ = ["unspaced_lists"]

_PAIR_CJK = late_pattern(
    r"[\"'“‘「『]?(是|はい|对|真|有毒|正确)[\"'”’」』]?\s*(?:或者?|/|还是|、|，|か|または|もしくは)\s*[\"'“‘「『]?(不是|否|いいえ|错|假|无毒|错误)"
)
_CJK_AFTER = late_pattern(
    r"之一|中的一[个类项种]|其中一[个类项种]|中选择|中选一?个?|のいずれか|のどれか|のうち|から(?:一つ|1つ|ひとつ)?選|で答え|と答え|に分類|のどちらか|のどちら|で回答"
)
_CJK_BEFORE = late_pattern(
    r"(?:(?:候选(?:意图|标签|类别)|可选(?:类别|标签|项|意图)?|类别|分类|选项|标签|意图|情感(?:倾向|标签)?|カテゴリー?|ラベル|選択肢|分類|類別|选择)"
    r"(?=[^\n：:（(「“]{0,6}[:：（(「“])[^\n：:（(「“]{0,6}|"
    r"(?:只|仅)?(?:需|能|要)?(?:回答|输出|返回|回复)|只答|[判判][断斷][^\n。：:]{0,30}?(?:是(?!否)|属于|屬於|为|為)|归类为|分类为|分为|归入|主要讲的是)"
    r"(?:以下|下列|下面)?(?:之一|为|是|有|包括|的)?[:：（(「“]?\s*"
)
_UNWANTED = late_pattern(r"(?:不要?|无需|不需要?|请勿|(?<![类類级級个性区分差特识鉴])别|不用|勿)\Z")
_LATIN_LIST = late_pattern(r"[:：]\s*([\w/ -]{1,60}(?:[,，、][\w/ -]{1,60}){1,300})(?=$|[。\n.；;])")
_CJK_ITEM = r"[「『“\"'‘]?[^\s、，,/|。：:；;「」『』“”\"'‘’（）()？?\nか或]{1,12}?[」』”\"'’]?"
_CJK_LIST = late_pattern(
    rf"({_CJK_ITEM}(?:\s*(?:、|/|\||或者?|还是|または|もしくは|か、|か)\s*{_CJK_ITEM}){{1,40}})"
    r"(?=$|，(?=[不勿请請别別无無])|[\s。；;」』”\"（）()？?\n]|か\b|かを|之一|中的|的|の|を|で|から|に|に分)"
)
_CJK_SPLIT = late_pattern(r"\s*(?:か、|、|/|\||或者?|还是|または|もしくは|か(?=[^\s]))\s*")
# "账单/发票、咨询": between commas a slash belongs to a label.
_CJK_SPLIT_COMMAS = late_pattern(r"\s*(?:か、|、|或者?|还是|または|もしくは|か(?=[^\s]))\s*")
_CJK_QUESTION = late_pattern(
    r"(?:是|属于|讲的是|算)([^，。？?、\s是]{1,8}(?:、[^，。？?、\s]{1,8})*?)(?:，|,)?还是([^，。？?\s]{1,8}?)(?:的|呢)?[？?。：:\s]"
)


_OTHERS, _MASKED = "その他", "ソソ他"
_QUOTED = late_pattern(r"[「『“]([^」』”\n]{1,16})[」』”]")
_JOINTS = ("または", "もしくは", "还是")
_LIST_NOUN = late_pattern(
    r"(?:标签|类别|选项|意图|分类|ラベル|カテゴリー?|選択肢|라벨|레이블|카테고리|之一|选择|選ん[^。]{0,8})[^：:。]{0,6}$"
)
_NO_LABEL = late_pattern(
    r"いずれ|^次の|カテゴリ$|^(?:一|ひと)つ$|出力|だけ|输出|回答|返回|ください|분류|출력|하세요|답하|^[のをはがにしでと]$"
)
_KOREAN_ITEM = r"[\"'“‘]?[가-힣A-Za-z_]{1,14}?[\"'”’]?"
_KOREAN = late_pattern(
    rf"(?<![가-힣\w])({_KOREAN_ITEM}(?:(?:\s*[,/|·]\s*|\s+(?:또는|혹은)\s+){_KOREAN_ITEM}){{1,40}})"
    r"(?=\s*중|(?:으)?로(?:만)?\s|\s*(?:$|[.\n)]))"
)
_KOREAN_SPLIT = late_pattern(r"\s*[,/|·]\s*|\s+(?:또는|혹은)\s+")
_KOREAN_CUE = late_pattern(
    r"중\s*(?:하나|한|에서|가장)|(?:라벨|레이블|카테고리|선택지|분류|감정|의도)[^\n:]{0,8}:|(?:으)?로만?\s*(?:답|분류|대답|출력)"
)


def unspaced_lists(text: str) -> Iterator[Listing]:
    """Lists of answers in such a text, in no order."""
    if _OTHERS not in text:
        yield from _lists(text)
        return
    # "その他" is one word, although の is a particle.
    for listing in _lists(text.replace(_OTHERS, _MASKED)):
        yield listing._replace(labels=tuple(label.replace(_MASKED, _OTHERS) for label in listing.labels))


def _lists(text: str) -> Iterator[Listing]:
    if _KOREAN_CUE.search(text) is not None:
        yield from _korean(text)
    if any(text.count(joint) > 6 for joint in _JOINTS):
        return  # a list that long is joined by commas; trying all ways to cut it would take for ever
    match = _PAIR_CJK.search(text)
    if match is not None:
        yield Listing((match[1], match[2]), match.start(), match.end(), 0.85)
    for cue in _CJK_BEFORE.finditer(text):
        listed = _CJK_LIST.match(text, cue.end())
        if listed is not None and _UNWANTED.search(text, max(0, cue.start() - 6), cue.start()) is None:
            listing = _cjk_listing(listed[1], listed.start(1), listed.end(1))
            if listing is not None:
                yield listing
    for cue in _CJK_AFTER.finditer(text):
        start = max(text.rfind(mark, 0, cue.start()) for mark in "。：:\n；;（(？?")
        segment = re.split(r"(?:从|请从|请用|を|は|用|在)", text[start + 1 : cue.start()])[-1]
        listing = _cjk_listing(segment, cue.start() - len(segment), cue.start())
        if listing is not None:
            yield listing
    for listed in _LATIN_LIST.finditer(text):
        before = text[max(0, listed.start() - 12) : listed.start()]
        items = [clean(item) for item in re.split("[,，、]", listed[1])]
        if _LIST_NOUN.search(before) and listed[1].isascii() and len(set(items)) == len(items) and all(items):
            yield Listing(tuple(items), listed.start(1), listed.end(1), 0.88)
    question = _CJK_QUESTION.search(text + "\n")
    if question is not None:
        listing = _cjk_listing(f"{question[1]}、{question[2]}", question.start(1), question.end(2))
        if listing is not None:
            yield listing._replace(certainty=0.75)


def _korean(text: str) -> Iterator[Listing]:
    for match in _KOREAN.finditer(text):
        items = tuple(clean(item) for item in _KOREAN_SPLIT.split(match[1]))
        if len(set(items)) == len(items) and all(items) and not any(map(_NO_LABEL.search, items)):
            yield Listing(items, match.start(1), match.end(1), 0.82)


def _cjk_listing(segment: str, start: int, end: int) -> Listing | None:
    quoted = _QUOTED.findall(segment)
    joints = _CJK_SPLIT_COMMAS if "、" in segment else _CJK_SPLIT
    if "・" in segment and not any(joint in segment for joint in ("、", "/", "か")):
        segment = segment.replace("・", "、")  # "苦情・質問・お礼のいずれか"
    items = quoted if len(quoted) > 1 else [clean(item) for item in joints.split(segment) if item.strip()]
    if any(map(_NO_LABEL.search, items)):
        return None
    if not 2 <= len(items) <= 60 or any(not item or len(item) > 16 for item in items):
        return None
    if len(set(items)) != len(items):
        return None
    return Listing(tuple(items), start, end, 0.85)
