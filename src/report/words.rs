//! The texts of a report in English, Russian and Kazakh, as data.

/// A kind of names: the number's kind, the heading, one of them, and what is counted.
pub(super) struct Kind {
    pub(super) key: &'static str,
    pub(super) heading: &'static str,
    pub(super) one: &'static str,
    pub(super) counted: &'static str,
}

const fn kind(key: &'static str, heading: &'static str, one: &'static str, counted: &'static str) -> Kind {
    Kind { key, heading, one, counted }
}

/// The texts of one language. `{…}` is filled in.
pub struct Words {
    /// The language's code, as `lang` in HTML has it.
    pub(super) code: &'static str,
    /// What stands between thousands.
    pub(super) thousands: char,
    pub(super) days: &'static str,
    pub(super) beside_day: &'static str,
    pub(super) beside_week: &'static str,
    pub(super) how: &'static str,
    /// What grey means, in HTML.
    pub(super) grey: &'static str,
    pub(super) missing: &'static str,
    pub(super) nothing: &'static str,
    pub(super) out: &'static str,
    pub(super) sentence: &'static str,
    pub(super) new: &'static str,
    pub(super) in_all: &'static str,
    pub(super) name: &'static str,
    pub(super) number: &'static str,
    pub(super) change: &'static str,
    /// The kinds of names, in the order of a report.
    pub(super) kinds: [Kind; 6],
    totals: [&'static str; 5],
}

/// What a site's totals are called in a report's numbers.
const TOTALS: [&str; 5] = ["views", "visits", "visitors", "bounces", "errors"];

impl Words {
    /// Those of a language by its code; English for a code that is not known.
    pub fn of(code: &str) -> &'static Self {
        LANGUAGES.iter().find(|words| words.code == code).unwrap_or(&LANGUAGES[0])
    }

    /// A total by its name among the numbers.
    pub(super) fn total<'a>(&'a self, name: &'a str) -> &'a str {
        TOTALS.iter().position(|known| *known == name).map_or(name, |at| self.totals[at])
    }
}

static LANGUAGES: [Words; 3] = [
    Words {
        code: "en",
        thousands: ',',
        days: "{first} to {last}",
        beside_day: "Beside the same day of the four weeks before, as the mean of a day.",
        beside_week: "Beside the week before, as the mean of a day.",
        how: "All numbers have noise. A name stands out if it changes otherwise than all visits.",
        grey: "A change in grey may be noise alone.",
        missing: "Only {published} of {days} days are published.",
        nothing: "Nothing stands out.",
        out: "What stands out",
        sentence: "{what}{now} {counted} a day, {before} before ({change})",
        new: "new",
        in_all: "In all",
        name: "name",
        number: "number",
        change: "change",
        kinds: [
            kind("goal", "Goals", "goal", "visits"),
            kind("source", "Sources", "source", "visits"),
            kind("campaign", "Campaigns", "campaign", "visits"),
            kind("page", "Pages", "page", "views"),
            kind("place", "Places", "place", "visitors"),
            kind("error", "Errors of scripts", "error", "times"),
        ],
        totals: TOTALS,
    },
    Words {
        code: "ru",
        thousands: '\u{a0}',
        days: "с {first} по {last}",
        beside_day: "Рядом — тот же день четырёх прошлых недель, в среднем за день.",
        beside_week: "Рядом — прошлая неделя, в среднем за день.",
        how: "Во всех числах есть шум. Название выделяется, если меняется иначе, чем все визиты.",
        grey: "Серое изменение может быть одним шумом.",
        missing: "Опубликовано дней: {published} из {days}.",
        nothing: "Ничего не выделяется.",
        out: "Что выделяется",
        sentence: "{what}{counted} — {now} в день, раньше {before} ({change})",
        new: "новое",
        in_all: "Всего",
        name: "название",
        number: "число",
        change: "изменение",
        kinds: [
            kind("goal", "Цели", "цель", "визиты"),
            kind("source", "Источники", "источник", "визиты"),
            kind("campaign", "Кампании", "кампания", "визиты"),
            kind("page", "Страницы", "страница", "просмотры"),
            kind("place", "Места", "место", "посетители"),
            kind("error", "Ошибки скриптов", "ошибка", "случаи"),
        ],
        totals: ["просмотры", "визиты", "посетители", "отказы", "ошибки"],
    },
    Words {
        code: "kk",
        thousands: '\u{a0}',
        days: "{first} – {last}",
        beside_day: "Қасында — алдыңғы төрт аптаның сол күні, бір күнге орташа.",
        beside_week: "Қасында — алдыңғы апта, бір күнге орташа.",
        how: "Барлық санда шу бар. Атау барлық сапардан өзгеше өзгерсе ғана ерекшеленеді.",
        grey: "Сұр өзгеріс шудың өзі ғана болуы мүмкін.",
        missing: "Жарияланған күндер: {published} / {days}.",
        nothing: "Ештеңе ерекшеленбейді.",
        out: "Не ерекшеленеді",
        sentence: "{what}{counted} — күніне {now}, бұрын {before} ({change})",
        new: "жаңа",
        in_all: "Барлығы",
        name: "атауы",
        number: "саны",
        change: "өзгеріс",
        kinds: [
            kind("goal", "Мақсаттар", "мақсат", "сапар"),
            kind("source", "Көздер", "көз", "сапар"),
            kind("campaign", "Науқандар", "науқан", "сапар"),
            kind("page", "Беттер", "бет", "қаралым"),
            kind("place", "Орындар", "орын", "келуші"),
            kind("error", "Скрипт қателері", "қате", "рет"),
        ],
        totals: ["қаралым", "сапар", "келуші", "бас тарту", "қателер"],
    },
];
