//! Rows of JSON: one object a line, its members the columns.
//!
//! Values are numbers, texts, truth values (1 and 0) or null; what is nested is refused where a column of it is wanted, and
//! passed over without recursion where none is.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::{Columns, Row, RowFormat, number};

/// How the members of an object become a row.
pub(super) struct JsonLines {
    label: String,
    features: Vec<String>,
    /// The place of each feature.
    places: BTreeMap<String, usize>,
}

impl JsonLines {
    /// Takes the wanted columns, or all of the first row's but the label, in its order.
    pub(super) fn new(first: &[u8], wanted: &Columns) -> Result<JsonLines, String> {
        let label = wanted.label.clone();
        let features = match &wanted.features {
            Some(features) => features.clone(),
            None => {
                let mut names = Names::default();
                read(first, &mut names)?;
                let all = names.0;
                if !all.contains(&label) {
                    let known: Vec<String> =
                        all.iter().take(20).map(|name| super::shown(name)).collect();
                    let label = super::shown(&label);
                    return Err(format!(
                        "its first row has no `{label}`: it has {}",
                        known.join(", ")
                    ));
                }
                all.into_iter().filter(|name| *name != label).collect()
            }
        };
        let places = features.iter().cloned().zip(0..).collect();
        Ok(JsonLines { label, features, places })
    }
}

impl RowFormat for JsonLines {
    fn names(&self) -> Vec<String> {
        self.features.clone()
    }

    fn label<'r>(&self, record: &'r [u8]) -> Result<Cow<'r, [u8]>, String> {
        self.parse(record).map(|row| Cow::Owned(row.label))
    }

    fn parse(&self, record: &[u8]) -> Result<Row, String> {
        let mut members = Members {
            of: self,
            label: None,
            features: vec![f32::NAN; self.features.len()],
            fault: None,
        };
        read(record, &mut members)?;
        if let Some(fault) = members.fault {
            return Err(fault);
        }
        Ok(Row { label: members.label.unwrap_or_default(), features: members.features })
    }
}

/// Takes the members of an object as they come.
trait Take {
    /// Takes one member; its value must be read.
    fn take<'de, M: MapAccess<'de>>(&mut self, name: String, map: &mut M) -> Result<(), M::Error>;
}

/// Reads one object and nothing behind it.
fn read(record: &[u8], take: &mut impl Take) -> Result<(), String> {
    struct Object<'t, T>(&'t mut T);
    impl<'de, T: Take> Visitor<'de> for Object<'_, T> {
        type Value = ();
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object, such as {\"age\": 30, \"kind\": \"dog\"}")
        }
        fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
            while let Some(name) = map.next_key::<String>()? {
                self.0.take(name, &mut map)?;
            }
            Ok(())
        }
    }
    impl<'de, T: Take> DeserializeSeed<'de> for Object<'_, T> {
        type Value = ();
        fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
            from.deserialize_map(self)
        }
    }
    let mut from = serde_json::Deserializer::from_slice(record);
    let read = Object(take).deserialize(&mut from).and_then(|()| from.end());
    read.map_err(|error| format!("it is no row of JSON: {error}"))
}

/// The names of all members.
#[derive(Default)]
struct Names(Vec<String>);

impl Take for Names {
    fn take<'de, M: MapAccess<'de>>(&mut self, name: String, map: &mut M) -> Result<(), M::Error> {
        self.0.push(name);
        map.next_value::<IgnoredAny>().map(|_| ())
    }
}

/// The wanted members.
struct Members<'j> {
    of: &'j JsonLines,
    label: Option<Vec<u8>>,
    features: Vec<f32>,
    fault: Option<String>,
}

impl Take for Members<'_> {
    fn take<'de, M: MapAccess<'de>>(&mut self, name: String, map: &mut M) -> Result<(), M::Error> {
        if name == self.of.label {
            self.label = Some(match map.next_value::<Scalar>()? {
                Scalar::Whole(whole) => whole.to_string().into_bytes(),
                Scalar::Real(real) => real.to_string().into_bytes(),
                Scalar::Text(text) => text.trim().as_bytes().to_vec(),
                Scalar::Null => Vec::new(),
            });
            return Ok(());
        }
        let Some(&place) = self.of.places.get(&name) else {
            return map.next_value::<IgnoredAny>().map(|_| ());
        };
        self.features[place] = match map.next_value::<Scalar>()? {
            Scalar::Whole(whole) => whole as f32,
            Scalar::Real(real) => real as f32,
            Scalar::Null => f32::NAN,
            Scalar::Text(text) => number(&name, text.as_bytes()).unwrap_or_else(|fault| {
                self.fault.get_or_insert(fault);
                f32::NAN
            }),
        };
        Ok(())
    }
}

/// A value that is not nested.
enum Scalar {
    Whole(i128),
    Real(f64),
    Text(String),
    Null,
}

impl<'de> de::Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Scalar;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, a text, true, false or null")
            }
            fn visit_bool<E>(self, truth: bool) -> Result<Scalar, E> {
                Ok(Scalar::Whole(truth.into()))
            }
            fn visit_i64<E>(self, whole: i64) -> Result<Scalar, E> {
                Ok(Scalar::Whole(whole.into()))
            }
            fn visit_u64<E>(self, whole: u64) -> Result<Scalar, E> {
                Ok(Scalar::Whole(whole.into()))
            }
            fn visit_f64<E>(self, real: f64) -> Result<Scalar, E> {
                Ok(Scalar::Real(real))
            }
            fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(text.to_owned()))
            }
            fn visit_unit<E>(self) -> Result<Scalar, E> {
                Ok(Scalar::Null)
            }
        }
        from.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(features: Option<&[&str]>) -> Columns {
        let features = features.map(|names| names.iter().map(|&name| name.to_owned()).collect());
        Columns { label: "kind".into(), features }
    }

    #[test]
    fn members_become_columns_in_the_order_of_the_first_row() {
        let first = br#"{"b": 1, "kind": "dog", "a": true}"#;
        let all = JsonLines::new(first, &columns(None)).unwrap();
        assert_eq!(all.names(), ["b", "a"]);
        let row = all.parse(br#"{"kind": 7, "a": "2.5", "more": [[{}]], "b": 1e3}"#).unwrap();
        assert_eq!((row.features, &row.label[..]), (vec![1e3, 2.5], &b"7"[..]));
        let missing = all.parse(br#"{"a": null}"#).unwrap();
        assert!(missing.features.iter().all(|number| number.is_nan()) && missing.label.is_empty());
    }

    #[test]
    fn what_is_no_row_is_refused_however_deep_it_is() {
        let rows = JsonLines::new(b"{}", &columns(Some(&["a"]))).unwrap();
        let deep = format!("{{\"x\": {}", "[".repeat(1_000_000));
        for bad in
            ["", "[1]", "{\"a\": 1", "{\"a\": 1} x", "{\"a\": [1]}", "{\"a\": {}}", "nul", &deep]
        {
            let refused = rows.parse(bad.as_bytes()).unwrap_err();
            assert!(refused.contains("no row of JSON"), "{refused}");
        }
        assert_eq!(rows.parse(br#"{"a": "x"}"#).unwrap_err(), "column `a` is \"x\": no number");
        let error = JsonLines::new(b"{\"a\": 1}", &columns(None)).err().unwrap();
        assert_eq!(error, "its first row has no `kind`: it has a");
    }
}
