"""Is the request noisy: shouted, misspelt, mangled in its encoding, or an unstructured paste?"""

from __future__ import annotations

import re

from ..patterns import late_pattern
from ..types import Signals
from .census import SHARED, beginning
from .excerpt import excerpt
from .rule import Rule
from .triggers import triggers

__all__ = ["NOISE"]

_CHAT = triggers(
    "u ur r plz pls thx thnx tnx bcuz bcz cuz coz idk idc tbh imo lol lmao omg wtf smh gonna wanna gotta dunno "
    "kinda sorta "
    "lemme gimme wat wut dat dis dem ppl msg tmrw 2day 2moro b4 gr8 l8r y'all aint dont cant wont didnt doesnt "
    "isnt im ive "
    "whats hows thats wheres hes shes theyre youre nvm fyi asap bc rn tho thru yall sooo soooo plss plzz hii heyy hlp "
    "pq vc tb blz kk slt stp svp mdr jsp pk ke xq tmb bn"
)
_MISSPELT = triggers(
    "recieve recieved definately definitly seperate occured untill wich becuase becasue teh adn taht waht hwo "
    "thier alot "
    "wierd tommorow tommorrow tomorow accross acheive adress beleive buisness calender catagory comming commited "
    "diffrent "
    "dissapoint dissapointed embarass enviroment existance foriegn freind goverment grammer happend happyness "
    "immediatly "
    "independant knowlege liason libary lisence maintainance neccessary necesary noticable occassion occurence orginal "
    "peice posession prefered publically realy recomend refered relevent remeber rember responce succesful "
    "suprise truely "
    "unfortunatly usefull writting yuo yuor youre' ahve hte nad fo ot si thsi tihs jsut liek wnat wnats waht's "
    "whta plase "
    "pleas plese pleaes halp hlep summerize sumarize summarise' tranlsate transalte transalate translat explian "
    "expalin "
    "wrok wokring dosent doesn;t didn;t cancle cancell refnd refudn accout acount pasword passwrod paymnet payd "
    "charged' "
    "shiping delivary arived ordr oder produt prodcut custmer costumer' qick quik probelm porblem isue isssue "
    "thnks thansk "
    "tahnks bcause beacuse somthing smth anythin nothin everythin shoud woud coud shuld wuld cuold woudl shoudl coudl "
    "questoin qestion answr awnser anser sentance sentense wether' infomation informations' langauge lenght strenght "
    "hieght wieght proccess procces adn' witht wih wiht fomr form' frmo abuot abotu haev hvae mroe moer owrk "
    "thnik konw knwo "
    "yse gonig goign makign beign bieng whihc wnated wantd tryin tring trynig"
)
_MANGLED = late_pattern(
    r"Ã[\u0080-\u00bf©¨±¼¶¤]|â€[\u0080-\u00ff™œ“”˜¦]|Â[\u00a0-\u00bf]|ï¿½|\ufffd|&(?:nbsp|amp;\w+|#\d{2,5});|"
    r"Ð[\u0080-\u00bf]"
)
_STRETCHED = late_pattern(r"[!?]{3,}|\.{4,}|([a-z])\1{3,}|([!?.,])(?: ?\2){3,}")
_LOG = late_pattern(
    r"\s*(?:\d{4}-\d\d-\d\d[T ]\d\d:\d\d|\[?(?:INFO|ERROR|WARN|DEBUG)\b|at [\w.$]+\(|\w{3} \d{1,2} \d\d:\d\d)"
)
# One byte a character: "0" figure, "a" letter, " " anything else.
_FIGURE_OR_LETTER = bytes(
    48 if 48 <= code <= 57 else 97 if 65 <= code <= 90 or 97 <= code <= 122 else 32 for code in range(256)
)
_LOG_STARTS = frozenset(" \t\r\x0b\x0c\x1c\x1d\x1e\x1f0123456789[IEWDa")
_GARBLED = late_pattern(r"\b(?:[a-z]+\d+[a-z]+|[a-z]*[01][a-z]+)\b", re.IGNORECASE)
_DIGIT = late_pattern(r"[0-9]")
_FORWARDED = late_pattern(
    r"^(?:>+ ?){2,}|^-{3,} ?(?:original|forwarded) message|^fwd?:|^sent from my ", re.IGNORECASE | re.M
)


def _read(signals: Signals) -> tuple[bool | None, float]:
    view = signals.view(excerpt)
    text = view.user
    size = len(text)
    if size < 3:
        return (None, 0.0) if not text.strip() else (False, 0.6)
    sample = text[:SHARED]
    raw, counted = signals.view(beginning)
    capitals, breaks = counted.capitals, counted.breaks
    letters = counted.small + capitals
    points = 0.0
    if letters >= 20 and capitals > 0.6 * letters and " " in sample:
        points += 1.0
    if not sample.isascii() and len(_MANGLED.findall(sample)) >= 2:
        points += 1.0
    elif "&" in sample and len(_MANGLED.findall(sample)) >= 3:
        points += 0.6
    misspelt = len(view.among(_MISSPELT))
    chat = len(view.among(_CHAT))
    points += 0.5 * min(misspelt, 4)
    if chat >= 2:
        points += 0.34 * min(chat, 5)
    if counted.stretches and "```" not in sample:
        points += 0.35 * min(len(_STRETCHED.findall(sample)), 3)
    if breaks >= 3:
        if (
            ">" in sample
            or ("-" in sample and "-----" in sample)
            or "fw" in view.ask[:40]
            or "sent from my" in view.ask
        ):
            points += 0.5 * min(len(_FORWARDED.findall(sample)), 2)
        if ("`" not in sample or "```" not in sample) and _may_be_logged(sample, counted.digits):
            points += 1.0 if _logged(sample) >= 3 else 0.0
    if letters < 0.45 * len(raw) and sample.isascii() and size > 60 and sample.count("|") + sample.count("~") > 8:
        points += 0.5
    if size > 160 and sample.isascii() and capitals == 0 and not breaks:
        marks = sample.count(".") + sample.count(",") + sample.count("?") + sample.count("!")
        points += 1.0 if marks == 0 and letters > 0.7 * len(raw) else 0.0
    if letters > 40 and points < 1 and counted.digits >= 8:
        points += 0.2 * max(0, _garbled(sample[:500]) - 3)
    if points >= 1.0:
        return True, min(0.95, 0.7 + 0.1 * points)
    return (False, 0.92) if points < 0.5 else (None, 0.0)


def _may_be_logged(text: str, digits: int) -> bool:
    """A cheap test whether three lines can begin so: each time of a day has five figures."""
    return (
        digits >= 15
        or "(" in text
        or "INFO" in text
        or "ERROR" in text
        or "WARN" in text
        or "DEBUG" in text
        or not text.isascii()
    )


def _logged(text: str) -> int:
    """How many lines begin with a time, a level or a place in a program."""
    found, is_ascii = 0, text.isascii()
    for line in text.split("\n"):
        # Tell at a glance which lines cannot.
        if is_ascii and line[:1] not in _LOG_STARTS and line[3:4] != " ":
            continue
        found += _LOG.match(line) is not None
    return found


def _garbled(text: str) -> int:
    """Words with figures among their letters, as character recognition leaves them."""
    if text.isascii() and b"0a" not in text.encode().translate(_FIGURE_OR_LETTER):
        return 0
    words = [word for word in text.split() if not word.isalpha()]
    return sum(len(_GARBLED.findall(word)) for word in words if _DIGIT.search(word))


NOISE = Rule(name="noise", read=_read)
