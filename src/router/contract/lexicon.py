"""Words that instructions to label a text are made of, in the languages that this room reads.

A sentence made of these says what is usual: it asks for a label, lists labels, points at the text or forbids chatter.
A word that is not here may carry a rule of the caller's own. Words that twist the answer are kept out on purpose: they
stand in :mod:`vocabulary`, where each has its check.
"""

from __future__ import annotations

from .lexicon_further import FURTHER
from .vocabulary import ANSWER_WORDS, CLASSIFY, DATA_TAGS, INPUT_WORDS, NOUNS
from .words import table

__all__ = ["ENGLISH", "KNOWN", "UNSPACED"]

ENGLISH = table(
    """
    feel feels picking choosing selecting myself yourself yourselves ourselves himself herself apologise apologize
    react reacts identifier identifiers inbound best-fitting best-matching marker markers address addressed
    typescript interface gave awarded receive
    receives received pls plz thx hey hi yes please
    u r ur me
    otherwise depending snake_case snake max token tokens level levels rules guidelines dict
    dictionary python member enum named
    element elements set function value apply applies diary chat
    element elements set function return value
    tagging tags record recorded
    alone behind cue cues again back away together instead itself themselves himself every everyone someone
    something somebody when while because since until during though although even still yet already soon typically
    generally likely very much least such per via upon among around about against along across between through
    throughout work works working worked show shows shown showing send sends sending sent ask asks asking asked come
    begin begins starting start carries carry careful carefully honest fast quick quickly directly straight plain
    simple clear clearly clean real actual given whichever whatever whoever however therefore thus hence enough
    whole complete completely fully entire entirely part parts side put puts comes came look looks looking think
    thinks see sees seen find finds found hold holds holding held keep keeps kept stay stays remain remains describe
    described characterise characterize characterizes characterises summed represent represents reflect reflects
    capture captures correspond corresponds relevant related useful usual common general particular sure unique
    distinct equal equals alphabetical box boxes field-name fieldname header headers heading footer body thread chat
    chats conversation conversations dialogue dialog turn turns session desk helpdesk team's entry entries record
    row rows column table cell cells csv file files data-set dataset datasets corpus test tests testing evaluation
    evaluations reader readers advert adverts ad ads slogan slogans issue issues code snippet snippets paper papers
    abstract abstracts a an the this that these those it its it's is are be been being was were am will would can
    could should shall may must do does did don't doesn't have has had i me my we our us you your yours they their
    he his she her them who whom whose which what where how of in on at by for from with within without into onto to
    as and or nor not no none nothing anything else only just solely strictly simply exactly precisely either
    neither both one two three four five six seven single word words singular following below above here there
    provided enclosed delimited triple double backticks backtick quotes quote quoted quotation marks mark brackets
    tag tags xml html json object value values key keys field string format formatted form text valid exact verbatim
    listed list lists available possible allowed predefined permitted candidate best closest fits fit fitting
    matches match matching belongs belong suitable appropriate correct right better well good name names named
    called please kindly now then next each any some other others own same task tasks job goal objective purpose
    role instruction instructions question questions input inputs output outputs response responses answer answers
    reply replies respond responding return returning print give giving write say state pick choose select use using
    read reading consider content contents categories category class classes classifier classification classifying
    classify label labels labelled labeling labelling sentiment sentiments emotion emotions intent intents intention
    intentions topic topics theme tone mood polarity attitude opinion feeling feelings expressed expresses express
    conveyed conveys overall primary main dominant type types kind kinds groups section sections department
    departments team teams queue queues bucket folder option options choice choices item items set sets taxonomy
    user users customer customers client clients author authors writer reviewer speaker sender person people human
    message messages mail mails email emails e-mail letter review reviews comment comments tweet tweets post posts
    sms ticket tickets request requests query queries utterance utterances sentence sentences statement passage
    paragraph article headline headlines title titles document documents note notes description feedback complaint
    report transcript caption caller product products movie film support service news social media app store shop
    company bank assistant bot expert experienced professional helpful accurate precise strict system engine model
    ai machine analyst agent moderator moderation filter router sorter annotator tagger detector analyzer analyser
    analysis detection identification recognition assign assigned assigning determine decide deciding identify
    predict detect analyze analyse evaluate assess judge tell sort sorts sorting route routes routing triage
    moderate moderates reviewing flag flagged rate rates whether based according accordingly regarding describes
    describing contains contain containing include included includes including mentioned appears appear written
    received coming incoming new current last first short brief concise additional extra further more than less all
    full separate line lines characters symbols
    character lowercase uppercase case capital lower upper punctuation period
    space spaces whitespace prefix preamble prose commentary markdown formatting headings explanation explanations
    explain reasoning justification reason reasons thought chatter greeting apology apologies exclusive mutually
    make ensure important remember always never avoid attempt try let want need needs like know help able example
    examples sample samples shot demonstration training data few arbitrary information perform performing get got
    take accept provide provides task's it'll i'd i'll you'll we'll that's here's what's i've true false yes
    zero-shot nlp language natural supervised api response_format schema end beginning starts start_text inside
    outside after before under triple-quoted english german french spanish italian portuguese dutch ones ok thanks
    thank hi hello dear extract desired property properties function records tool save saves stores log logs map
    maps excerpt enquiry user's customer's author's opção optie opzione tagging stars star folders comma-separated
    directory dominante principale principal but so square comma commas separated corresponding literal digit digits
    hash lead transaction second third belonging identified chosen selected returned generated produced expected
    adhere adheres adhering conform conforms conforming instance instances array arrays structure structured
    list-like bracketed parentheses parenthesis braces curly filled fill fills interaction interactions way ways parse
    parsed parser machine-readable script program pipeline downstream automatically automated stage untrusted obey
    execute trailing leading newline newlines wrapper spelling spelled casing capitalization capitalisation
    hyphen underscore underscores identical identically bucket bin pile slot outcome nature gist essence area fall
    falls falling goes go going deals deal talks talk mainly mostly chiefly primarily predominantly essentially
    actually really truly correctly properly accurately typed posted left wrote writes says said guess brief briefly
    terse minimal bare raw literally stop done long judgement judgment final definitive deciding well-formatted
    well-formed compact indentation colon commas comma-delimited delimiter delimiters assignment assignments
    mailbox inbox platform str literal few-shot produce produces placeholder native fields order non-exclusive
    they're assessment several command commands constant member menu contact contacts instances constraint
    constraints fence fences besides unquoted caps gets typos typo time account passes validate
    validates sign emit emits line's
    sentence's message's speaker's writer's sender's model's snippet's
    required necessary invent invented create up beyond out off down over there's isn't aren't won't cannot can't
    nothing-else exact-match verdict decision decisions result results prediction predictions tag-name content-type
    """
)
_GERMAN = table(
    """
    gültigem gültiges gewählte gewählten
    entscheide dich auswahl stehen gemeint ein wort kannst mal eher werkzeug funktion rufe aufrufen wort
    nennen zulässig zulässige zulässigen zulässiger ausgegeben angegeben genannten aufgeführten wörtlich jeweils
    eingehende eingehenden erhältst bekommst liest sortiere sortieren sage schreibe schreib zeile zeilen
    abteilung abteilungen kundenanfrage kundenanfragen kundenmail kundenmails wörter beiden zurück ob ergebnis
    weise zuweisen zugewiesen eines einem zwischen aus wähle auswählen gegebene gegebenen gegebener alle jeder jede
    jedem jedes gehört welchen ordner muss vorliegenden nächste nächsten der die das den dem des ein eine einen
    einer und oder nicht kein keine keinen keiner ist sind wird werden du bist sie ihr ihre ihren dein deine deiner
    dieser diese dieses diesen diesem folgende folgenden folgender folgendes nur genau ausschließlich lediglich
    einzigen einzige einziges wort wörtern worten antworte antwort antworten gib gebe geben ausgeben ausgabe bitte
    mit ohne zu zur zum im in auf von vom für als ob welche welcher welches was wie nenne name namen kategorie
    kategorien klasse klassen etikett label labels stimmung gefühl gefühlslage tonfall absicht thema themen text
    textes texte nachricht nachrichten bewertung bewertungen rezension kommentar kommentars kommentare mail mails
    e-mail beitrag satz satzes schlagzeile artikel anfrage ticket kunde kunden nutzer nutzers benutzer klassifiziere
    klassifizieren klassifizierst klassifiziert ordne ordnest zuordnen zuzuordnen einordnen eingeordnet bestimme
    bestimmen bewerte beurteile erkenne erkennen entscheide wählen passende passenden passt am besten möglich
    mögliche möglichen erlaubt erlaubte erlaubten erklärung erklärungen erkläre begründung weitere weiterer weiteren
    zusätzlichen zusätzliche sonst nichts anderes andere anderen enthält handelt es sich um hier hat haben soll
    sollst aufgabe experte assistent klassifikator system modell json objekt feld schlüssel wert format unten oben
    stehende stehenden auch dabei dazu davon nach vor an bei lautet lauten heißt dir ich mir mich eingabe eingang
    frage fragen zwei drei vier klar eindeutig gesamten gesamte allgemeine liste optionen option satzzeichen
    anführungszeichen klassennamen klassenname kategorienamen kategoriename labelnamen bezeichnung bezeichnungen
    kleinbuchstaben großbuchstaben punkt
    """
)
_FRENCH = table(
    """
    exclusivement valide choisie retenue
    dis-moi juste ça pourrais peux outil fonction appelle appeler appelez l'outil
    écris écrivez dis dites fournis fournissez choisi liste étiqueter reçois recevez lettre rien donner nommer
    trier trie
    tries possibles service services
    deux trois quatre
    deux trois quatre
    attribue attribuer attribuez chaque assigne assignez selon étant donné donnés le la les l un une des de du d et
    ou non ni ne pas est es sont être sera tu vous ton ta tes votre vos ce cet cette ces suivant suivante suivants
    suivantes ci-dessous dessous ci-dessus seulement uniquement exactement seul seule mot mots réponds répondez
    répondre réponse réponses donne donnez indique indiquez retourne retournez renvoie renvoyez par avec sans dans
    en à au aux sur pour parmi entre comme si quel quelle quels quelles que qui quoi nom catégorie catégories classe
    classes étiquette étiquettes sentiment sentiments intention intentions thème sujet texte textes message messages
    avis commentaire commentaires phrase phrases titre article demande ticket client clients utilisateur classer
    classifier classifie classez déterminez détermine choisis choisissez choisir analyse analysez évalue évaluez
    explication explications explique autre autres rien chose d'autre aucune aucun supplémentaire contient exprime
    exprimé exprimée voici tâche expert modérateur modération classifieur classificateur système modèle json objet
    clé champ valeur format il elle s'il te plaît plait je mon ma mes on peut doit l'une l'un l'étiquette l'avis
    l'intention l'utilisateur possibles possible choix ponctuation possibilités dois devez
    tableau chaînes abordés abordé guillemets minuscules majuscules point rubrique rubriques
    """
)
_SPANISH = table(
    """
    exclusivamente válido elegida escogida presentes
    registra tipo herramienta función llama usa marca todos todas aparecen aplican
    esa ese esas esos dicha dicho mismo
    escribe escriba escribir envía dime elegir elegido lista listado etiquetar recibes recibe letra nada salvo ninguna
    dos tres cuatro
    dos tres cuatro
    asigna asignar asigne entre cada dado dada el la los las un una unos unas de del al y o no ni es son ser está
    eres tu tus su sus este esta estos estas esto siguiente siguientes abajo arriba debajo solo sólo solamente
    únicamente exactamente única único palabra palabras responde responda contesta respuesta respuestas devuelve
    devuelva indica indique con sin en a por para como si cuál cual qué que quién nombre categoría categorías clase
    clases etiqueta etiquetas sentimiento sentimientos tono intención intenciones tema temas texto textos mensaje
    mensajes reseña reseñas comentario comentarios opinión frase oración titular artículo consulta ticket cliente
    clientes usuario usuarios correo correos clave prioridad clasifica clasificar clasifique clasificas clasificador
    determina elige elija escoge selecciona analiza evalúa explicación explicaciones expliques explicar nada más
    otra otro otros adicional contiene expresa tarea experto asistente moderador sistema modelo json objeto campo
    valor formato favor te me mi lo le se posibles posible opciones opción puntuación debes debe responder
    clasificarlo clasificación pondrías hay
    minúsculas mayúsculas punto comillas
    """
)
_PORTUGUESE = table(
    """
    exclusivamente válido escolhida
    ferramenta função chame use todos todas
    essa esse essas esses
    escreva diga informe lista listadas etiquetar recebe letra escolher indicar devolver
    à ao às aos pergunta perguntas
    atribua atribuir cada dado dada melhor o a os as um uma uns umas de do da dos das e ou não nem é são ser está
    você tu seu sua este esta estes estas isto seguinte seguintes abaixo acima só somente apenas exatamente única
    único palavra palavras responda responde resposta respostas retorne devolva indique com sem em no na nos nas por
    para entre como se qual quais que quem nome categoria categorias classe classes rótulo rótulos etiqueta
    etiquetas sentimento sentimentos tom intenção intenções tema assunto texto textos mensagem mensagens avaliação
    avaliações comentário comentários opinião frase manchete artigo pedido ticket cliente usuário classifique
    classifica classificar classificador determine escolha selecione analise avalie explicação explique explicações
    nada mais outro outra adicional contém expressa tarefa especialista assistente moderador sistema modelo json
    objeto chave campo valor formato favor diga pergunta possíveis opções
    contato mensagens compradores motivo minúsculas maiúsculas ponto aspas
    """
)
_ITALIAN = table(
    """
    esclusivamente valido scelta presenti
    nessuna nessun giusta giusto basta strumento funzione chiama usa tutti tutte
    quella quello quelle quelli
    scrivi scrivere smista smistare invia restituire indicando scegliendo uno seguendo elenco etichettare ricevi
    ricevuto
    questi lettera stampa nient'altro
    assegnare ogni dato data migliore adatta un'etichetta il lo la i gli le un uno una di del della dei delle e o
    non né è sono essere sei tu tuo tua questo questa questi queste seguente seguenti sotto sopra solo soltanto
    solamente esattamente unica sola singola parola parole rispondi risposta risposte restituisci indica con senza
    in nel nella a
    al alla per tra fra come se quale quali che chi nome categoria categorie classe classi etichetta etichette
    sentimento sentiment tono intento intenti argomento tema testo testi messaggio messaggi recensione recensioni
    commento commenti opinione frase titolo articolo richiesta ticket cliente utente classifica classificare
    classificatore determina scegli seleziona analizza valuta assegna spiegazione spiegazioni spiegare altro
    nient'altro aggiuntivo contiene esprime compito esperto assistente moderatore sistema modello json oggetto
    chiave campo valore formato favore da dalla possibili opzioni
    minuscolo maiuscolo punto virgolette oppure
    """
)
_DUTCH = table(
    """
    geldige gekozen
    eén één deel bij schrijf noem stuur codeer code codes label krijgt lijst letterlijk kies antwoorden hoort
    kiezen elk elke gegeven beste passende de het een en of niet geen is zijn wordt jij je bent u uw jouw dit deze
    dat volgende onderstaande bovenstaande alleen enkel uitsluitend precies één woord woorden antwoord antwoorden
    geef met zonder in op van voor als welke welk wat wie naam categorie categorieën klasse klassen label labels
    sentiment toon intentie onderwerp tekst bericht berichten recensie reactie reacties zin kop artikel vraag ticket
    klant gebruiker classificeer bepaal kies beoordeel analyseer uitleg niets anders andere taak expert assistent
    systeem model json object veld waarde formaat aan te mogelijke
    terug dat ene kleine hoofdletters letters punt aanhalingstekens
    """
)

