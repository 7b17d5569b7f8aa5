//! Rows of CSV: fields between delimiters, in quotes where they hold one.
//!
//! Source: RFC 4180, "Common Format and MIME Type for CSV Files".

use std::borrow::Cow;

use super::{Columns, Row, RowFormat, number};

/// How the columns of a CSV file become a row.
pub(super) struct Csv {
    delimiter: u8,
    /// How many fields every row has.
    width: usize,
    /// Which field is the label.
    label: usize,
    /// The name of every feature and which field it is.
    features: Vec<(String, usize)>,
}

impl Csv {
    /// Finds the wanted columns among those of a header.
    pub(super) fn new(names: &[String], wanted: &Columns, delimiter: u8) -> Result<Csv, String> {
        for (at, name) in names.iter().enumerate() {
            if names[..at].contains(name) {
                return Err(format!("two columns are called `{}`", super::shown(name)));
            }
        }
        let place = |name: &str| {
            let known = || names.iter().take(20).map(|name| super::shown(name)).collect::<Vec<_>>();
            names.iter().position(|known| known == name).ok_or_else(|| {
                format!(
                    "no column is called `{}`: there are {}",
                    super::shown(name),
                    known().join(", ")
                )
            })
        };
        let label = place(&wanted.label)?;
        let features = match &wanted.features {
            Some(wanted) => wanted
                .iter()
                .map(|name| Ok((name.clone(), place(name)?)))
                .collect::<Result<Vec<_>, String>>()?,
            None => {
                let others = names.iter().cloned().zip(0..);
                others.filter(|(_, at)| *at != label).collect()
            }
        };
        Ok(Csv { delimiter, width: names.len(), label, features })
    }

    /// The names in a header row.
    pub(super) fn header(record: &[u8], delimiter: u8) -> Result<Vec<String>, String> {
        // A mark of the byte order, as spreadsheets write it.
        let record = record.strip_prefix(b"\xef\xbb\xbf").unwrap_or(record);
        let name = |field: Result<Cow<'_, [u8]>, String>| {
            let text = String::from_utf8(field?.trim_ascii().to_vec());
            text.map_err(|_| "a column's name is not UTF-8: save the file as UTF-8".to_owned())
        };
        Fields { rest: Some(record), delimiter }.map(name).collect()
    }
}

impl RowFormat for Csv {
    fn names(&self) -> Vec<String> {
        self.features.iter().map(|(name, _)| name.clone()).collect()
    }

    fn label<'r>(&self, record: &'r [u8]) -> Result<Cow<'r, [u8]>, String> {
        let mut fields = Fields { rest: Some(record), delimiter: self.delimiter };
        match fields.nth(self.label) {
            Some(field) => Ok(trimmed(field?)),
            None => self.parse(record).map(|_| Cow::Borrowed(&b""[..])),
        }
    }

    fn parse(&self, record: &[u8]) -> Result<Row, String> {
        let fields = Fields { rest: Some(record), delimiter: self.delimiter };
        let fields: Vec<Cow<'_, [u8]>> = fields.collect::<Result<_, _>>()?;
        if fields.len() != self.width {
            let (found, width) = (fields.len(), self.width);
            return Err(format!("it has {found} fields where the header has {width}"));
        }
        let features = self.features.iter().map(|(name, at)| number(name, &fields[*at]));
        let features = features.collect::<Result<_, _>>()?;
        Ok(Row { label: fields[self.label].trim_ascii().to_vec(), features })
    }
}

fn trimmed(field: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    match field {
        Cow::Borrowed(field) => Cow::Borrowed(field.trim_ascii()),
        Cow::Owned(field) => Cow::Owned(field.trim_ascii().to_vec()),
    }
}

/// The fields of a record; none after the first that cannot be.
struct Fields<'r> {
    rest: Option<&'r [u8]>,
    delimiter: u8,
}

