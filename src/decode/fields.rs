//! The fields of an event in any order, before its type decides which of them are needed.
//!
//! Parsing them fails only if the bytes are no JSON. A field that is not needed may have any value, also twice. A
//! needed field must be there once with a value of its type; otherwise the event is malformed.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::outcome::Rejection;

/// The value of a field.
#[derive(Debug, Default)]
pub(super) enum Held<'a> {
    /// The field is missing.
    #[default]
    Nothing,
    Null,
    Text(Cow<'a, str>),
    Number(u64),
    Bool(bool),
    /// Another type of value, or the field is there twice.
    Other,
}

impl<'a> Held<'a> {
    pub(super) fn text(self) -> Result<Cow<'a, str>, Rejection> {
        self.optional_text()?.ok_or(Rejection::Malformed)
    }

    pub(super) fn optional_text(self) -> Result<Option<Cow<'a, str>>, Rejection> {
        match self {
            Self::Nothing | Self::Null => Ok(None),
            Self::Text(text) => Ok(Some(text)),
            Self::Number(_) | Self::Bool(_) | Self::Other => Err(Rejection::Malformed),
        }
    }

    pub(super) fn optional_bool(self) -> Result<bool, Rejection> {
        match self {
            Self::Nothing | Self::Null => Ok(false),
            Self::Bool(value) => Ok(value),
            Self::Text(_) | Self::Number(_) | Self::Other => Err(Rejection::Malformed),
        }
    }

    pub(super) fn number(self) -> Result<u64, Rejection> {
        if let Self::Number(number) = self { Ok(number) } else { Err(Rejection::Malformed) }
    }
}

/// The whole number that a JSON number without a fraction is, however it is written (`0.0`, `1e2`). What is larger than
/// any limit becomes the largest number.
pub(super) fn whole(number: f64) -> Option<u64> {
    (number >= 0.0 && number.fract() == 0.0).then_some(number as u64)
}

/// [`whole`], for a field of a struct.
pub(super) struct Whole(pub(super) u64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match OfValue.deserialize(from)? {
            Held::Number(number) => Ok(Self(number)),
            _ => Err(D::Error::custom("a whole number is expected")),
        }
    }
}

/// The fields of an event. All are missing if the event is no object.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    pub(super) kind: Held<'a>,
    pub(super) at: Held<'a>,
    pub(super) url: Held<'a>,
    pub(super) referrer: Held<'a>,
    pub(super) engaged_ms: Held<'a>,
    pub(super) name: Held<'a>,
    pub(super) variant: Held<'a>,
    pub(super) query: Held<'a>,
    pub(super) message: Held<'a>,
    pub(super) state: Held<'a>,
    pub(super) paid: Held<'a>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OfObject;

        impl<'de> Visitor<'de> for OfObject {
            type Value = Fields<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an event")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Fields::default();
                while let Some(key) = map.next_key::<Key>()? {
                    let slot = match key {
                        Key::Kind => &mut fields.kind,
                        Key::At => &mut fields.at,
                        Key::Url => &mut fields.url,
                        Key::Referrer => &mut fields.referrer,
                        Key::EngagedMs => &mut fields.engaged_ms,
                        Key::Name => &mut fields.name,
                        Key::Variant => &mut fields.variant,
                        Key::Query => &mut fields.query,
                        Key::Message => &mut fields.message,
                        Key::State => &mut fields.state,
                        Key::Paid => &mut fields.paid,
                        Key::Unknown => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    let held = map.next_value_seed(OfValue)?;
                    *slot = if matches!(slot, Held::Nothing) { held } else { Held::Other };
                }
                Ok(fields)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                OfValue.visit_seq(seq).map(|_| Fields::default())
            }

            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Fields::default())
            }

            fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                Ok(Fields::default())
            }

            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Fields::default())
            }

            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Fields::default())
            }

            fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
                Ok(Fields::default())
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Fields::default())
            }
        }

        from.deserialize_any(OfObject)
    }
}

/// The name of a field.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Key {
    #[serde(rename = "type")]
    Kind,
    At,
    Url,
    Referrer,
    EngagedMs,
    Name,
    Variant,
    Query,
    Message,
    State,
    Paid,
    #[serde(other)]
    Unknown,
}

struct OfValue;

impl<'de> DeserializeSeed<'de> for OfValue {
    type Value = Held<'de>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OfValue {
    type Value = Held<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Held::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Held::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Held::Number(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Held::Other)
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(whole(number).map_or(Held::Other, Held::Number))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Held::Bool(value))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Held::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Held::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Held::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Fields<'_> {
        serde_json::from_str(json).expect("JSON")
    }

    #[test]
    fn needed_fields_must_be_there_once_and_others_may_be_anything() {
        let of = read(
            r#"{"new":[{}],"url":7,"at":5,"name":{"a":[1]},"type":"v\u0069ew","query":"a","query":"a","state":null}"#,
        );
        assert!(matches!(&of.kind, Held::Text(Cow::Owned(text)) if text == "view"));
        assert_eq!(of.at.number(), Ok(5));
        assert_eq!(of.state.optional_text(), Ok(None));
        assert_eq!(of.variant.optional_text(), Ok(None));
        for held in [of.url, of.name, of.query, of.message] {
            assert_eq!(held.text(), Err(Rejection::Malformed));
        }
        for number in ["-1", "1.5", "-1.0", "1e-1", "\"1\"", "null", "true"] {
            assert_eq!(read(&format!("{{\"at\":{number}}}")).at.number(), Err(Rejection::Malformed), "{number}");
        }
        for (number, whole) in
            [("0.0", 0), ("-0", 0), ("-0.0", 0), ("1e2", 100), ("1.5E1", 15), ("86400000.000", 86_400_000)]
        {
            assert_eq!(read(&format!("{{\"at\":{number}}}")).at.number(), Ok(whole), "{number}");
        }
        assert_eq!(read("{\"at\":18446744073709551616}").at.number(), Ok(u64::MAX), "beyond every limit");
        assert_eq!(read("{\"paid\":true}").paid.optional_bool(), Ok(true));
        assert_eq!(read("{}").paid.optional_bool(), Ok(false));
        assert_eq!(read("{\"paid\":1}").paid.optional_bool(), Err(Rejection::Malformed));
        for other in ["7", "-7", "7.5", "null", "true", "[1,{}]", "\"a\""] {
            assert!(matches!(read(other).kind, Held::Nothing), "{other}");
        }
    }
}
