//! The body of a call for a verdict: what is refused is the sender's fault, and no field counts that is unknown or was not agreed to.

use serde_json::{Map, Value};
use tamga::outcome::LEVELS;
use tamga::protect::level_of_body;

/// A body.
pub(crate) fn run(data: &[u8]) {
    if let Err(refused) = level_of_body(data) {
        return assert!((400..500).contains(&refused.status()), "{refused:?}");
    }
    // The other reader of JSON is stricter in what we leave unread.
    let Ok(Value::Object(fields)) = serde_json::from_slice(data) else { return };
    let (level, discarded) = read(&fields);

    if !fields.contains_key("unknown") {
        let more = Map::from_iter(fields.clone().into_iter().chain([("unknown".to_owned(), Value::Null)]));
        assert_eq!(read(&more), (level, discarded + 1), "an unknown field counts");
    }
    let ports = level - read(&without(&fields, "ports")).0;
    assert_eq!(read(&without(&fields, "consent")).0 + ports, level, "ports count without consent");
    let mut silent = fields;
    silent.insert("evidence".to_owned(), Value::Object(Map::new()));
    assert!(read(&silent).0 <= level, "less evidence weighs more");
}

/// The number of the level, and how many fields were discarded.
fn read(fields: &Map<String, Value>) -> (usize, u32) {
    let body = serde_json::to_vec(fields).expect("it was read");
    let (level, discarded) = level_of_body(&body).expect("it was taken before");
    (LEVELS.iter().position(|known| *known == level).expect("a level"), discarded)
}

fn without(fields: &Map<String, Value>, name: &str) -> Map<String, Value> {
    Map::from_iter(fields.clone().into_iter().filter(|(field, _)| field != name))
}
