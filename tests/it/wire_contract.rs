//! Do the collector and the wire's schema agree on every example? The snippet's tests ask the same of the snippet.

use std::fs;
use std::path::Path;

use tamga::decode::beacon::parse;

#[test]
fn the_collector_takes_what_the_schema_allows_and_refuses_what_it_does_not() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/wire/examples");
    let (mut valid, mut invalid, mut wrong) = (0, 0, Vec::new());
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let outcome = parse(&fs::read(&path).unwrap());
        match (name.starts_with("valid-"), outcome) {
            (true, Ok(_)) => valid += 1,
            (false, Err(_)) => invalid += 1,
            (true, Err(rejection)) => wrong.push(format!("{name} is refused: {}", rejection.name())),
            (false, Ok(_)) => wrong.push(format!("{name} is taken")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(valid >= 5 && invalid >= 20, "{valid} valid and {invalid} invalid examples");
}
