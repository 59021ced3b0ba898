"""The words and beginnings by which :mod:`frames` knows English sentences of an instruction."""

from __future__ import annotations

from ..patterns import late_pattern
from .vocabulary import ANSWER_WORDS, CLASSIFY, DATA_TAGS, INPUT_WORDS, NOUNS
from .words import table

__all__ = [
    "ADVERBS",
    "ANSWERING",
    "ANSWERS",
    "ASKS",
    "CALLS",
    "CHOICE",
    "CLAUSES",
    "DENIALS",
    "DENIES",
    "DOES",
    "EQUALS",
    "FIRM",
    "FOLLOWS",
    "FORMS",
    "GIVES",
    "HEADS_LIST",
    "HOW",
    "HOW_MANY",
    "IF",
    "IS_SHOWN",
    "IS_THING",
    "LEADS",
    "MEANS",
    "NAMED",
    "NOT_NOUNS",
    "ONE_OF_THEM",
    "ONE_WORD",
    "OPEN",
    "OUTPUT",
    "PEOPLE_WRITE",
    "POINTERS",
    "PREPOSITIONS",
    "QUALITIES",
    "RISKS",
    "RULES",
    "SENDS",
    "SETTING_VERBS",
    "SHIFTS",
    "STOPS",
    "SUBJECTS",
    "UNTIED",
    "VERDICT",
    "WANTS",
    "WHICH",
    "WORDS",
    "YOURSELF",
]

