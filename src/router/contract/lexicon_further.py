"""Words of usual instructions in languages that the searches know little of: Russian, Polish, Turkish, Swedish, Danish
and Norwegian. What is not here is not understood, so that rules in these languages need no pattern of their own.
"""

from __future__ import annotations

from .words import table

__all__ = ["FURTHER", "FURTHER_INPUTS", "FURTHER_ORDERS"]

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
        в во на из к ко с со по о об и или не ни тип регистре нижнем верхнем для это этого этой этот эту
        следующий следующего следующее следующую
        следующие ты вы один одно одну одна одной одним одного только слово словом слова слов ответ ответе ответа
        список списка списке метка метку метки меток категория категорию категории категорий класс класса тема тему
        темы тематика тематику тон тональность тональности настроение настроения намерение намерения отзыва сообщения
        комментария заметки новости письма твита обращения запроса заголовка фразы текста пользователя клиента автора
        без объяснений пояснений комментариев кавычек точки больше ничего другого название названием названия варианта
        вариантов вариант варианты ниже выше пожалуйста должен должна быть является какой какая какую какому какие
        относится классификатор помощник модератор
        w we na z ze do dla od o i lub albo czy nie ani jest to ten ta tę tego tej następujący następującą następującego
        następujące poniższy poniższą poniższego poniższej poniższe jesteś jedno jedną jeden jednej jednego jednym tylko
        wyłącznie słowo słowem słowa odpowiedź odpowiedzi lista listy etykieta etykietę etykiety kategoria kategorię
        kategorii kategorie klasa klasę temat tematu nastrój wydźwięk sentyment ton dział działu działów opinii
        wiadomości zgłoszenia zgłoszenie komentarza zdania wpisu klienta użytkownika bez wyjaśnień uzasadnienia
        cudzysłowu kropki nic więcej innego nazwa nazwę spośród możliwe możliwych wartości opcji opcje jaki jaka jakiej
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
)
"""All words of such instructions."""