impl<'r> Iterator for Fields<'r> {
    type Item = Result<Cow<'r, [u8]>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        if let Some(quoted) = rest.strip_prefix(b"\"") {
            return Some(self.quoted(quoted));
        }
        match memchr::memchr(self.delimiter, rest) {
            Some(end) => {
                self.rest = Some(&rest[end + 1..]);
                Some(Ok(Cow::Borrowed(&rest[..end])))
            }
            None => Some(Ok(Cow::Borrowed(rest))),
        }
    }
}

impl<'r> Fields<'r> {
    /// A field whose opening quote is read: two quotes in it mean one.
    fn quoted(&mut self, rest: &'r [u8]) -> Result<Cow<'r, [u8]>, String> {
        let (mut text, mut from) = (Cow::Borrowed(&rest[..0]), 0);
        loop {
            let Some(found) = memchr::memchr(b'"', &rest[from..]) else {
                return Err("a quote is never closed".into());
            };
            let end = from + found;
            match rest.get(end + 1) {
                Some(b'"') => {
                    text.to_mut().extend_from_slice(&rest[from..=end]);
                    from = end + 2;
                    continue;
                }
                Some(&byte) if byte == self.delimiter => self.rest = Some(&rest[end + 2..]),
                None => {}
                Some(_) => return Err("something follows a closing quote".into()),
            }
            if from == 0 {
                return Ok(Cow::Borrowed(&rest[..end]));
            }
            text.to_mut().extend_from_slice(&rest[from..end]);
            return Ok(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(record: &str) -> Result<Vec<String>, String> {
        let fields = Fields { rest: Some(record.as_bytes()), delimiter: b',' };
        fields
            .map(|field| field.map(|text| String::from_utf8(text.into_owned()).unwrap()))
            .collect()
    }

    #[test]
    fn fields_are_as_the_rfc_has_them() {
        let read = |record: &str| fields(record).unwrap();
        assert_eq!(read("a,b,,d"), ["a", "b", "", "d"]);
        assert_eq!(read("a,"), ["a", ""]);
        assert_eq!(read("\"a,b\",\"say \"\"yes\"\"\",\"\""), ["a,b", "say \"yes\"", ""]);
        assert_eq!(read("\"two\nlines\",x"), ["two\nlines", "x"]);
        assert_eq!(read("5\" pipe,x"), ["5\" pipe", "x"]);
        assert_eq!(fields("\"open,x").unwrap_err(), "a quote is never closed");
        assert_eq!(fields("\"a\"b,x").unwrap_err(), "something follows a closing quote");
    }

    #[test]
    fn a_row_has_its_numbers_by_the_names_of_their_columns() {
        let names = Csv::header(b"\xef\xbb\xbfid, age ,\"kind\",height", b',').unwrap();
        assert_eq!(names, ["id", "age", "kind", "height"]);
        let wanted = |features: Option<&[&str]>| Columns {
            label: "kind".into(),
            features: features.map(|names| names.iter().map(|&name| name.to_owned()).collect()),
        };
        let all = Csv::new(&names, &wanted(None), b',').unwrap();
        assert_eq!(all.names(), ["id", "age", "height"]);
        let two = Csv::new(&names, &wanted(Some(&["height", "age"])), b',').unwrap();
        let row = two.parse(b"x, 30 ,\"dog\",1.5e2").unwrap();
        assert_eq!((row.features, &row.label[..]), (vec![150.0, 30.0], &b"dog"[..]));
        assert_eq!(all.parse(b"x,1,dog,2").unwrap_err(), "column `id` is \"x\": no number");
        assert_eq!(two.parse(b"1,2,dog").unwrap_err(), "it has 3 fields where the header has 4");
        assert!(two.parse(b"1,,dog,NA").unwrap().features.iter().all(|number| number.is_nan()));
        let error = Csv::new(&names, &wanted(Some(&["weight"])), b',').err().unwrap();
        assert_eq!(error, "no column is called `weight`: there are id, age, kind, height");
        let twice = ["a".to_owned(), "kind".to_owned(), "a".to_owned()];
        assert!(Csv::new(&twice, &wanted(None), b',').is_err());
    }
}