# A sentence with one of these may be a rule, or ask for something else.
RISKS = table(
    """
    if unless except instead rather though although despite regardless otherwise count counts counted treat treated
    prefers preferred preferring preferably favour favor
    consider considered regard regarded prefer priority override overrides outweigh outweighs default mean means meant
    stand stands denote denotes denotes represent than least first second third last latest next previous earlier
    before after twice both either-way also plus too as-well in-doubt doubt unsure unclear sure assume assuming
    pretend
    imagine suppose ignore ignoring disregard exclude excluding include including even still however but yet sarcasm
    irony ironic literally sentence-by-sentence poem haiku rhyme joke emoji emojis language english german french
    spanish italian translate translated summarize summarise summary explain explanation why reason reasons because
    confidence score scores probability percent number numbers digit digits letter letters index code-point reversed
    reverse backwards alphabetical prefix suffix followed
    according compared compare more less fewer several multiple various all every each any whatever
    whenever when while until once where only-if count sum average lenient strict tolerant severe allowed forbidden
    permitted acceptable fine goes get gets got must-not cannot can't shouldn't true false same different opposite
    similar again already never always did nearest aspect toward towards perspective viewpoint company policy rules
    guideline
    invent create draft write reply-to greet thank apologize apologise advise recommend suggest help
    """
) - table("never goes get gets got write help before after all every each any always reason number code same")
# A sentence of usual words may be a rule all the same where one of these stands in it.
SHIFTS = RISKS - table(
    """
    explain explanation explanations reasoning otherwise next language english german french spanish italian
    digit digits letter letters number numbers but include including more allowed rules consider several both
    least conditional strict to where priority true false sure emoji except poem joke
    """
)
# With one of these the first words of an instruction do not merely say what the application is.
RULES = table(
    "who anyone anybody whoever everyone everybody nobody someone no get gets apply applies before after below"
)
POINTERS = table("this the these that my our your it all every each me us in on with only a an")
GIVES = table(
    """
    give return reply answer respond output write print send emit state report provide say name tell pick
    choose select
    use put fill enter hand submit show deliver produce generate supply type record set log
    """
)
CALLS = table(
    "call invoke follow fill use extract populate complete file hand send pass submit register note log save stick"
)
ANSWERING = table("answer reply respond write speak talk say phrase")
ASKS = CLASSIFY | table(
    """
    move drop slot annotate qualify characterize characterise
    find figure work decide sort place assign allocate recognize recognise spot code match pigeonhole bucket group
    categorise triage guess interpret estimate infer attribute map look
    check examine consider
    """
)
LEADS = late_pattern(
    r"\W*(?:(?:please|now|then|so|kindly|first|just|only|simply|always|task|your task|instruction|note|reminder|"
    r"remember|important|output|format|question)\b(?<!output)(?<!format)(?<!question)(?<!task)[\s:,–—-]*|"
    r"(?:output|format|question|task|your task)(?: format)?[:：–—-]\s*)*"
    r"(?:when(?:ever)? (?:i|you|we|the user|someone|a user|users) \w+ (?:you )?(?:an?|the|my|"
    r"some) [^,:_.]{1,40},\s*)?"
    r"(?:(?:for|given|with|in|from|on|upon|after|based on|as|as part of|when) (?:an?|the|this|that|each|every|"
    r"your|our|"
    r"the user's)\b"
    r"(?:(?! you\b| we\b| i\b)[^,:_.]){1,70}?(?:,|(?= you (?:must|should|will|have|are|need|can|get|decide)\b|"
    r" (?:we|i) | (?:determine|decide|classify|choose|pick|"
    r"give|return|output|assign|say|name|identify|write|reply|label|tag|select)\b))\s*)?"
    r"(?:(?:please|then|simply|just) )?"
)
ONE_WORD = late_pattern(r"\b(?:in|with|using) (?:just |only |exactly )?(?:one|a single) words?\b[ ,:;–—-]*")
IF = late_pattern(r"\b(tell me|tell us|say|decide|determine|check|judge|identify|know|tell|predict|see) if\b")
EQUALS = late_pattern(r"\b(input|output|task|answer|format|label) = ")
HOW_MANY = late_pattern(r"\bhow many (?=stars|points)")
WANTS = late_pattern(
    r"(?:i (?:need|want|would like|have)|i'd like|we (?:need|want|would like)|you (?:must|should|have to|need to|"
    r"are to|"
    r"will|can|are asked to|are required to|then)|(?:your|the) (?:task|job|role|goal|only job|sole task|work|duty|"
    r"purpose) (?:is|here is|will be)|it is your (?:job|task))\b(?: (?:to|you to|just|simply|only|always|then))*\s+"
)
# "Everything you are shown goes to one of them", "the tenant's own words follow", "the user will paste a paragraph".
ONE_OF_THEM = late_pattern(
    r"(?:any\w*|every\w*|each|all|whatever)\b[^.]{0,60}? (?:goes?|belongs?|falls?|gets?|receives?|has|have|fits?|"
    r"(?:is|are) (?:put|"
    r"sent|routed|assigned|filed|placed|sorted)|must (?:go|be)|should (?:go|be))\b[^.]{0,24}?\b(?:exactly |only |"
    r"just )?"
    r"one(?: of (?:them|these|those|the [\w-]+)| [\w-]+)?\W*$"
)
# "The set of admissible subjects is {_, _}"
HEADS_LIST = late_pattern(
    r"(?:the |our |my |these |all )?(?:[\w'’-]+ ){1,5}(?:is|are|=)(?: called| named)?\W*(?:one of |as follows\W*|"
    r"the following\W*)?_(?:[^\w]+(?:(?:or|and|a|an) )?_)*\W*"
)
FOLLOWS = late_pattern(
    r"[^.:]{3,80} (?:follows?|(?:is|are|stands?|comes?) (?:below|next|here|underneath)|will follow)\W*$"
)
SENDS = late_pattern(
    r"(?:the|each|every|our|my) (?:[\w'’-]+ ){1,3}?(?:will |then |just |only )*(?:sends?|pastes?|names?|writes?|"
    r"types?|gives?|provides?|"
    r"shares?|submits?|posts?|describes?|uploads?|enters?|supplies|supply|says?)\b(?! (?:is|are))"
)
# "Customers write in many languages", "think of yourself as the dispatcher of a hotline"
PEOPLE_WRITE = late_pattern(
    r"(?:(?:our|the|some|most|all|many) )?(?:[\w'’-]+ ){0,2}?[\w'’-]+s (?:(?:of|on|at|in|from|"
    r"to) (?:[\w'’-]+ ){1,5}?)?(?:often |usually |mostly |"
    r"sometimes |can |may |will )*(?:write|ask|send|post|type|call|contact|use|leave|report|submit|reach|come|"
    r"arrive|text|e-?mail|message)\b"
)
YOURSELF = late_pattern(r"(?:think of|see|consider|picture) yourself (?:as|in)\b")
IS_SHOWN = late_pattern(r"(?:be )?(?:gets?|given|receives?|see|read|shown|sent|presented|handed|find)\b")
# "Your reply consists of", "The output must be": as an order to give it.
OUTPUT = late_pattern(
    r"(?:(?:your|the) )?(?:entire |whole |only |final |first and only )?(?:output|answer|reply|response|result|"
    r"token|word)s? (?:consists? of|must be|should be|has to be|"
    r"is to be|is|will be|must match|should match|must contain|should contain|shall be|must equal)\b"
)
SUBJECTS = table("you we i our this these those here here's below above everything")
SETTING_VERBS = late_pattern(
    r"(?:is|are|was|were|will be|has been|have been|may be|can be|comes?|came|arrives?|follows?|contains?|"
    r"may contain|"
    r"can contain|might contain|belongs?|falls?|stands?|(?:is|are) to be|go|goes|gets?)\b"
)
NOT_NOUNS = table(
    """
    and then to you i we they it he she who that must should can could will would may might please not don't never also
    or but , ; let always just only simply be
    """
)
OPEN = table(
    """
    the a an this that these those our your my their his its her every each any one of for from about on at by with
    into in which what whose between regarding concerning under single no and or new incoming short
    """
)
PREPOSITIONS = table("in as with by like into using via through as-if within inside between behind under")
FIRM = table("the this that these those one a an each every our your exactly single it which square triple")
STOPS = table(
    "of for from that which this it you i we to about on at only alone exactly and , . ; : ( ) [ ] { } – — - _ in as "
    "with by like into using no without nothing verbatim please here is are best belongs fits applies matches before "
    "after behind over around inside within next between below above under at via through as-if per"
)
ANSWERS = (
    ANSWER_WORDS
    | NOUNS
    | table(
        """
    word words name names one term string token tokens member value key item phrase line element entry answer result
    code identifier it them this that those these _ choice pick title field column cell match verdict outcome level
    """
    )
)
DENIES = table("give add ask explain include provide output say mention repeat invent apologise apologize greet chat "
                "comment offer make put write reply respond answer return print elaborate discuss argue "
                "translate quote "
                "follow obey execute justify use")  # fmt: skip
