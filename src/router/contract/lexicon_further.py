"""Words of usual instructions in languages that the searches know little of: Russian, Polish, Turkish, Swedish, Danish,
Norwegian and a few words of twenty others. What is not here is not understood, so that rules in these languages
need no pattern of their own.
"""

from __future__ import annotations

from .words import table

__all__ = ["ABROAD_DEMANDS", "FURTHER", "FURTHER_INPUTS", "FURTHER_ORDERS"]

FURTHER_ORDERS: frozenset[str] = table(
    """
    определи определите классифицируй классифицируйте отнеси отнесите выбери выберите укажи укажите назови назовите
    ответь ответьте верни верните выведи выведите
    wybierz określ przypisz przyporządkuj sklasyfikuj podaj wskaż oznacz zaklasyfikuj odpowiedz zwróć
    seç seçin sınıflandır sınıflandırın belirle belirleyin yaz yazın ata atayın etiketle yanıtla cevapla döndür
    välj klassificera ange bestäm märk svara sortera kategorisera
    sadece yalnızca tylko wyłącznie только endast
    vælg klassificer angiv bestem svar kategoriser sorter velg klassifiser angi
    """
)
"""Orders to choose."""

FURTHER_INPUTS: frozenset[str] = table(
    """
    текст отзыв сообщение комментарий заметка новость письмо твит обращение запрос заголовок фраза вопрос
    tekst opinia wiadomość zgłoszenie komentarz zdanie nagłówek mail recenzja wpis treść
    metin yorum mesaj cümle başlık e-posta şikayet tweet
    viesti palaute kysymys arvostelu teksti zpráva dotaz recenze správa üzenet vélemény szöveg mesaj mesajul recenzie
    съобщение отзив повідомлення відгук звернення μήνυμα κείμενο κριτική sõnum küsimus ziņa teksts žinutė
    tekstas pesan
    ulasan teks mesej poruka recenzija upit skilaboð texti ujumbe maandishi missatge ressenya رسالة الرسالة النص نص
    التعليق
    تعليق הודעה הטקסט טקסט ההודעה پیام متن نظر پیغام تبصرہ संदेश टिप्पणी शिकायत समीक्षा বার্তা পাঠ্য মন্তব্য
    ข้อความ รีวิว
    recension meddelande kommentar mening rubrik inlägg ärende mejl anmeldelse besked melding overskrift henvendelse
    omtale
    """
)
"""Words before a colon behind which the text to judge stands."""

