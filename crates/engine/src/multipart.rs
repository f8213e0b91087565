//! `multipart/form-data`, as far as ClickHouse's clients use it: small text fields (`query`, `param_*`).
//!
//! The body is already in memory and bounded by the caller. A part with a file name is "external data", an uploaded
//! table to join with; it is refused.

use crate::failure::Failure;

/// More fields than any client sends.
const MAX_FIELDS: usize = 1000;

/// The boundary that a `Content-Type` announces, if it announces a form.
pub(crate) fn boundary(content_type: &str) -> Option<Result<String, Failure>> {
    let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let found = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"').to_owned())
    });
    let fits = |boundary: &String| (1..=70).contains(&boundary.len());
    Some(
        found
            .filter(fits)
            .ok_or_else(|| Failure::bad_request("The form's Content-Type has no boundary of 1 to 70 characters.")),
    )
}

/// The form's fields, in order.
pub(crate) fn fields(body: &[u8], boundary: &str) -> Result<Vec<(String, String)>, Failure> {
    let delimiter = format!("--{boundary}");
    let inner = format!("\r\n{delimiter}");
    let mut rest = match find(body, delimiter.as_bytes()) {
        // What stands before the first delimiter is a preamble, to be ignored; it ends with a line end unless it is
        // empty.
        Some(at) if at == 0 || body[..at].ends_with(b"\r\n") => &body[at + delimiter.len()..],
        _ => return Err(malformed()),
    };
    let mut fields = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Ok(fields);
        }
        let part = rest.strip_prefix(b"\r\n").ok_or_else(malformed)?;
        let end = find(part, inner.as_bytes()).ok_or_else(malformed)?;
        fields.push(field(&part[..end])?);
        if fields.len() > MAX_FIELDS {
            return Err(Failure::bad_request("The form has more than 1000 fields."));
        }
        rest = &part[end + inner.len()..];
    }
}

fn field(part: &[u8]) -> Result<(String, String), Failure> {
    let (head, value) = match find(part, b"\r\n\r\n") {
        Some(at) => (&part[..at], &part[at + 4..]),
        None => return Err(malformed()),
    };
    let head = std::str::from_utf8(head).map_err(|_| malformed())?;
    let disposition = head
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"))
        .map(|(_, value)| value.trim())
        .ok_or_else(malformed)?;
    let parameters = parameters(disposition)?;
    if parameters.iter().any(|(name, _)| name.starts_with("filename")) {
        return Err(Failure::not_implemented(
            "A form with a file is external data, a table to join with, and is not accepted. Insert it into a table instead.",
        ));
    }
    let name = parameters.into_iter().find(|(name, _)| name == "name").map(|(_, value)| value).ok_or_else(malformed)?;
    let value = std::str::from_utf8(value).map_err(|_| Failure::bad_request("A field of the form is not UTF-8."))?;
    Ok((name, value.to_owned()))
}

/// `form-data; name="a"; filename="b"`: the parameters, names in lower case.
fn parameters(disposition: &str) -> Result<Vec<(String, String)>, Failure> {
    let mut rest = disposition.strip_prefix("form-data").ok_or_else(malformed)?;
    let mut found = Vec::new();
    while let Some(after) = rest.trim_start().strip_prefix(';') {
        let (name, value) = after.split_once('=').ok_or_else(malformed)?;
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or_else(malformed)?,
            None => value.split_at(value.find(';').unwrap_or(value.len())),
        };
        found.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        rest = after;
    }
    if rest.trim().is_empty() { Ok(found) } else { Err(malformed()) }
}

fn malformed() -> Failure {
    Failure::bad_request("The multipart form is malformed.")
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn form(fields: &[(&str, &str)]) -> Vec<u8> {
        let mut body = String::new();
        for (name, value) in fields {
            body += &format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        }
        (body + "--b--\r\n").into_bytes()
    }

    #[test]
    fn fields_come_in_order_with_their_values_untouched() {
        let body = form(&[("query", "SELECT {a:String}\r\n"), ("param_a", "-- b"), ("param_b", "")]);
        let expected = [("query", "SELECT {a:String}\r\n"), ("param_a", "-- b"), ("param_b", "")];
        assert_eq!(fields(&body, "b").unwrap(), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_file_is_refused_with_a_sentence() {
        let body = b"--b\r\nContent-Disposition: form-data; name=\"t\"; filename=\"t.csv\"\r\n\r\n1\r\n--b--\r\n";
        assert!(fields(body, "b").unwrap_err().text.contains("external data"));
    }

    #[test]
    fn a_broken_form_is_refused() {
        for body in [
            "",
            "--b",
            "--b\r\n",
            "--b\r\n\r\nx\r\n--b--",
            "x--b\r\n",
            "--b\r\nContent-Disposition: form-data; name=\"a\r\n\r\n\r\n--b--",
        ] {
            assert!(fields(body.as_bytes(), "b").is_err(), "{body:?}");
        }
    }

    #[test]
    fn the_boundary_is_read_from_the_content_type() {
        assert_eq!(boundary("multipart/form-data; boundary=abc").unwrap().unwrap(), "abc");
        assert_eq!(boundary("Multipart/Form-Data; charset=x; Boundary=\"a b\"").unwrap().unwrap(), "a b");
        assert!(boundary("multipart/form-data").unwrap().is_err());
        assert!(boundary("text/plain; boundary=abc").is_none());
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(values in proptest::collection::vec("[ -~\r\n]{0,30}", 1..6)) {
            prop_assume!(values.iter().all(|value| !format!("\r\n{value}").contains("\r\n--b")));
            let named: Vec<(&str, &str)> = values.iter().map(|value| ("param_x", value.as_str())).collect();
            let read = fields(&form(&named), "b").unwrap();
            prop_assert_eq!(read.into_iter().map(|(_, value)| value).collect::<Vec<_>>(), values);
        }

        #[test]
        fn any_body_is_read_without_panic(body in "(--b|--|\r\n|Content-Disposition: form-data;|name=|\"|filename|x|:){0,30}") {
            let _ = fields(body.as_bytes(), "b");
        }
    }
}
