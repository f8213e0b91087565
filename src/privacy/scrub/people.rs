//! Words after which a segment of a path names a person, or what belongs to one: `users`, `врач`, `tapsyrys`.
//!
//! Only for sites that list no paths. A segment after such a word is folded, whether it is a name, a number or an ordinary
//! word, unless it is the name of a page (`users/settings`).

use super::dictionary::{Role, Roles, roles};
use super::segment::is_year;

/// Endings that say what a page is written in.
const EXTENSIONS: [&str; 4] = ["html", "php", "htm", "aspx"];

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
    let second = rest.split(['-', '_', '.']).next().unwrap_or_default();
    roles(first).has(Role::Tied)
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