FURTHER: frozenset[str] = (
    FURTHER_ORDERS
    | FURTHER_INPUTS
    | table(
        """
        صنف الفئات الفئة فئة واحدة من التالية إلى اسم فقط اكتب أجب اختر بكلمة رسالة العميل باسم هل على أو و في
    هذه هذا حدد
    mu mı mi mü
    в во на из к ко с со по о об и или не ни тип регистре нижнем верхнем для это этого этой этот эту
        следующий следующего следующее следующую
        следующие ты вы один одно одну одна одной одним одного только слово словом слова слов ответ ответе ответа
        список списка списке метка метку метки меток категория категорию категории категорий класс класса тема тему
        темы тематика тематику тон тональность тональности настроение настроения намерение намерения отзыва сообщения
        комментария заметки новости письма твита обращения запроса заголовка фразы текста пользователя клиента автора
        без объяснений пояснений комментариев кавычек точки больше ничего другого название названием названия варианта
        вариантов вариант варианты ниже выше пожалуйста должен должна быть является какой какая какую какому какие
        относится классификатор помощник модератор
        w we na z ze do dla od o i lub albo czy nie ani jest to ten ta tę tego tej następujący następującą
    następującego
        następujące poniższy poniższą poniższego poniższej poniższe jesteś jedno jedną jeden jednej jednego
    jednym tylko
        wyłącznie słowo słowem słowa odpowiedź odpowiedzi lista listy etykieta etykietę etykiety kategoria kategorię
        kategorii kategorie klasa klasę temat tematu nastrój wydźwięk sentyment ton dział działu działów opinii
        wiadomości zgłoszenia zgłoszenie komentarza zdania wpisu klienta użytkownika bez wyjaśnień uzasadnienia
        cudzysłowu kropki nic więcej innego nazwa nazwę spośród możliwe możliwych wartości opcji opcje jaki
    jaka jakiej
        której proszę wywołując funkcję narzędzia narzędzie
        bir birini biri tek yalnızca sadece ve veya ya da ile için bu şu aşağıdaki aşağıda yukarıdaki olarak değil
        kelime kelimeyle cevap yanıt cevabı etiket etiketi etiketlerden kategori kategoriyi kategorisi kategorilerden
        sınıf konu konuyu konusunu konusu duygu duygusu duygusunu niyet niyeti yorumun yorumu mesajın mesajı metnin
        metni cümlenin cümleyi hangi hangisi nedir açıklama yapma yazma ekleme başka hiçbir şey lütfen müşteri
        kullanıcı seçenek seçenekler seçeneklerden adını adı görev
        i på av till för från och eller inte är den det denna detta dessa följande nedan ovan ett en endast bara exakt
        ord ordet svar svaret lista etikett etiketten etiketter kategori kategorin kategorier klass klassen ämne ämnet
        känsla känslan ton tonen avsikt avsikten recensionen meddelandet kommentaren meningen rubriken texten inlägget
        ärendet kund kunden användaren utan förklaring förklaringar citattecken punkt inget annat mer namn namnet du
        vilken vilket vilka som av om med möjliga alternativ alternativen kategoriserar klassificerar värde
        värden tillåtna
        af til fra ikke er dette denne disse nedenfor følgende kun præcis bare ét svaret etiket etiketten kategorien
        klasse klassen emne emnet følelse stemning stemningen anmeldelsen beskeden meldingen kommentaren sætningen
        setningen teksten kunden brugeren brukeren uden uten forklaring intet andet ingenting annet hvilken hvilket
        hvilke som mulige valgmuligheder værdi værdier tilladte verdi verdier
        """
    )
    # Finnish, Czech, Slovak, Hungarian, Romanian, Bulgarian, Ukrainian, Greek
    | table(
        """
        luokittele lajittele valitse vastaa anna palauta kirjoita määritä merkitse tunnista vain pelkkä yksi
        yhdellä yhteen
        jokin sana sanalla luokka luokan luokalla kategoria kategorian aihe aiheen aiheella tunne sävy viesti viestin
        asiakkaan palaute palautteen kysymys kysymyksen teksti tekstin arvostelu arvostelun ja tai älä ei muuta mitään
        selitystä seuraava seuraavista olet vaihtoehdot luokat muodossa jsonina kuuluu on
        zařaď zařaďte urči určete vyber vyberte odpověz odpovězte vrať vraťte napiš klasifikuj roztřiď přiřaď uveď
        pouze jen jedním jednu jedno jednoho slovem slovo kategorie kategorií kategorii název názvem téma
    tématem zpráva
        zprávu zprávy text textu recenze recenzi dotaz zákazníka do z ze na je nebo nic jiného bez vysvětlení jsi
        následující následujících tuto toto možnosti možností štítek
        zaraď zaraďte vyberte odpovedz vráť napíš iba len jedným slovom kategóriu kategórie správu správy názov nič
        iné bez
        vysvetlenia si alebo
        sorold válaszd válassz válaszolj add írd határozd osztályozd csak egy egyetlen szóval szó kategória kategóriát
        kategóriába kategóriák téma témát üzenet üzenetet szöveg szöveget vélemény ügyfél az a és vagy semmi mást ne
        magyarázat nélkül következő te vagy lehetséges értékek
        clasifică clasificați alege alegeți răspunde răspundeți returnează scrie indică determină stabilește
    doar numai
        singur singură cuvânt categoria categorie categorii etichetă eticheta subiectul tema mesajul mesaj textul
        recenzia clientului următoarele următorul următoarea din dintre sau și este ești fără explicații nimic altceva
        folosind posibile opțiuni unealta disponibilă
        класифицирай избери отговори върни напиши определи само една един едно дума категория категорията
    категории тема
        темата съобщение съобщението текст текста отзив клиента от на или и без обяснения нищо друго следните ти си
        класифікуй визнач обери вибери відповідай поверни напиши вкажи лише тільки одне одну один одним слово словом
        категорія категорію категорії тема тему повідомлення текст відгук клієнта з із до або і та без пояснень нічого
        іншого наступне наступні ти є назву
        ταξινόμησε κατάταξε επίλεξε διάλεξε απάντησε επέστρεψε γράψε δώσε μόνο μία μια ένα έναν λέξη κατηγορία
        κατηγορίας
        κατηγορίες θέμα μήνυμα κείμενο κριτική του της το η ο από στις σε με ή και χωρίς εξηγήσεις τίποτα άλλο
    ακόλουθες
        είσαι
        """
    )
    # Estonian, Latvian, Lithuanian, Indonesian and Malay, Vietnamese, Croatian and Serbian, Icelandic, Swahili, Catalan
    | table(
        """
        määra vali vasta tagasta kirjuta liigita ainult üks ühe sõna sõnaga kategooria teema teemaga kliendi küsimuse
        sõnumi teksti ja või ei midagi muud selgitusi järgmine järgmised
        nosaki izvēlies atbildi atgriez uzraksti klasificē tikai vienu viens vārdu vārds kategorija kategoriju
    tēma tēmu
        klienta ziņas ziņu teksta tekstu un vai nekas cits bez paskaidrojumiem formātā
        nustatyk pasirink atsakyk grąžink parašyk priskirk tik vieną vienas žodžiu žodis kategorija kategoriją
    tema temą
        temos pavadinimu kliento žinutės žinutę tekstą ir arba nieko kito be paaiškinimų
        klasifikasikan tentukan pilih jawab balas kembalikan tulis tandai beri hanya satu kata kategori topik label
        pesan
        teks ulasan pelanggan berikut dari atau dan tanpa penjelasan lain apa pun ini itu anda kamu adalah salah ke
        dalam
        dengan yang saja sahaja nyatakan mesej
        phân loại chọn trả lời xác định ghi xuất chỉ một từ duy nhất nhãn danh mục chủ đề thể tin nhắn văn bản
    đánh giá
        phản hồi khách hàng của sau đây hoặc và không giải thích gì thêm là bạn vào trong các
        razvrstaj odaberi izaberi odgovori vrati napiši odredi klasificiraj klasifikuj samo jednu jedan jedno
    riječ reč
        jednom riječju rečju kategorija kategoriju kategorije tema temu poruka poruku poruke tekst kupca u iz od
        ili i bez
        objašnjenja ništa drugo sljedeće sledeće ti si naziv
        flokkaðu veldu svaraðu skilaðu skrifaðu aðeins bara eitt einu orði orð flokk flokkur efni skilaboð
        skilaboðin texta
        og eða án útskýringa ekkert annað eftirfarandi
        ainisha chagua jibu andika rudisha tu moja neno kundi aina mada ujumbe maandishi mteja wa ya la kwa na au bila
        maelezo yafuatayo wewe ni
        classifica tria torna retorna respon escriu indica només una un paraula categoria etiqueta tema missatge text
        client el la els les del de la amb o i sense explicacions res més següent ets nom servei
        """
    )
    # Arabic, Hebrew, Persian, Urdu, Hindi, Bengali
    | table(
        """
        صنّف صنف اختر أجب أعد اكتب حدد حدّد فقط واحدة واحد كلمة بكلمة فئة الفئة فئات تصنيف التصنيف موضوع رسالة الرسالة
        العميل نص النص تعليق التعليق من إلى في على أو و دون بدون شرح تفسير التالية التالي هذه هذا مشاعر اسم أنت
        סווג בחר ענה החזר כתוב קבע רק בלבד אחת אחד מילה במילה קטגוריה הקטגוריה נושא הודעה ההודעה הלקוח טקסט
    הטקסט של את
        או ללא בלי הסבר הסברים הבאה הבאות שם אתה מתוך לפי
        دسته‌بندی انتخاب پاسخ بده بنویس برگردان مشخص کن تعیین فقط یک کلمه دسته دسته‌ها نام موضوع پیام مشتری متن
    نظر را در
        از به یا و بدون توضیح زیر این قرار تو هستی یکی با است
        درجہ منتخب کریں جواب دیں لکھیں بتائیں صرف ایک لفظ میں قسم زمرہ موضوع پیغام صارف کے کی کا سے یا اور بغیر وضاحت
        वर्गीकृत चुनें उत्तर जवाब दें लिखें बताएं रखें करें केवल सिर्फ एक शब्द में श्रेणी श्रेणियों वर्ग विषय
    संदेश ग्राहक
        पाठ समीक्षा को का के की से या और बिना किसी व्याख्या नीचे दी गई दिए गए नाम इनमें इस है आप
        শ্রেণীবদ্ধ বেছে নিন উত্তর দিন লিখুন শুধু একটি শব্দ শব্দে বিভাগ বিভাগটি বিভাগের বিষয় বার্তা বার্তাটি
    গ্রাহকের পড়ে
        সঠিক নাম বা এবং ছাড়া ব্যাখ্যা নিচের
        """
    )
)