DENIALS = table("no not never without nothing nor don't")
MEANS = table("using with like by via through in as on from per")
DOES = table("list add describe quote highlight compare count check write draft copy repeat underline point ask "
              "show tell "
              "mention propose provide include justify comment reply respond keep make turn convert")  # fmt: skip
ADVERBS = table(
    "me us back out with only just exactly strictly simply always the a an one your its to that single best"
)
# How a label is to be written, or from what.
HOW = table(
    """
    before after twice quotes quoted bold italics capitals star stars bracket brackets parentheses random
    randomly well
    account past table bullet bullets stars exclamation hyphen underscore dash comma dot tone style voice way manner
    """
) - table("stars quotes brackets dash hyphen comma dot")
QUALITIES = table(
    """
    single best exact correct right matching fitting appropriate suitable final main primary most likely
    probable chosen
    selected relevant corresponding predicted only one following given listed allowed possible above own bare plain
    exactly same valid full short applicable closest proper
    """
)
CHOICE = late_pattern(
    r"(?:(?:one|kind|type|sort)\b ?)?(?:of (?:them|these|those|the [\w-]+(?: [\w-]+)?)\b ?)?"
    r"(?:(?:it|this|that|the (?:[\w'’-]+ ){0,2}[\w'’-]+) (?:best )?(?:is|are|belongs|falls|goes|should|concerns|"
    r"deals)\b.*|"
    r"(?:best )?(?:fits|applies|describes|matches|covers|it is)\b.*)?"
)
FORMS = table("lower-case upper-case lowercase uppercase json verbatim")
PEOPLE = table("customer user author writer sender person people name names text number numbers client caller speaker")
UNTIED = (
    PEOPLE
    | INPUT_WORDS
    | DATA_TAGS
    | table(
        """
        the one two three four five six seven eight nine ten single right correct best these following our your
    its this
        that into from with are is for and give return reply answer output write print choose pick select only just
        exactly you must which what belongs whether either between among possible allowed below above here there of in
        """
    )
)
CLAUSES = late_pattern(r"[.?!\n]")
WORDS = late_pattern(r"[^\W\d_]+(?:-[^\W\d_]+)*")
WHICH = late_pattern(
    r"\b(?:which|what|welch\w+|quel\w*|qué|cuál|qual|quale|welke?|jaki\w*|vilken|vilket|hvilken|hvilket|какой|какая|"
    r"какую)\s([^\W\d_]+)(?:\s([^\W\d_]+))?"
)
# "Alignment of this deed?", "Choose one shelf for the book:"
NAMED = late_pattern(
    r"(?:^|\n)[^\w\n]{0,6}([^\W\d_]{3,20}) of (?:the|this|that|each|an?) [^.\n]{2,60}[?:]|"
    r"\b(?:choose|pick|select) (?:exactly |only |just )?(?:one|a single) ([^\W\d_]{3,20})\b"
)
VERDICT = late_pattern(
    r"\b(?:good|bad|positive|negative|harmless|harmful|serious|okay|ok|welcome|irrelevant|relevant|important|"
    r"urgent)\b"
)
IS_THING = late_pattern(
    r"\s*(?:(?:always|usually|often|typically|mostly|to be|all|written|sent|posted|taken|left|typed) )*(?:an?|the|"
    r"one|from|by|in|on|to|short|lines?|typos?|spelling|[a-z]+s)\b"
)
