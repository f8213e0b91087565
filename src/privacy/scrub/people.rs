//! Words after which a segment of a path names a person, or what belongs to one: `users`, `врач`, `tapsyrys`.
//!
//! Only for sites that list no paths. A segment after such a word is folded, whether it is a name, a number or an ordinary
//! word, unless it is the name of a page (`users/settings`).

use super::dictionary::{Role, Roles, roles};
use super::segment::is_year;

/// Endings that say what a page is written in, or what else a file is.
const EXTENSIONS: [&str; 14] =
    ["html", "php", "htm", "aspx", "js", "css", "json", "xml", "pdf", "png", "jpg", "svg", "csv", "txt"];
/// Words that a name has at most, behind the word before it: surname, name, patronymic.
const NAME_WORDS_MAX: usize = 3;
/// Endings of what is done or is the case, which no name has: `client-integration`, `user-management`.
const NOUNS: [&str; 16] = [
    "tion", "tions", "sion", "sions", "ment", "ments", "ness", "ship", "ware", "ance", "ence", "ability", "ology",
    "ics", "ivity", "ality",
];

/// Whether a segment names somebody, for what stands before it or in it.
pub(super) fn is_somebody(segment: &str, before: &[&str]) -> bool {
    let mut rest = before.iter().rev();
    let mut announced = rest.next().map(|last| roles(last)).unwrap_or_default();
    if !names_people(announced) && (announced.has(Role::Between) || before.last().is_some_and(|last| is_year(last))) {
        announced = rest.next().map(|last| roles(last)).unwrap_or_default();
    }
    (names_people(announced) && !is_page(segment) && !is_year(segment))
        || names_after_its_first_word(segment)
        || segment.starts_with('~')
}

fn is_page(segment: &str) -> bool {
    let name =
        segment.rsplit_once('.').filter(|(_, ending)| EXTENSIONS.contains(ending)).map_or(segment, |(name, _)| name);
    roles(name).has(Role::Page)
}

/// `user-aigerim`, `klient_ivanov`.
fn names_after_its_first_word(segment: &str) -> bool {
    let Some((first, rest)) = segment.split_once(['-', '_', '.']) else { return false };
    let mut words = rest.split(['-', '_', '.']);
    let second = words.next().unwrap_or_default();
    roles(first).has(Role::Tied)
        && words.filter(|word| !EXTENSIONS.contains(word)).count() < NAME_WORDS_MAX
        && !NOUNS.iter().any(|ending| second.len() > ending.len() + 2 && second.ends_with(ending))
        && !is_page(second)
        && !roles(second).has(Role::TiedPage)
        && !EXTENSIONS.contains(&second)
}

/// Whether what follows a segment is somebody.
pub(super) fn announces(segment: &str) -> bool {
    names_people(roles(segment))
}

fn names_people(roles: Roles) -> bool {
    roles.has(Role::People) && !roles.has(Role::AlsoPage)
}

/// Whether people, or what belongs to them, are numbered by this word.
pub(super) fn is_numbered(word: &str) -> bool {
    roles(word).has(Role::People)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_known_by_the_word_before_it() {
        for (path, somebody) in [
            ("users/aigerim", true),
            ("client/ivanov-petr", true),
            ("client/kz/ivanov", true),
            ("users/view/aigerim", true),
            ("врач/айгерим", true),
            ("profile/aigerim.html", true),
            ("x/user-aigerim", true),
            ("x/~aigerim", true),
            ("students/2024/aigerim", true),
            ("doctors/almaty/aigerim", true),
            ("нотариус/айгерим", true),
            ("x/patients-aigerim", true),
            ("users/settings", false),
            ("users/login.php", false),
            ("x/user-guide", false),
            ("x/client-bank", false),
            ("x/author-guidelines", false),
            ("x/мастер-класс", false),
            ("x/мастер-айгерим", true),
            ("x/profile-cart", false),
            ("x/client.js", false),
            ("x/client-integration", false),
            ("x/user-interface-and-experience-rules", false),
            ("x/client-ivanov-petr-sergeevich.html", true),
            ("catalog/tea", false),
        ] {
            let (before, segment) =
                path.split_once('/').map_or((vec![], path), |(before, rest)| match rest.rsplit_once('/') {
                    Some((between, last)) => (vec![before, between], last),
                    None => (vec![before], rest),
                });
            assert_eq!(is_somebody(segment, &before), somebody, "{path}");
        }
    }
}
