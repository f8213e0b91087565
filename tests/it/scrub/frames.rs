//! The words that stand around what is planted, in Kazakh, Russian and English, and names that are made up.

#[rustfmt::skip]
pub(super) const PLATE_TEXTS: &[&str] = &[
    "{}", "штраф {}", "проверить авто {}", "камри {} цена", "{} иесі", "айыппұл {} төлеу", "fines for {}", "госномер {}", "car {} not found",
    "машина с номером {} во дворе", "эвакуировали {}", "{} страховка",
];
#[rustfmt::skip]
pub(super) const VIN_TEXTS: &[&str] = &[
    "{}", "vin {}", "проверка вин {}", "vin:{}", "запчасти по vin коду {}", "Error: no car {}", "{} комплектация",
];
#[rustfmt::skip]
pub(super) const CARD_TEXTS: &[&str] = &[
    "{}", "карта {}", "списание с карты {}", "card {} declined", "перевод на {}", "{} картасы", "visa {} блок",
];
#[rustfmt::skip]
pub(super) const SESSION_TEXTS: &[&str] = &[
    "GET /pay;jsessionid={} failed", "/(S({}))/login.aspx", "sid={}", "session {} expired", "phpsessid: {}", "сессия {} истекла",
    "token={}&x=1", "at /cart!{}", "jsessionid {}", "session_id {}", "{}",
];
#[rustfmt::skip]
pub(super) const BIRTH_TEXTS: &[&str] = &[
    "{}", "дата рождения {}", "родился {}", "born {}", "dob {}", "туған күнім {}", "д.р. {}", "гороскоп {}", "иванова мария {} г.р.",
    "туған күні: {}", "birthday {}", "сколько лет {}", "{} года рождения",
];
#[rustfmt::skip]
pub(super) const PLATE_PATHS: &[&str] = &[
    "/shtraf/{}", "/avto/{}", "/cars/toyota-{}", "/fines/{}/pay", "/{}", "/cars/{}.html", "/kz/avto/camry_{}",
];
#[rustfmt::skip]
pub(super) const CONTRACT_SEGMENTS: &[&str] = &[
    "order", "zakaz", "dogovor", "contract", "invoice", "schet", "tapsyrys", "zayavka", "kelisim", "договор", "заказ", "booking", "track",
];
#[rustfmt::skip]
pub(super) const SESSION_PATHS: &[&str] = &[
    "/tariffs;jsessionid={}", "/(S({}))/login.aspx", "/(A({})F(x))/default.aspx", "/page,sid,{}", "/cart!{}", "/page;sid={}/next", "/s/{}",
    "/pay,{},3.html", "/page;{}", "/tariffs;JSESSIONID={}?x", "/portal/!ut/p/{}",
];
#[rustfmt::skip]
pub(super) const PASSWORD_TEXTS: &[&str] = &[
    "пароль {}", "мой пароль {}", "пароль: {}", "құпия сөз {}", "құпиясөз: {}", "password {}", "my password is {}", "pwd {}",
    "логин admin пароль {}", "пароль от вайфая {}", "пароль - {}", "пасс {}", "Пароль={}", "менің құпия сөзім {}", "wifi password {}",
    "login failed: password {} is wrong", "парол {}", "пароль {} не подходит", "parol {}", "passwd={}", "кодовое слово {}",
];
/// Passwords that are ordinary words.
#[rustfmt::skip]
pub(super) const WORDS: &[&str] = &[
    "барсик", "мурка", "солнышко", "весна", "любовь", "бауырсақ", "жұлдыз", "күншуақ", "barsik", "dragon", "monkey", "sunshine",
    "princess", "football", "қазақстан", "алматы", "спартак", "зайка", "shadow", "bauyrsaq",
];
#[rustfmt::skip]
pub(super) const SENT_CODE_TEXTS: &[&str] = &[
    "смс код {}", "sms code {}", "код из смс {}", "код подтверждения {}", "растау коды {}", "пин код {}", "pin {}", "пинкод {}", "otp {}",
    "cvv {}", "код безопасности {}", "your code is {}", "смс-код: {}", "verification code: {}", "код {} не приходит", "ваш код {}",
    "одноразовый пароль {}", "SMS коды {}", "код подтверждения: {}", "пришел код {}", "pin-код {}", "кодовое слово {}", "one-time code {}",
    "{} код подтверждения", "{} is your code", "{} — ваш код",
];
#[rustfmt::skip]
pub(super) const HANDLE_TEXTS: &[&str] = &[
    "инстаграм: {}", "instagram: {}", "телеграм: {}", "telegram: {}", "skype: {}", "ник: {}", "логин: {}", "login: {}", "username: {}",
];
#[rustfmt::skip]
pub(super) const MAIL_TEXTS: &[&str] = &[
    "{n} собака {h} точка {t}", "{n} собака {h}.{t}", "{n} собачка {h} точка {t}", "{n}(собака){h}.{t}", "{n}собака{h}.{t}",
    "{n} at {h} dot {t}", "{n} (at) {h}.{t}", "{n}[at]{h}[dot]{t}", "{n} [at] {h} [dot] {t}", "{n}(at){h}(dot){t}", "{n} {at} {h} {dot} {t}",
    "{n}@{h}[dot]{t}", "{n}@{h} точка {t}", "{n} [@] {h}.{t}", "{n}[собака]{h}[точка]{t}", "{n} айқұлақ {h} нүкте {t}", "{n} эт {h} дот {t}",
    "{n} AT {h} DOT {t}", "{n} <at> {h} <dot> {t}", "{n}(а){h}.{t}", "{n} sobaka {h} tochka {t}", "{n} sobaka {h}.{t}",
    "почта {n} собака {h}", "{n}_at_{h}.{t}", "{n}-at-{h}-dot-{t}", "{n} at {h}.{t}",
];
#[rustfmt::skip]
pub(super) const FLAT_TEXTS: &[&str] = &[
    "кв {}", "кв. {}", "кв.{}", "абая {h} кв {}", "ул. Абая, д. {h}, кв. {}", "квартира {}", "квартира № {}", "пәтер {}", "{}-пәтер",
    "{} пәтер", "доставка кв-{}", "flat {}", "apt {}", "apt. {}", "apartment {}", "Abay ave {h}, apt {}", "мкр Самал-2 дом {h} кв{}",
    "көшесі {h}, {}-пәтер", "kv {}", "kvartira {}", "Абай даңғылы {h} үй {} пәтер", "flat no {}", "кв № {}", "ул Абая {h}-{}", "apt #{}",
    "пәт. {}", "кв: {}", "мкр аксай {h} дом {} кв",
];
#[rustfmt::skip]
pub(super) const TELEPHONE_GAPS: &[&str] = &[
    " тел ", " и ", " then ", " - потом ", " / ", "....", " ___ ", ", ", " моб. ", " пробел ", " тире ", "-----", " x ",
];
#[rustfmt::skip]
pub(super) const DOCUMENT_WORDS: &[&str] = &[
    "паспорт", "удостоверение", "уд. личности", "passport", "id card", "водительское удостоверение", "права", "driver license", "жеке куәлік",
    "төлқұжат", "паспорт серия", "номер паспорта", "удостоверение личности №", "снилс", "св-во о рождении", "куәлік нөмірі", "ВУ",
    "military id", "диплом", "виза",
];
#[rustfmt::skip]
pub(super) const PERSON_WORDS: &[&str] = &[
    "user", "users", "client", "profile", "author", "doctor", "doctors", "team", "staff", "employee", "u", "member", "customer", "people",
    "person", "agent", "seller", "manager", "teacher", "student", "driver", "vrach", "vrachi", "specialist", "master", "prepodavatel",
    "avtor", "klient", "sotrudnik", "polzovatel", "pacient", "dariger", "mugalim", "qyzmetker", "paydalanushy", "пользователь", "клиент",
    "врач", "қызметкер", "дәрігер", "автор", "account", "accounts", "patients", "profiles", "lawyer", "expert", "speaker", "cv", "resume",
    "anketa", "vendor", "host", "coach", "trainer", "candidate", "kandidat",
];
#[rustfmt::skip]
pub(super) const PERSON_PATHS: &[&str] = &[
    "/{w}/{}", "/kz/{w}/{}", "/ru/{w}/{}/orders", "/{w}/view/{}", "/{w}/{}/edit", "/{w}-{}", "/about/{w}/{}", "/{w}/kz/{}", "/@{}", "/~{}",
    "/{w}/{}.html", "/{w}/{}/", "/my/{w}/{}", "/{w}/{}/contacts", "/kk/{w}/{}/photos", "/site/{w}/id/{}",
];
#[rustfmt::skip]
pub(super) const CODE_WORDS: &[&str] = &[
    "купон", "промокод", "промо код", "promo code", "promocode", "coupon", "kupon", "voucher", "сертификат", "код купона", "gift card",
    "реферальный код", "invite code", "ключ активации", "серийный номер", "код скидки", "жеңілдік коды", "промокоды",
];
#[rustfmt::skip]
pub(super) const CONTRACT_WORDS: &[&str] = &[
    "договор", "заказ", "order", "contract", "заявка", "invoice", "счет на оплату", "тапсырыс", "келісімшарт", "шарт", "трек номер",
    "накладная", "бронь", "booking", "лицевой счет", "полис", "кредитный договор", "чек", "ticket", "заказ номер", "өтінім", "dogovor",
];
#[rustfmt::skip]
pub(super) const NAMES: &[&str] = &[
    "aigerim", "nurlan", "dinara", "serik", "olga", "petr", "zhanibek", "madina", "aliya", "yerlan", "svetlana", "dmitri", "gulnara",
    "askhat",
];
#[rustfmt::skip]
pub(super) const SURNAMES: &[&str] = &[
    "ivanov", "akhmetova", "nurpeisov", "kim", "omarov", "petrova", "serikbay", "tulegenov", "suleimenova", "zhaksybekov",
];
#[rustfmt::skip]
pub(super) const CYRILLIC_NAMES: &[&str] = &[
    "айгерим", "нұрлан", "динара", "серік", "ольга", "пётр", "жәнібек", "мәдина", "әлия", "ерлан", "светлана", "гүлнар",
];
#[rustfmt::skip]
pub(super) const MONTHS: [[&str; 12]; 3] = [
    ["января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября", "октября", "ноября", "декабря"],
    ["қаңтар", "ақпан", "наурыз", "сәуір", "мамыр", "маусым", "шілде", "тамыз", "қыркүйек", "қазан", "қараша", "желтоқсан"],
    ["january", "feb", "march", "apr", "may", "june", "jul", "august", "sep", "october", "nov", "december"],
];
