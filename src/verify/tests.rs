//! The verdicts of findings, and the output of a report.

use super::findings::EVIDENCE_MAX;
use super::*;

fn report(verdicts: &[(usize, Verdict)]) -> Report {
    let verdict = |at: usize| verdicts.iter().find(|(index, _)| *index == at).map(|(_, verdict)| verdict.clone());
    Report {
        at: "2026-11-25T00:00:00Z".into(),
        version: "0",
        sites: vec!["a.kz".into()],
        stores: ["the vault".into(), "the stats store".into()],
        audit_head: "3 00ff".into(),
        rules: (0..RULES.len())
            .map(|at| Examined { rule: &RULES[at], verdict: verdict(at).unwrap_or(Verdict::Kept) })
            .collect(),
    }
}

#[test]
fn a_rule_that_was_not_examined_is_not_kept() {
    let mut findings = Findings::default();
    assert!(matches!(findings.verdict(&RULES[0]), Verdict::Unknown(_)));
    findings.not_here(RULES[0].name, "nothing there");
    assert!(matches!(findings.verdict(&RULES[0]), Verdict::NotHere(_)));
    findings.add(RULES[0].name, []);
    assert_eq!(findings.verdict(&RULES[0]), Verdict::Kept);
    findings.unknown(RULES[0].name, "away");
    assert!(matches!(findings.verdict(&RULES[0]), Verdict::Unknown(_)));
    findings.add(RULES[0].name, (0..30).map(|number| format!("evidence {number}")));
    let Verdict::Broken(lines) = findings.verdict(&RULES[0]) else { panic!("evidence decides") };
    assert_eq!((lines.len(), lines.last().map(String::as_str)), (EVIDENCE_MAX + 1, Some("and 10 more")));
}

#[test]
fn names_of_rules_are_unique_and_every_rule_has_a_remedy() {
    let names: std::collections::BTreeSet<_> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(names.len(), RULES.len());
    assert!(RULES.iter().all(|rule| rule.says.len() > 20 && rule.clause.contains('§') && rule.remedy.ends_with('.')));
}

#[test]
fn a_report_shows_clause_evidence_and_remedy_and_escapes_them() {
    let hostile = "<script>\u{1b}[2J & co".to_owned();
    let broken = report(&[(0, Verdict::Broken(vec![hostile])), (2, Verdict::Unknown(vec!["away".into()]))]);
    assert_eq!((broken.broken(), broken.unknown(), broken.is_whole()), (1, 1, false));
    for shown in [text(&broken, false), html(&broken)] {
        assert!(shown.contains("JetPay §2") && shown.contains("Revoke one of the two"), "{shown}");
        assert!(shown.contains("NOT WHOLE: 1 of") && shown.contains("away") && shown.contains("3 00ff"));
    }
    assert!(!text(&broken, false).contains('\u{1b}') && text(&broken, true).contains("\u{1b}[31mBROKEN"));
    assert!(html(&broken).contains("&lt;script&gt;") && !html(&broken).contains("<script"));
    let json = serde_json::to_value(&broken).expect("it is JSON");
    assert_eq!(
        (json["rules"][0]["state"].as_str(), json["rules"][1]["state"].as_str()),
        (Some("broken"), Some("kept"))
    );
    assert!(report(&[]).is_whole() && text(&report(&[]), false).contains("The wall is whole"));
}
