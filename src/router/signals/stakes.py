"""Would a made-up fact do harm: medical, legal or financial advice (OPS-05 of the guide)?

A request for advice counts, and a question of fact that one may act on (a dosage, a deadline, a tax rule); sorting or
translating texts of such a field does not.
"""

from __future__ import annotations

import re
from typing import Literal

from ..patterns import late_pattern, led
from ..types import Signals
from .excerpt import Excerpt, excerpt, flow
from .rule import Rule
from .triggers import Trigger, triggers

__all__ = ["STAKES", "Stakes"]

Stakes = Literal["none", "medical", "legal", "financial"]

_MEDICAL = triggers(
    "dosage dose doses doctor physician symptoms symptom diagnosis diagnosed prescription prescribed medication "
    "medications "
    "medicine medicines antibiotic antibiotics ibuprofen paracetamol acetaminophen aspirin insulin warfarin metformin "
    "lisinopril amoxicillin sertraline xanax tylenol advil prozac statin statins pregnant pregnancy chest fever rash "
    "overdose allergic allergy vaccine vaccinated blood pressure diabetes diabetic cancer tumor tumour stroke seizure "
    "headache migraine dizzy nausea vomiting vomited infection surgery side-effects interact mg ml painkillers "
    "bleeding lump "
    "breastfeeding contraceptive pill pills depression antidepressants chemo chemotherapy toddler-fever wound swollen "
    "dosierung dosis arzt symptome medikament medikamente tabletten schwanger schwangerschaft fieber schmerzen "
    "blutdruck "
    "nebenwirkungen ibuprofeno paracétamol ibuprofène médicament médicaments posologie enceinte fièvre douleur "
    "symptômes "
    "médecin ordonnance dosis médico síntomas embarazada fiebre dolor medicamento medicamentos pastillas presión "
    "embarazo "
    "dose sintomas grávida febre remédio médica dosaggio sintomi incinta febbre farmaco farmaci medico dosering "
    "medicijn "
    "zwanger koorts dawka lekarz objawy ciąży leki доза дозировка врач симптомы лекарство беременности "
    "температура таблетки"
)
_MEDICAL_SURE = late_pattern(
    r" (?:\d\d* ?mg\b|how (?:much|many|often)[^.?!\n]{0,60}\b(?:ibuprofen|paracetamol|acetaminophen|aspirin|tylenol|"
    r"advil|insulin|melatonin|medicine|pills?|mg|medication)\b|"
    + led(
        "safe|ok|okay|dangerous|bad",
        r" to (?:take|mix|combine|drink|stop taking|give|use)[^.?!\n]{0,60}\b(?:with|while|medic\w+|"
        r"pregnan\w+|ibuprofen|paracetamol|aspirin|alcohol|pills?|dose|antibiotics?|baby|toddler|child)",
    )
    + "|"
    + led("chest|abdominal|stomach", r" pains?")
    + r"|maximum (?:daily )?(?:dose|dosage)|side effects? of|"
    + led("do|could|might", r" i have (?:cancer|diabetes|a stroke|an infection|covid|adhd|\w+itis)")
    + r"|should i (?:see a doctor|go to the (?:er|hospital|doctor|emergency)|stop taking|take)|"
    + led(
        "my|these",
        r" (?:symptoms|blood pressure|blood sugar|medication|prescription|doctor (?:said|says|told|prescribed)|"
        r"(?:son|daughter|baby|child|toddler)[^.?!\n]{0,40}(?:fever|rash|vomit\w*|swallowed))",
    )
    + r"|drug interactions?|treat(?:ment)? (?:for|of) (?:my|a|an|the)? ?\w+|lethal dose)"
)
_LEGAL = triggers(
    "lawyer attorney solicitor sue sued suing lawsuit court judge legally legal illegal law laws liable liability "
    "landlord "
    "tenant eviction evict evicted lease custody divorce alimony inheritance testament probate contract breach clause "
    "copyright trademark patent visa immigration asylum deportation deported gdpr statute statutory plaintiff "
    "defendant "
    "felony misdemeanor arrested charged warrant bail rights compensation dismissal dismissed severance harassment "
    "discrimination notice non-compete nda rechtsanwalt anwalt vermieter mieter kündigung kündigen klage "
    "verklagen gericht "
    "vertrag scheidung erbe sorgerecht recht gesetz avocat locataire propriétaire bail licenciement licencié "
    "tribunal contrat "
    "divorce juridique loi préavis abogado inquilino casero desalojo demanda demandar contrato divorcio despido "
    "herencia ley "
    "custodia advogado inquilino despejo processo divórcio lei avvocato affitto sfratto causa licenziamento "
    "divorzio legge "
    "advocaat huurder verhuurder ontslag adwokat pozew umowa zwolnienie адвокат суд иск развод увольнение закон договор"
)
_LEGAL_SURE = late_pattern(
    r" (?:is it (?:legal|illegal|against the law|lawful)|can (?:i|he|she|they|we|my \w+) (?:legally|sue|be sued|"
    r"be fired|evict|get deported|be held liable)|"
    + led("can|may|could", r" (?:my|the|our) (?:landlord|employer|boss|ex|ex-\w+|company)")
    + "|"
    + led(
        "my|our",
        r" (?:landlord|lease|lawyer|custody|divorce|visa|employment contract|will|legal (?:options|rights))",
    )
    + r"|what are my (?:legal )?(?:rights|options)|legal advice|statute of limitations|"
    + led("small claims|family", " court")
    + r"|sign (?:this|the|a|an) (?:nda|contract|lease|non-compete|settlement)|draft (?:a|an|my) (?:will|contract|nda|"
    r"lease|non-compete|cease and desist)|break (?:my|the|a) lease|wrongful(?:ly)? (?:termination|dismiss\w+|"
    r"terminat\w+)|power of attorney|am i (?:liable|entitled|allowed to sue)|unfair dismissal|"
    r"terms of (?:my|the) (?:lease|contract)|comply with (?:gdpr|hipaa|the law))"
)
_FINANCIAL = triggers(
    "invest investing investment investments stock stocks shares etf etfs bond bonds portfolio retirement pension "
    "401k 401-k ira "
    "roth mortgage refinance loan loans debt credit-score tax taxes deduct deductible deduction irs hmrc vat "
    "bankruptcy "
    "bankrupt insurance crypto bitcoin ethereum dividend dividends savings interest apr hedge options "
    "capital-gains gains "
    "inheritance-tax fund funds broker trading annuity heloc isa steuer steuern absetzen anlegen aktien kredit "
    "hypothek rente "
    "geldanlage zinsen insolvenz impôt impôts investir placement actions crédit retraite épargne hypothèque "
    "invertir inversión "
    "acciones hipoteca impuestos préstamo jubilación pensión ahorros investimento ações imposto aposentadoria hipoteca "
    "financiamento poupança investire azioni mutuo tasse prestito risparmi beleggen hypotheek belasting aandelen "
    "kredyt "
    "podatek inwestować akcje инвестировать акции налог ипотека кредит пенсия вклад"
)
_FINANCIAL_SURE = late_pattern(
    r" (?:"
    + led(
        "should|can|could|do|must|may|how (?:do|can|should|much)",
        r" (?:i|we)[^.?!\n]{0,70}\b(?:invest|stocks?|shares|mortgage|refinance|tax(?:es)?|deduct|401\(?k\)?|roth|ira|"
        r"pension|retire(?:ment)?|bitcoin|crypto|loan|bankruptcy|etfs?|index funds?|bonds?|portfolio|heloc|isa|"
        r"capital gains)\b",
    )
    + "|"
    + led(
        "my|our",
        r" (?:401\(?k\)?|roth|ira|pension|mortgage|portfolio|retirement|tax return|taxes|savings|student loans?|"
        r"credit card debt)",
    )
    + r"|best (?:stocks?|etfs?|funds?|crypto\w*|way to invest|investment)|where (?:should|to|can) (?:i )?invest|"
    + led("tax|investment|financial|mortgage", r" (?:advice|strategy|implications?)")
    + r"|capital gains tax|file (?:for bankruptcy|my taxes)|is (?:it|bitcoin|\w+ stock) a good (?:time to buy|"
    r"investment)|buy or sell|tax[- ]deductible|early withdrawal)"
)
_OWN = triggers(
    "i my me we our ich mein meine mir je mon ma mes nous yo mi mis me eu meu minha io mio mia ik mijn я мой мне ja mój"
)
# Words of which one stands in each way to ask for advice without a question mark.
_ADVISING = triggers(
    "should can could may must do am is what how my advice advise recommend help darf kann soll sollte muss wie mein "
    "meine puis dois est-ce est combien mon ma puedo debo debería cuánto cuánta cuántos cuántas mi posso devo quanto "
    "meu minha mio mia mag moet mijn czy можно могу сколько мой мне"
)
_ADVICE = late_pattern(
    r"\b(?:should i|can i|could i|may i|must i|do i|am i|is it (?:safe|legal|ok|okay|worth|normal)|"
    r"what (?:should|happens|can|are|is)|how (?:much|many|"
    r"long|do|can|often|to)|my|advice|advise|recommend|help me|darf ich|kann ich|soll(?:te)? ich|muss ich|wie viel|"
    r"wie oft|mein[e]?|puis-je|dois-je|"
    r"est-ce que|combien|mon|ma|puedo|debo|debería|cuánt[oa]s?|mi|posso|devo|quanto|meu|minha|mio|mia|mag ik|"
    r"moet ik|mijn|czy mog\w|можно ли|могу ли|сколько|мой|мне)\b"
)
_UNSPACED: tuple[tuple[Stakes, re.Pattern[str]], ...] = (
    (
        "medical",
        late_pattern(
            r"剂量|吃多少|副作用|症状|孕妇|怀孕|发烧|血压|胸痛|用药|药物|处方|薬|副作用|妊娠中|発熱|症状|服用|"
            r"복용|부작용|임신|증상|열이"
        ),
    ),
    (
        "legal",
        late_pattern(
            r"律师|起诉|违法|合法|房东|劳动合同|离婚|赔偿|法律|弁護士|訴え|違法|離婚|解雇|大家|변호사|고소|불법|"
            r"이혼|해고|집주인"
        ),
    ),
    (
        "financial",
        late_pattern(
            r"投资|股票|基金|贷款|房贷|退税|纳税|理财|投資|株|住宅ローン|確定申告|税金|年金|투자|주식|대출|세금|연금"
        ),
    ),
)
_LABELLING = frozenset(
    (
        "sentiment",
        "toxicity",
        "ner",
        "topic_classification",
        "intent_classification",
        "other_classification",
        "nli",
        "translation",
        "paraphrase_rewrite",
        "code",
        "regression_scoring",
        "information_extraction",
        "open_generation",
    )
)


