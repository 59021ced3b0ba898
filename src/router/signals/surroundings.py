"""What stands around a number: which word near it says what the number is.

A number alone is rarely personal data; "call me on" or "order no." before it decides. The room reads a few dozen
characters on each side and knows nothing of the numbers themselves.
"""

from __future__ import annotations

import re
from typing import Literal

__all__ = ["Meaning", "labelled", "meaning"]

Meaning = Literal["phone", "card", "id", "account", "ip", "other"]

_BEFORE, _AFTER = 56, 24

_PHONE = (
    r"phones?|ph(?=[.:])|telephone|tel|cell(?:phone|ular)?|mobiles?|fax|whats ?app|sms|texts? (?:me|him|her|us|"
    r"them)|texted|"
    r"contact|reach(?:ed|able)?|dial(?:l?ed)?|ring|call(?:ed|ing|s)?|callback|hotline|voicemail|my number|number to|"
    r"telefon\w*|telefoon\w*|teléfono|telefone|téléphone|tél|telefono|portable|móvil|movil|celular|cellulare|handy\w*|"
    r"handynummer|rufnummer|mobil\w*|anrufen|erreich\w*|llám\w+|llam\w+|appel\w+|joign\w+|chiam\w+|ligue|liga\w*|bel|"
    r"zadzwo\w*|numer telefonu|komórk\w*|ring(?:a|er)?|puhelin\w*|тел\w*|номер телефона|звон\w+|позвон\w+|mob"
)
_ID = (
    r"ssn|ss#|social(?: security| insurance)?|sin|nino|national (?:insurance|id|identity|number)\w*|ni number|"
    r"tax(?:payer)? "
    r"(?:id|file|number|identification)\w*|tin|tfn|itin|nhs|identity (?:card|number)|id card|personal (?:number|"
    r"code|id)|"
    r"steuer\w*|steuer-?id\w*|idnr|sozialversicherung\w*|personalausweis\w*|ausweis\w*|sécurité sociale|"
    r"numéro de sécu\w*|"
    r"nir|insee|dni|nie|nif|documento|codice fiscale|c\.f\.|bsn|burgerservicenummer|sofinummer|cpf|cnpj|rut|run|"
    r"curp|rfc|"
    r"aadhaa?r|pan(?: card| number| no)?|pesel|personnummer|personnr|fødselsnummer|cpr|henkilötunnus|hetu|"
    r"rijksregister\w*|"
    r"registre national|ahv\w*|avs|nric|fin|tc kimlik|tckn|kimlik|cnp|id number|identification number|passport\w*|"
    r"reisepass\w*|passeport|pasaporte|passaporto|driver'?s? licen[cs]e|driving licen[cs]e|führerschein\w*|medicare|"
    r"south african id|sa id|rrn|паспорт\w*|снилс|инн"
)
_CARD = (
    r"credit card|debit card|cards?|visa|mastercard|amex|american express|discover|maestro|diners|kreditkarte\w*|"
    r"karte\w*|"
    r"kartennummer|carte(?: bancaire| bleue)?|tarjeta|cartão|carta(?: di credito)?|kaart\w*|creditcard\w*|kort|karty|"
    r"карт\w+|cc|pan"
)
_ACCOUNT = (
    r"(?:bank )?account(?: number| no| #)?|acct|routing(?: number)?|sort code|kontonummer|konto(?:nr)?|cuenta|conto|"
    r"compte|"
    r"aba|bsb|iban"
)
_IP = r"ip(?:v[46])?(?: address)?|client_ip|adresse ip|ip-adresse|dirección ip|indirizzo ip|endereço ip"
_OTHER = (
    r"orders?|invoices?|tracking|track|ticket|case|ref(?:erence)?|refs|sku|isbn|issn|ean|upc|gtin|asin|serial|s/n|"
    r"parts?|"
    r"model|versions?|release|firmware|build|commit|hash|sha\d*|md5|uuid|guid|ids?|identifiers?|timestamps?|epoch|"
    r"unix|port|batch|"
    r"lot|item|article|catalog(?:ue)?|patent|doi|pmid|arxiv|error|code|receipt|confirmation|booking|reservation|"
    r"shipment|"
    r"package|parcel|product|barcode|row|rows|record|records|population|total|sum|amount|price|revenue|views|users|"
    r"downloads|"
    r"size|bytes|offset|section|chapter|clause|paragraph|page|figure|table|equation|seed|pid|oid|transaction|txn|block|"
    r"customer (?:number|no|id)|employee (?:number|no|id)|account id|policy|claim|contract|docket|flight|vin|imei|"
    r"snowflake|"
    r"bestell\w*|auftrag\w*|rechnung\w*|sendung\w*|kundennummer|artikel\w*|commande|facture|colis|pedido|factura|"
    r"ordine|"
    r"fattura|bestelling|zamówieni\w*|faktur\w*|заказ\w*|счет\w*|nr zam\w*"
)
_WORD = re.compile(
    rf"(?<![^\W_])(?:(?P<ip>{_IP})|(?P<id>{_ID})|(?P<phone>{_PHONE})|(?P<card>{_CARD})|(?P<account>{_ACCOUNT})|"
    rf"(?P<other>{_OTHER}))(?![^\W_])"
    r"|(?P<phone_>电话|手机|手機|電話|携帯|联系方式|联系我|拨打|致电|微信|전화|연락처|휴대폰|هاتف|جوال|फोन|मोबाइल|☎|"
    r"📞|📱)"
    r"|(?P<id_>身份证|身分證|护照|マイナンバー|주민등록번호|주민번호|आधार|الهوية)"
    r"|(?P<card_>信用卡|银行卡|卡号|クレジットカード|카드|बैंक कार्ड)"
    r"|(?P<other_>订单|單號|单号|快递|编号|型号|注文|주문|версия|[$€£¥#§])",
    re.IGNORECASE,
)
_LABEL = re.compile(
    rf"(?:(?<![^\W_])(?:{_PHONE})|电话|手机|手機|電話|携帯|전화|휴대폰)\.?(?:[ _-]?(?:numbers?|nummer|numéro|número|"
    rf"numero|no|nr|num|"
    r"#|号码|号|番号|번호|me|us|him|her|them|nº|n°)\.?)?(?: +(?:is|are|on|at|ist|est|es|è|é|jest|är|unter|au|al|via|"
    r"under|by|to))?"
    r"[\"'*_`]*\s*(?:[:=：#是は]|->)?[\s\"'*_`(（]*\+?\Z",
    re.IGNORECASE,
)


def meaning(text: str, start: int, end: int) -> Meaning | None:
    """What the nearest telling word says of ``text[start:end]``: the last before it, else the first after it."""
    before = text[max(0, start - _BEFORE) : start]
    cut = before.rfind("\n\n")
    if cut >= 0:
        before = before[cut:]
    found: str | None = None
    for match in _WORD.finditer(before):
        found = match.lastgroup
    if found is None:
        after = _WORD.search(text[end : end + _AFTER])
        # After a number stands what it is ("(mobile)", "office"), hardly ever what it is not.
        if after is not None and (after.lastgroup or "").startswith("phone"):
            found = "phone"
    return _as_meaning(found)


def labelled(text: str, start: int) -> bool:
    """A telephone word with nothing but "number", "is" or a colon between it and ``start``."""
    return _LABEL.search(text, max(0, start - 40), start) is not None


def _as_meaning(group: str | None) -> Meaning | None:
    match (group or "").rstrip("_"):
        case "phone":
            return "phone"
        case "card":
            return "card"
        case "id":
            return "id"
        case "account":
            return "account"
        case "ip":
            return "ip"
        case "other":
            return "other"
        case _:
            return None
