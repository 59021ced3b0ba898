"""What stands around a number: which word near it says what the number is.

A number alone is rarely personal data; "call me on" or "order no." before it decides. The room reads a few dozen
characters on each side and knows nothing of the numbers themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from ..patterns import late_pattern

__all__ = ["Meaning", "Surroundings", "surroundings"]

Meaning = Literal["phone", "card", "id", "account", "other"]

_BEFORE, _AFTER = 56, 24

_WORDS: Mapping[Meaning, str] = {
    "phone": (
        "contacted phone phones ph telephone tel cell cellphone cellular mobile mobiles fax whatsapp sms contact reach "
        "reached reachable dial "
        "dialed dialled ring call called calling callback hotline voicemail mob text texted telefon "
        "telefonnummer telefonnumret "
        "telefoon telefoonnummer teléfono telefono telefone téléphone tél portable móvil movil celular cellulare "
        "handy handynummer "
        "rufnummer mobil mobilnummer anrufen ruf rufen erreichbar erreichen llámame llamame llamar llame llama "
        "llámeme appelle appelez "
        "appeler joindre joignable chiama chiamami chiamare ligue liga ligar bel bellen zadzwoń zadzwonić komórka "
        "komórkowy ringa "
        "puhelin puhelinnumero тел телефон телефона телефону звони звоните позвони позвоните мобильный هاتف جوال "
        "फोन मोबाइल "
        "☎ 📞 📱 phoned signal telegram landline tlf tfno cel kontakt gsm natel fon фон"
        ""
    ),
    "id": (
        "ssn social sin nino tin tfn itin nhs steuer steuerid steuernummer idnr identifikationsnummer "
        "steueridentifikationsnummer "
        "sozialversicherungsnummer personalausweis personalausweisnummer ausweis ausweisnummer nir insee dni nie "
        "nif documento bsn "
        "burgerservicenummer sofinummer cpf cnpj rut curp rfc aadhaar aadhar pesel personnummer personnr "
        "personnummeret fødselsnummer cpr "
        "henkilötunnus hetu rijksregisternummer ahv avs nric tckn kimlik cnp passport reisepass reisepassnummer "
        "passeport pasaporte "
        "passaporto paszport nip rodné rč egn егн amka αμκα pps ppsn isikukood asmens oib emšo emso "
        "jmbg kennitala cuit cuil hkid nik ktp mykad zehut itin cédula cedula curp führerschein "
        "führerscheinnummer medicare rrn паспорт паспорта снилс инн национальный"
    ),
    "card": (
        "card cards visa mastercard amex discover maestro diners kreditkarte kreditkartennummer karte "
        "kartennummer carte tarjeta cartão "
        "carta kaart creditcard creditcardnummer kaartnummer kort kortnummer karty karta карта карты карту cc"
    ),
    "account": "account acct accounts routing sortcode kontonummer konto kontonr cuenta conto compte rekening "
    "rekeningnummer aba bsb счёт счет",
    "other": (
        "order orders invoice invoices tracking track ticket tickets case ref refs reference sku isbn issn ean "
        "upc gtin asin serial part "
        "parts model version versions release firmware build commit hash sha sha1 sha256 md5 uuid guid id ids "
        "identifier identifiers "
        "timestamp timestamps epoch unix port batch lot item article catalog catalogue patent doi pmid arxiv "
        "error code receipt "
        "confirmation booking reservation shipment package parcel product barcode row rows record records "
        "population total sum amount "
        "price revenue views users downloads size bytes offset section chapter clause paragraph page figure table "
        "equation seed pid oid "
        "transaction txn block policy claim contract docket flight vin imei snowflake bestellung bestellnummer "
        "auftrag auftragsnummer "
        "rechnung rechnungsnummer sendung sendungsnummer kundennummer artikel artikelnummer commande facture "
        "colis pedido factura ordine "
        "fattura bestelling ordernummer zamówienie zamówienia faktura faktury заказ заказа $ € £ ¥ § usd eur plus "
        "minus equals number_of "
        "approximately about roughly million thousand km meters dimension dimensions lines loc steps iterations "
        "epochs params"
    ),
}  # fmt: skip
_PHRASES: Mapping[Meaning, str] = {
    "phone": "my number,her number,his number,their number,our number,new number,"
    "number to,numer telefonu,номер телефона,text me,text him,text her,mobile number,phone "
    "number,whats app,cell number",
    "id": (
        "social security,social insurance,national insurance,national id,national identity,national "
        "identification,national number,"
        "ni number,tax id,tax file,tax number,tax identification,taxpayer id,taxpayer identification,identity "
        "card,identity number,"
        "id card,personal number,personal code,personal id,id number,identification number,steuer id,sécurité "
        "sociale,codice fiscale,"
        "pan card,pan number,pan no,registre national,tc kimlik,driver licence,driver license,drivers "
        "license,drivers licence,"
        "driving licence,driving license,rodné číslo,thai id,israeli "
        "id,taiwan id,kong id,kad pengenalan,asmens kodas,south african,african id,sa id,"
        "license number,licence number,nhs number"
    ),
    "card": "credit card,debit card,american express,card number,carte bancaire,carte bleue,card no",
    "account": "account number,sort code,routing number,account no,bank account",
    "other": (
        "aws account,azure account,gcp account,cloud account,service account,user account,"
        "order number,customer number,customer no,customer id,employee number,employee no,employee id,account "
        "id,order id,ticket number,"
        "case number,reference number,tracking number,invoice number,part number,serial number,model "
        "number,product code,user id"
    ),
}  # fmt: skip
_WORD_MEANS: Mapping[str, Meaning] = {word: means for means, words in _WORDS.items() for word in words.split()}
_PHRASE_MEANS: Mapping[str, Meaning] = {words: means for means, all_ in _PHRASES.items() for words in all_.split(",")}
# The words that tell, and those that phrases which tell end with.
_TELLING = frozenset(_WORD_MEANS) | {phrase.rpartition(" ")[2] for phrase in _PHRASE_MEANS}
_UNSPACED = late_pattern(
    r"(?P<phone>电话|座机|固话|連絡先|手机|手機|電話|携帯|联系方式|联系我|拨打|致电|微信|전화|연락처|휴대폰)"
    r"|(?P<id>身份证|身分證|护照|マイナンバー|주민등록번호|주민번호|आधार|個人番号|บัตรประชาชน|תעודת זהות)"
    r"|(?P<card>信用卡|银行卡|卡号|クレジットカード|카드)"
    r"|(?P<other>订单|單號|单号|快递|编号|型号|注文|주문)"
)
_TOKEN = late_pattern(r"[^\W_]+|[$€£¥§#☎📞📱]")
_IS_MINE = late_pattern(
    r",? is (?:still )?(?:my|his|her|our|their)(?: new| work| private)? (?:number|mobile|cell|phone)\b"
)
_NAMED_BY_THE_WORD_BEFORE = frozenset(("id", "ids", "identifier", "code"))
_FILLERS = frozenset(
    [
        "number",
        "numbers",
        "nummer",
        "numéro",
        "número",
        "numero",
        "no",
        "nr",
        "num",
        "me",
        "us",
        "him",
        "her",
        "them",
        "is",
        "are",
        "on",
        "at",
        "ist",
        "est",
        "es",
        "è",
        "é",
        "jest",
        "är",
        "unter",
        "au",
        "al",
        "via",
        "under",
        "by",
        "to",
        "and",
        "or",
        "or:",
        "the",
        "my",
        "mine",
        "our",
        "office",
        "work",
        "home",
        "private",
        "direct",
        "1",
        "2",
        "back",
        "now",
        "nº",
        "n°",
        "#",
        "us:",
        "sur",
        "a",
        "de",
        "le",
        "numer",
        "номер",
        "по",
    ]
)


class Surroundings(NamedTuple):
    """``means`` what the nearest telling word says, None when none tells; ``near``: only fillers stand between."""

    means: Meaning | None
    near: bool


def surroundings(text: str, start: int, end: int) -> Surroundings:
    """What the words around ``text[start:end]`` say of it: the last telling word before it, else one behind it."""
    before = text[max(0, start - _BEFORE) : start]
    cut = before.rfind("\n\n")
    if cut >= 0:
        before = before[cut:]
    words = _TOKEN.findall(before.lower())
    if not before.isascii():
        signs = list(_UNSPACED.finditer(before))
        if signs:
            return Surroundings(_as_meaning(signs[-1].lastgroup), len(before) - signs[-1].end() <= 6)
    near = True
    for index in () if _TELLING.isdisjoint(words) else range(len(words) - 1, -1, -1):
        word = words[index]
        if word not in _TELLING:
            near = near and word in _FILLERS
            continue
        if index:
            means = _PHRASE_MEANS.get(f"{words[index - 1]} {word}")
            if means is not None:
                return Surroundings(means, near)
        means = _WORD_MEANS.get(word)
        if means == "other" and word in _NAMED_BY_THE_WORD_BEFORE and index:
            means = _WORD_MEANS.get(words[index - 1], means)
        if means is not None:
            return Surroundings(means, near)
        near = near and word in _FILLERS
    # Behind a number stands what it is ("(mobile)", "office"), hardly ever what it is not.
    if _IS_MINE.match(text, end, end + 40):
        return Surroundings("phone", False)
    for word in _TOKEN.findall(text[end : end + _AFTER].lower())[:3]:
        if _WORD_MEANS.get(word) == "phone" or word == "office":
            return Surroundings("phone", False)
    return Surroundings(None, False)


def _as_meaning(group: str | None) -> Meaning | None:
    match group:
        case "phone" | "id" | "card" | "other":
            return group
        case _:
            return None
