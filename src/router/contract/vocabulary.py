"""The words that the readers of this room look for, as tables: English, German, French, Spanish, Portuguese, Italian,
Dutch, Chinese, Japanese. Gates and names only; what is done with them stands where they are used.
"""

from __future__ import annotations

from .words import table

__all__ = [
    "ANSWER_WORDS",
    "CLASSIFY",
    "COMPARED",
    "COPULAS",
    "DATA_TAGS",
    "EXTRA_WORDS",
    "FORM_WORDS",
    "GRAMMAR",
    "INDEX_WORDS",
    "INPUT_WORDS",
    "ITEM_WORDS",
    "LANGUAGE_WORDS",
    "MULTI_WORDS",
    "NEGATIONS",
    "NEVER",
    "NOT_DATA",
    "NOUNS",
    "RANGE_WORDS",
    "RANK_WORDS",
    "RIGHT_OR_WRONG",
    "RULE_WORDS",
    "SCOPE_WORDS",
    "WEAK_NOUNS",
    "YES_NO",
]


ANSWER_WORDS = table(
    """
    type kind answer label sentiment category class tipo typ soort
    output classification response intent topic emotion result tag verdict
    polarity prediction rating spam toxic toxicity decision department queue tone mood stance subject priority
    antwort stimmung kategorie ausgabe absicht ergebnis klasse thema réponse catégorie étiquette sortie
    intention respuesta sentimiento categoría etiqueta salida intención resposta sentimento categoria rótulo
    saída risposta etichetta uscita antwoord categorie uitvoer
    答案 标签 类别 情感 分类 输出 意图 回答 结果 答え ラベル カテゴリ 感情 出力 分類
    """
)
"""Words before a colon behind which the answer stands."""

CLASSIFY = table(
    """
    klassificera klassificer klassifiser sklasyfikuj классифицируй классифицируйте clasify classfy classifiy
    catagorize catagorise lable
    sortierst sortiere sortieren sortiert handle klassifizierst sag sage sagen
    score scores
    classify classified classifies classifying classification categorize categorise categorized categorizing
    categorising label labels labeled labelled labelling rate rated mark sort tag grade flag judge identify
    assign determine decide detect file route read triage predict tell evaluate analyze analyse assess
    categorizes sorted graded marked tagged call put klassifiziere klassifizieren ordne einordnen bewerte
    bestimme stufe
    kategorisiere ordnen beurteile classe classez classifie classifiez catégorise évalue détermine clasifica
    clasificar clasifique categoriza etiqueta evalúa determina indica classifique classificar avalie identifique
    indica indique identifica identifique decida analiza prüfe entscheide erkenne identifie indiquez identifiez
    indichi
    classifica classificare valuta etichetta classificeer categoriseer beoordeel bepaal
    """
)
"""Verbs whose sentence may go on "as A, B or C"."""

DATA_TAGS = table(
    """
    text texts input inputs review reviews message msg ticket comment tweet email mail document doc content
    sentence post query utterance user_input userinput customer_message user_message article passage feedback
    headline transcript data request complaint statement question snippet body sms conversation description item
    paragraph source sample user_query input_text text_to_classify customer_review customer_request texto texte
    tekst testo mensaje nachricht message_text product_review support_ticket chat_message
    """
)
"""XML tags and fields that usually hold the text to judge."""

EXTRA_WORDS = table(
    """
    questions preguntas fragen domande vragen perguntas auch außerdem zusätzlich schreibe nenne liste aussi
    également también anche ook também ask escalate forward
    request cite span spans plus generate create compose come & gera gere cria crie crea
    genera erstelle generiere génère
    translated translating explain explains explaining explanation explanations justify justification rationale
    reasoning reason
    reasons why confidence probability probabilities likelihood percentage step steps translate translation
    draft rewrite rephrase summarize summarise summary suggest suggestion recommend extract highlight quote
    evidence keywords keyword also both elaborate describe comment briefly sentence sentences paragraph reply
    write correct fix generate think thoughts begründe begründung begründen erkläre erklärung warum
    wahrscheinlichkeit konfidenz zusammenfassung übersetze explique expliquez explication justifie justifiez
    pourquoi confiance résume traduis explica justifica justifique explicación razón confianza resume resumir frase
    phrase satz zin oración traduce
    porqué explicação razão confiança resuma traduza motivo spiega spiegazione motiva motivazione perché fiducia
    riassumi traduci leg uitleg waarom toelichting zekerheid vertaal samenvatting
    """
)
"""Without one of these nothing beside the label is asked for."""

