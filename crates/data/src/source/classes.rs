//! From the labels that a source writes to the numbers of classes.
//!
//! When every label is a whole number from 0 to 255, the numbers are the classes. Else labels are names, and classes are
//! numbered in the order of the names' bytes: the same data gives the same numbers, whatever the order of its items.

use std::collections::BTreeMap;
use std::path::Path;

use super::SourceError;

/// The label of an item is a byte.
pub(super) const CLASSES_MAX: usize = 256;

/// No label is longer, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// Why a label is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum LabelFault {
    #[error("has no label")]
    Empty,
    #[error("has a label of over {NAME_BYTES_MAX} bytes")]
    Long,
    #[error("has a label that is not UTF-8, or has control characters")]
    Unprintable,
    #[error(
        "has one label more than the {CLASSES_MAX} that there may be: is the right thing its label?"
    )]
    TooMany,
}

/// What is wrong with a label by itself.
pub(super) fn check(label: &[u8]) -> Result<(), LabelFault> {
    let is_shown = std::str::from_utf8(label).is_ok_and(|text| !text.contains(char::is_control));
    match () {
        () if label.is_empty() => Err(LabelFault::Empty),
        () if label.len() > NAME_BYTES_MAX => Err(LabelFault::Long),
        () if !is_shown => Err(LabelFault::Unprintable),
        () => Ok(()),
    }
}

/// Labels as they are met, each with a number for the time being.
#[derive(Default)]
pub(super) struct Seen {
    numbers: BTreeMap<Vec<u8>, u8>,
}

impl Seen {
    /// The provisional number of a label.
    pub(super) fn number(&mut self, label: &[u8]) -> Result<u8, LabelFault> {
        if let Some(number) = self.numbers.get(label) {
            return Ok(*number);
        }
        check(label)?;
        let number = u8::try_from(self.numbers.len()).map_err(|_| LabelFault::TooMany)?;
        self.numbers.insert(label.to_vec(), number);
        Ok(number)
    }
}

/// What the labels of a source mean.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Classes {
    /// How many there are: every class is below.
    pub(super) count: usize,
    /// Their names in their order; empty when they have only numbers.
    pub(super) names: Vec<String>,
    /// The class of every provisional number of training.
    pub(super) train: Vec<u8>,
    /// The class of every provisional number of testing.
    pub(super) test: Vec<u8>,
}

impl Classes {
    /// Joins the labels of both splits: classes are those of training.
    ///
    /// # Errors
    /// Fewer than two classes in training, or a label of testing that is not learnt.
    pub(super) fn join(
        (train_path, train): (&Path, &Seen),
        (test_path, test): (&Path, &Seen),
    ) -> Result<Classes, SourceError> {
        let whole = |label: &[u8]| -> Option<u8> {
            let text = std::str::from_utf8(label).ok()?;
            text.parse::<u8>().ok().filter(|number| number.to_string() == text)
        };
        let are_numbers = train.numbers.keys().all(|label| whole(label).is_some());
        let mut names = Vec::new();
        if !are_numbers {
            names.extend(
                train.numbers.keys().map(|label| String::from_utf8_lossy(label).into_owned()),
            );
        }
        let class = |label: &[u8]| match are_numbers {
            true => whole(label),
            false => {
                let place = train.numbers.keys().position(|known| known == label)?;
                u8::try_from(place).ok()
            }
        };
        let of_train: Vec<u8> = train.numbers.keys().filter_map(|label| class(label)).collect();
        let count = match are_numbers {
            true => of_train.iter().max().map_or(0, |&class| usize::from(class) + 1),
            false => names.len(),
        };
        if train.numbers.len() < 2 {
            let (path, found) = (train_path.to_path_buf(), train.numbers.len());
            let what = format!("its items have {found} labels: learning to tell apart needs two");
            return Err(SourceError::Format { path, format: "data set", what });
        }
        let numbered = |seen: &Seen, path: &Path| {
            let mut classes = vec![0; seen.numbers.len()];
            for (label, number) in &seen.numbers {
                let known = class(label).filter(|class| usize::from(*class) < count);
                classes[usize::from(*number)] = known.ok_or_else(|| {
                    let label = String::from_utf8_lossy(label);
                    let train = train_path.display();
                    let what = format!("its label {label:?} is not among those of {train}");
                    SourceError::Format { path: path.to_path_buf(), format: "data set", what }
                })?;
            }
            Ok(classes)
        };
        let (of_train, of_test) = (numbered(train, train_path)?, numbered(test, test_path)?);
        Ok(Classes { count, names, train: of_train, test: of_test })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(labels: &[&str]) -> Seen {
        let mut seen = Seen::default();
        labels.iter().for_each(|label| assert!(seen.number(label.as_bytes()).is_ok()));
        seen
    }

    fn join(train: &[&str], test: &[&str]) -> Result<Classes, String> {
        let (train, test) = (seen(train), seen(test));
        Classes::join((Path::new("a"), &train), (Path::new("b"), &test)).map_err(|e| e.to_string())
    }

    #[test]
    fn whole_numbers_are_classes_and_other_labels_are_sorted_names() {
        let numbers = join(&["7", "0", "7", "2"], &["2"]).unwrap();
        assert_eq!((numbers.count, numbers.train, numbers.test), (8, vec![7, 0, 2], vec![2]));
        assert!(numbers.names.is_empty());
        let names = join(&["spam", "ham", "10"], &["10", "spam"]).unwrap();
        assert_eq!(
            (names.count, names.names),
            (3, ["10", "ham", "spam"].map(String::from).to_vec())
        );
        assert_eq!((names.train, names.test), (vec![2, 1, 0], vec![0, 2]));
        // `07` and `1.0` are no numbers of classes.
        assert_eq!(join(&["07", "1"], &[]).unwrap().names, ["07", "1"]);
    }

    #[test]
    fn labels_that_cannot_be_learnt_are_refused_with_the_reason() {
        assert!(join(&["a"], &[]).unwrap_err().contains("1 labels"));
        assert!(join(&["a", "b"], &["c"]).unwrap_err().contains("its label \"c\" is not among"));
        assert!(join(&["0", "1"], &["2"]).unwrap_err().contains("its label \"2\" is not among"));
        let mut many = Seen::default();
        (0..256)
            .for_each(|number: i32| assert!(many.number(number.to_string().as_bytes()).is_ok()));
        assert_eq!(many.number(b"256"), Err(LabelFault::TooMany));
        assert_eq!(many.number(b"\xff"), Err(LabelFault::Unprintable));
        assert_eq!(many.number(b""), Err(LabelFault::Empty));
        assert_eq!(many.number(&[b'x'; 257]), Err(LabelFault::Long));
    }
}