ABROAD_DEMANDS: tuple[str, ...] = (
    "perust", "selit", "miksi", "jos", "käännä", "tiivist", "numero",
    "vysvětli", "zdůvod", "odůvod", "proč", "pokud", "když", "přelož", "shr", "čísl", "vysvetli", "prečo", "zdôvod",
    "prelož", "miért", "indok", "magyaráz", "fordít", "szám", "explic", "dacă", "tradu", "rezum",
    "număr", "обясни", "защо", "ако", "преведи", "поясни", "обґрунт", "чому", "якщо", "переклад", "γιατί", "εξήγησ",
    "αιτιολ", "μετάφρα", "põhjend", "selgita", "miks", "tõlgi", "paskaidro", "kāpēc", "tulko",
    "paaišk", "kodėl", "jei", "išversk", "jelaskan", "alasan", "mengapa", "kenapa", "jika", "kalau", "terjemah",
    "ringkas", "angka", "jelas", "terangkan", "giải", "tại", "nếu", "dịch", "tóm", "objasni", "obrazlo", "zašto",
    "prevedi", "útskýr", "hvers", "þýð", "eleza", "ikiwa", "tafsiri", "sababu", "explica", 
    "tradueix", "اشرح", "لماذا", "السبب", "إذا", "ترجم", "لخص", "הסבר", "למה", "מדוע", "אם", "תרגם", "נמק",
    "توضیح", "چرا", "دلیل", "اگر", "ترجمه", "وضاحت", "کیوں", "وجہ", "अगर", "क्यों", "कारण", "यदि", "समझाएं", "अनुवाद",
    "কেন", "কারণ", "যদি", "объясн", "поясн", "почему", "если", "переве", "перескаж", "обоснуй", "wyjaśn",
    "uzasad", "dlaczego", "jeśli", "jeżeli", "przetłum", "streść", "açıkla", "neden", "eğer", "çevir", "özetle",
    "förklar", "motivera", "varför", "översätt", "forklar", "begrund", "hvorfor", "hvis", "oversæt", "oversett",
)  # fmt: skip
"""How words begin by which more than a label is asked for, or a rule is given, in those languages."""
"""All words of such instructions."""