FORM_WORDS = table(
    """
    upper lower whole original rewritten corrected including uppercase lowercase capital capitals caps capitalized
    tags tag prefix prefixed suffix format snippet block
    begin start end xml yaml csv markdown bold emoji hashtag table inside within enclosed wrap wrapped brackets
    between starting followed separated bullet per line lines großbuchstaben kleinbuchstaben majuscules
    minuscules mayúsculas minúsculas maiúsculas maiuscolo minuscolo hoofdletters
    """
)
"""Without one of these the answer needs no form of its own."""

INDEX_WORDS = table(
    """
    number numbers index indices digit letter id ids code codes numeral integer option position initial numéro
    lettre nummer ziffer buchstabe buchstaben número letra código numero lettera cijfer 0 1
    """
)
"""Without one of these the answer is no number or letter."""

INPUT_WORDS = table(
    """
    text input review message sms ticket comment tweet email e-mail mail document content sentence post query
    utterance article passage feedback headline transcript complaint statement snippet body title subject
    abstract paragraph request sample verbatim narrative memo remark excerpt caption disclosure inquiry enquiry issue
    story lyric lyrics verse poem bio blurb voicemail tagline slogan joke clue deed obituary advert
    report satz nachricht kommentar bewertung rezension eingabe beitrag anfrage
    schlagzeile artikel texte phrase commentaire avis entrée titre texto frase comentario reseña mensaje entrada
    opinión titular consulta tuit comentário avaliação resenha mensagem manchete testo messaggio commento
    recensione titolo tekst zin bericht reactie recensie beoordeling
    文本 输入 评论 句子 内容 消息 文章 标题 用户输入 用户消息 原文 テキスト 文
    入力 レビュー コメント メッセージ ツイート
    """
)
"""Words before a colon behind which the text to judge stands."""

ITEM_WORDS = table(
    """
    several them each every these both all respectively jede jeden jedes chaque cada ogni elke per
    """
)
"""Without one of these there are not several texts."""

MULTI_WORDS = table(
    """
    comma comma-separated comma-delimited various
    up two one many least number
    apply applies applicable multiple several more any all every zero plus mehrere plusieurs varias várias
    запятую запятой запятыми coma comas vírgula vírgulas virgule virgules komma kommas komma's kommagetrennt
    komma-getrennt virgola virgole
    """
)
"""Without one of these there is one label."""

NEVER = table(
    """
    it not so else this that here there more less two three both him her them me you later
    """
)
"""Words that are no labels in "... or ...?"."""

NOT_DATA = table(
    """
    instructions instruction labels label categories category classes class examples example output format rules
    rule system options option choices choice intents intent topics topic answer response thinking guidelines
    task role schema tools context background criteria definitions values policy policies name output_format
    answer_format
    """
)
"""XML tags that never hold the text to judge."""

NOUNS = table(
    """
    abteilungen rubriken ordner services secciones departamentos reparti settori afdelingen
    codes folders set levels grades statuses
    outputs onderwerpen onderwerp temi tema
    werte valores valeurs valori
    routes options labels label categories category classes class choices values intents intent topics topic tags types
    type sentiments sentiment emotions emotion departments queues teams themes theme boards answers routes tone
    tones severity polarity stance buckets groups genres genre sections section status moods mood priorities
    enum descriptors kategorien kategorie optionen klassen antwortmöglichkeiten absichten ressort ressorts
    stimmung themen etiketten catégories catégorie étiquettes choix rubriques rubrique thèmes intentions
    intention categorías categoría etiquetas opciones clases intención intenciones temas sentimiento categorias
    categoria rótulos opções intenções intenção sentimento categorie etichette opzioni classi intenti argomenti
    émotion émotions emoción emociones emozione emozioni emoção emoções emotionen gefühl gefühle emotie emoties
    intento categorieën opties keuzes
    """
)
"""Nouns that announce a list of answers when a colon or bracket follows."""

RANGE_WORDS = table(
    """
    star stars rating rate scale sterne sternen étoiles estrellas estrelas stelle sterren skala échelle escala
    scala bewerte note califica avalie valuta beoordeel
    """
)
"""Words near which "1 to 5" is a scale."""

