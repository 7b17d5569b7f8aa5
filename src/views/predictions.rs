//! Predictions for people and for machines: one entry a picture, whether it has a class or an
//! error.

use serde::Serialize;

use super::table::Table;

/// The answer for one picture, as `predict --json` prints it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum FileAnswer {
    /// It has a class.
    Predicted {
        /// The picture as the person named it.
        file: String,
        /// The most probable class.
        class: usize,
        /// Its probability.
        probability: f32,
        /// Of every class.
        probabilities: Vec<f32>,
        /// What the classes are called, in the same order; left out when they have only numbers.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        class_names: Vec<String>,
        /// Which model answered: its version in the runtime, or the SHA-256 of a file's weights.
        model: ModelName,
    },
    /// It has none.
    Refused {
        /// The picture as the person named it.
        file: String,
        /// Why, and what to do.
        error: String,
    },
}

/// Which model answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ModelName {
    /// A version in a runtime, from 1.
    Version(u64),
    /// The SHA-256 of a saved model's weights.
    Weights(String),
}

impl FileAnswer {
    /// True when the picture has a class.
    pub fn is_predicted(&self) -> bool {
        matches!(self, FileAnswer::Predicted { .. })
    }
}

/// One line a picture: what it is, how sure, and what else it might be.
pub fn screen(answers: &[FileAnswer]) -> String {
    let mut table = Table::new(&["file", "class", "probability", "else"], &[0, 3]);
    let mut any = false;
    for answer in answers {
        if let FileAnswer::Predicted {
            file, class, probability, probabilities, class_names, ..
        } = answer
        {
            let other = runner_up(*class, probabilities, class_names);
            table.row([file.clone(), named(*class, class_names), share(*probability), other]);
            any = true;
        }
    }
    if any { table.lines().join("\n") } else { String::new() }
}

/// A class's name, or its number when it has none.
fn named(class: usize, names: &[String]) -> String {
    names.get(class).cloned().unwrap_or_else(|| class.to_string())
}

fn runner_up(class: usize, probabilities: &[f32], names: &[String]) -> String {
    let others = probabilities.iter().enumerate().filter(|(other, _)| *other != class);
    let best = others.max_by(|(_, a), (_, b)| a.total_cmp(b));
    best.map_or(String::new(), |(other, probability)| {
        format!("{} ({})", named(other, names), share(*probability))
    })
}

fn share(probability: f32) -> String {
    format!("{:.1} %", f64::from(probability) * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seven() -> FileAnswer {
        FileAnswer::Predicted {
            file: "digit.png".into(),
            class: 7,
            probability: 0.98,
            probabilities: vec![0.0, 0.015, 0.0, 0.0, 0.0, 0.0, 0.0, 0.98, 0.005, 0.0],
            class_names: Vec::new(),
            model: ModelName::Version(3),
        }
    }

    #[test]
    fn classes_are_called_by_their_names_when_they_have_some() {
        let cat = FileAnswer::Predicted {
            file: "pet.jpg".into(),
            class: 0,
            probability: 0.75,
            probabilities: vec![0.75, 0.25],
            class_names: vec!["cat".into(), "dog".into()],
            model: ModelName::Version(1),
        };
        assert_eq!(
            screen(&[cat]).lines().nth(1),
            Some("pet.jpg    cat       75.0 %  dog (25.0 %)")
        );
    }

    #[test]
    fn a_prediction_says_what_how_sure_and_what_else() {
        let bad = FileAnswer::Refused { file: "cat.txt".into(), error: "no image".into() };
        let expected = "\
file       class  probability  else
digit.png      7       98.0 %  1 (1.5 %)";
        assert_eq!(screen(&[seven(), bad]), expected);
    }

    #[test]
    fn machines_get_the_names_that_the_manual_promises() {
        let json = serde_json::to_value(seven()).expect("it is JSON");
        for name in ["file", "class", "probability", "probabilities", "model"] {
            assert!(json.get(name).is_some(), "{name}");
        }
        assert_eq!(json["model"], 3);
    }
}