KNOWN: frozenset[str] = (
    ENGLISH
    | _GERMAN
    | _FRENCH
    | _SPANISH
    | _PORTUGUESE
    | _ITALIAN
    | _DUTCH
    | FURTHER
    | ANSWER_WORDS
    | CLASSIFY
    | DATA_TAGS
    | INPUT_WORDS
    | NOUNS
)
"""Lower-case words of usual instructions; what an application deals in (hotels, patients) is none of them."""

UNSPACED = table(
    """
    归入 版块 帖子 角色 任务 部门 設定 担当 部署 呼び出 関数 口コミ
    判斷 屬於 回覆 留言 訊息 類別 標籤 選擇 輸出 請 함수 호출
    どれか いずれか 振り分け 一条 这条 这段 方括号 不带 引号 标点 符号 发来 收到 動作します アシスタント 返して 語のみ
    語だけ
    文字のみ
    标签为 选择 文字 最 可选 分类 归类 类别 标签 判断 输出 回答 回复 返回 你是 您是 请 以下 下面 下列 情感 意图
    之一 文本 评论 内容 消息 句子 选项 候选 不要 无需 解释 只 主题 属于 用户 识别 名称 一个词 其他 新闻 标题 分類
    ラベル カテゴリ 出力 次の 以下の ください 答え レビュー 感情 意図 テキスト 選ん 合う 文章 メッセージ あなたは
    のいずれか 説明 判定 スパム コメント 問い合わせ 분류 라벨 레이블 출력 다음 하세요 하십시오 해줘 답하 대답 리뷰
    감정 의도 문장 텍스트 당신은 카테고리 메시지 댓글 설명 가능한 형식 哪一 形式 または 例如 例えば ジャンル
    返す 返してください
    """
)
"""A clause without blanks that holds none of these is not understood."""