RULE_WORDS = table(
    """
    wiki handbook documentation docs manual intranet website attachment annex appendix together
    consistent ending continuation completion contains contain after before
    who's end beginning by rhyme rhymes palindrome anagram counts matters tells truth true nothing follow apply
    whichever
    number many program code script function snippet expression loop query command
    ersten zweiten dritten letzten erste zweite letzte première premier deuxième dernière dernier primera
    primer segunda
    última último prima primo seconda secondo ultima ultimo eerste tweede laatste uniquement least next random
    nothing left leave examples exhaustive complete others salvo will might winner decides
    alone third
    fourth fifth given same gap gaps blank blanks far until
    throughout earlier most many some average
    senders sender
    domain date length count author price
    size amount
    recipient who by use
    would relevance relevant grounded entail entails entailed contradict contradicts contradiction paraphrase
    paraphrases
    hallucination hallucinated duplicate duplicates majority average median combined verify fact fact-check
    knowledge only just solely standards standard judged
    compare compared comparing comparison relative than previous previously yesterday today
    newest latest recent first last final second which
    opposite reverse reversed invert inverted swap swapped company context team exercise
    allowed permitted forbidden acceptable anything everything those messages comments texts that which
    if when unless whenever except treat treated counts count considered consider means mean mentions regardless
    always defined refers perspective viewpoint otherwise ignore prefer priority default defaults doubt unsure
    specify specified create own new definition definitions meaning here assume remember note rule rules counted
    view wenn falls sofern gilt gelten bedeutet immer außer sonst zweifel si lorsque sauf considère signifie
    toujours sinon doute cuando excepto significa siempre considera duda se quando exceto sempre tranne
    considere caso als indien wanneer tenzij betekent altijd twijfel
    """
)
"""Without one of these no rule decides the label."""

WEAK_NOUNS = table(
    """
    codes folders set
    werte valores valeurs valori values levels grades statuses types type themes theme tone tones severity polarity
    stance groups
    genre sections
    section status moods mood
    """
)
"""Nouns that as often name a field as a list of answers."""

NEGATIONS = table(
    """
    nessun nessuno nessuna ninguna ninguno ningún nenhum nenhuma
    not no don doesn without never nor neither rather kein keine keinen ohne nicht sans aucun aucune ni sin
    sem senza geen
    zonder niet não non nada pas mustn shouldn
    """
)
"""Without one of these nothing is said not to be done."""

YES_NO = table("yes no true false ja nein oui non sí si sim não nee y n")
"""Answers to a question, which are no labels of their own."""

COPULAS = table("is are stands denotes covers includes indicates ist est es heißt")
"""Without one of these no quoted label is given a meaning."""

LANGUAGE_WORDS = table(
    """
    language languages
    englisch deutsch französisch spanisch italienisch anglais allemand français espagnol italien inglés alemán francés
    italiano inglês alemão francês espanhol inglese tedesco francese spagnolo engels duits frans spaans
    engelska engelsk
    tyska tysk angielsku английски
    german english french spanish italian portuguese dutch chinese japanese korean russian arabic polish turkish hindi
    """
)
"""Names of languages that an answer may be asked for in."""

RANK_WORDS = table(
    """
    rank ranks ranked ranking top two three 2 3 order ordered tres trois tre drei três duas dois
    most distribution rangfolge zwei classement deux orden dos
    duas due
    """
)
"""Without one of these no order of labels is asked for."""

SCOPE_WORDS = table(
    """
    toward towards about regarding concerning respect regard target aspect aspects stance focus focusing ignore
    ignoring disregard perspective viewpoint standpoint aspekt aspekte gegenüber propos sobre envers hacia ignoriere
    ignorieren ignora
    """
)
"""Without one of these the whole text is judged."""

RIGHT_OR_WRONG = table(
    "fact fiction myth supported refuted correct incorrect right wrong pass fail passed failed "
    "valid invalid accurate inaccurate odd even prime composite"
)
GRAMMAR = table(
    "a an the der die das den dem le la les el los las il lo is are am was were has have had in on at by for to who "
    "whom"
)
COMPARED = table("same different similar equal identical duplicate better worse")
"""Where all labels are of one of these, the answer is worked out, and not told by wording."""
