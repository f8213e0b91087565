//! How much text of one beacon is scrubbed, so that no beacon costs much more than others.
//!
//! Undoing encodings and looking for identifiers costs a hundred times more than reading. The beacons of people stay far
//! below the budget. What is beyond it is folded without being decoded: a path keeps only what the configuration lists, and
//! a text becomes `<unreadable>`. A path of plain words needs no decoding and stays.

use super::paths::PathRules;
use super::text::{INPUT_MAX, UNREADABLE, error_template, search_term};
use super::{SCRUBBED_MAX, rules};

/// The budget of one beacon.
pub struct Budget {
    left: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: SCRUBBED_MAX }
    }
}

impl Budget {
    /// The template of a path. A plain path stays whatever was spent.
    pub fn path(&mut self, rules: &PathRules, raw: &str) -> String {
        let is_plain = || raw.split('/').all(|segment| segment.is_empty() || rules::is_plain(segment));
        if self.take(raw.len()) || is_plain() { rules.template(raw) } else { rules.listed(raw) }
    }

    /// What was searched for.
    pub fn search_term(&mut self, raw: &str) -> Option<String> {
        if self.take(raw.len().min(INPUT_MAX)) { search_term(raw) } else { Some(UNREADABLE.to_owned()) }
    }

    /// What went wrong.
    pub fn error_template(&mut self, raw: &str) -> String {
        if self.take(raw.len().min(INPUT_MAX)) { error_template(raw) } else { UNREADABLE.to_owned() }
    }

    /// How many bytes were scrubbed.
    pub fn spent(&self) -> usize {
        SCRUBBED_MAX - self.left
    }

    fn take(&mut self, bytes: usize) -> bool {
        let left = self.left.checked_sub(bytes);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privacy::scrub::decode;

    /// Base64 of digits, in which rules look for identifiers.
    fn hostile(number: usize) -> String {
        format!("/docs/{}{number}", "ODUwMTAxMzAwMTI0".repeat(40))
    }

    #[test]
    fn no_beacon_has_more_bytes_decoded_than_its_budget() {
        for paths in [vec!["/docs/*".to_owned()], vec![]] {
            let (rules, mut budget) = (PathRules::new(&paths), Budget::default());
            let before = decode::decoded_bytes();
            for number in 0..100 {
                let template = budget.path(&rules, &hostile(number));
                assert!(template == "/docs/:x" || template == "/:x/:x", "{template}");
            }
            let decoded = decode::decoded_bytes() - before;
            assert_eq!(decoded, budget.spent());
            assert!((SCRUBBED_MAX / 2..=SCRUBBED_MAX).contains(&decoded), "{decoded}");
        }
    }

    #[test]
    fn beyond_the_budget_only_listed_parts_and_plain_paths_stay() {
        let rules = PathRules::new(&["/docs/*".to_owned(), "/pay/:order".to_owned(), "/a/*/b".to_owned()]);
        let mut budget = Budget { left: 0 };
        for (raw, template) in [
            ("/docs/getting-started", "/docs/getting-started"),
            ("/docs/850101300124", "/docs/:x"),
            ("/pay/850101300124", "/pay/:order"),
            ("/a/77012345678/b", "/a/:x/b"),
            ("/aigerim%40mail.kz", "/:x"),
            ("/%", "/:x"),
        ] {
            assert_eq!(budget.path(&rules, raw), template, "{raw}");
        }
        assert_eq!(budget.path(&PathRules::new(&[]), "/a/77012345678"), "/:x/:x");
        assert_eq!(budget.search_term("iphone").as_deref(), Some(UNREADABLE));
        assert_eq!(budget.error_template("aigerim@mail.kz"), UNREADABLE);
    }

    #[test]
    fn texts_are_paid_for() {
        let mut budget = Budget::default();
        assert_eq!(budget.search_term("iPhone 15").as_deref(), Some("iphone 15"));
        assert_eq!(budget.spent(), 9);
        while budget.error_template(&"слово ".repeat(60)) != UNREADABLE {}
        assert!(budget.spent() <= SCRUBBED_MAX);
    }
}