_FIELDS: tuple[tuple[Stakes, Trigger, re.Pattern[str]], ...] = (
    ("medical", _MEDICAL, _MEDICAL_SURE),
    ("legal", _LEGAL, _LEGAL_SURE),
    ("financial", _FINANCIAL, _FINANCIAL_SURE),
)


def _read(signals: Signals) -> tuple[Stakes | None, float]:
    view = signals.view(excerpt)
    field, points = _field(view)
    if field == "none":
        return "none", 0.95
    task = signals.get("task")
    if task.value in _LABELLING and task.confidence >= 0.6 and points < 3:
        return "none", 0.85
    if points >= 2:
        return field, min(0.95, 0.75 + 0.05 * points)
    if points >= 1.5:
        # Two words of the field and a question: advice, if somebody asks for himself.
        return (field, 0.7) if view.groups & _OWN.bit else (None, 0.0)
    return "none", 0.85


def _field(view: Excerpt) -> tuple[Stakes, float]:
    best: Stakes = "none"
    most = 0.0
    if view.is_unspaced:
        for field, form in _UNSPACED:
            points = 1.0 + len(form.findall(view.lower))
            if points >= 2 and points > most:
                best, most = field, points
    for field, words, sure in _FIELDS:
        if not view.groups & words.bit:
            if (
                most == 0.0
                and field == "financial"
                and "401(k)" in view.lower
                and sure.search(" " + view.lower.replace("\n", " "))
            ):
                best, most = field, 2.0
            continue
        found = view.among(words)
        points = 0.5 * min(len(found), 4)
        if sure.search(flow(view.lower, found, 100)):
            points += 1.5
        if points >= 1.0 and _asks_advice(view):
            points += 0.5
        elif points < 2.0:
            points *= 0.5
        if points > most:
            best, most = field, points
    return (best, most) if most >= 1.0 else ("none", 0.0)


def _asks_advice(view: Excerpt) -> bool:
    ask = view.ask
    return "?" in ask or "？" in ask or (view.groups & _ADVISING.bit != 0 and _ADVICE.search(ask) is not None)


STAKES = Rule(name="stakes", read=_read)
