//! What can be wrong with a config: every fault with its place, all of them in one report.

use serde::Serialize;
use std::{fmt, ops::Range, path::PathBuf};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Nobody has set it.
    Default,
    /// These bytes of the file.
    File(Range<usize>),
    /// Laid over the file by this: a flag of the command line, or the trial of a sweep.
    Laid(String),
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The field with its sections: `train.epochs`.
    pub field: String,
    /// What is wrong, and what would be right.
    pub message: String,
    /// The line in the file, from 1, when it is there.
    pub line: Option<usize>,
    /// The column in characters, from 1.
    pub column: Option<usize>,
    /// The flag that laid the value over the file, when one did.
    pub flag: Option<String>,
    #[serde(skip)]
    span: Option<Range<usize>>,
}

impl Fault {
    /// A fault of `field` at `place` in `text`.
    pub fn new(field: &str, message: String, place: &Place, text: &str) -> Self {
        let (span, flag) = match place {
            Place::File(span) => (Some(span.clone()), None),
            Place::Laid(flag) => (None, Some(flag.clone())),
            Place::Default => (None, None),
        };
        let (line, column) = span.as_ref().map(|span| line_and_column(text, span.start)).unzip();
        Fault { field: field.into(), message, line, column, flag, span }
    }

    /// Faults come in the order of the file; those without a place there come last.
    pub fn order(&self) -> (bool, Option<usize>, String) {
        (self.span.is_none(), self.span.as_ref().map(|span| span.start), self.field.clone())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.flag.as_deref(), self.field.as_str()) {
            (Some(flag), _) => write!(f, "{flag}: {}", self.message),
            (None, "") => write!(f, "{}", self.message),
            (None, field) => write!(f, "{field}: {}", self.message),
        }
    }
}

impl std::error::Error for Fault {}

/// Line and column, both from 1, columns in characters.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// Every fault of one config.
#[derive(Debug, Clone)]
pub struct Faults {
    /// What the config is called: its path.
    pub file: PathBuf,
    /// Its text.
    pub text: String,
    /// The faults, in the order of the file.
    pub list: Vec<Fault>,
}

impl Faults {
    /// The report for people: every fault with its line underlined, as compilers do it.
    pub fn render(&self, is_coloured: bool) -> String {
        let (red, bold, plain) =
            if is_coloured { ("\x1b[1;31m", "\x1b[1m", "\x1b[0m") } else { ("", "", "") };
        let mut report = String::new();
        for fault in &self.list {
            report.push_str(&format!("{red}error:{plain} {bold}{fault}{plain}\n"));
            if let Some(underlined) = self.underlined(fault, red, plain) {
                report.push_str(&underlined);
            }
            report.push('\n');
        }
        report
    }

    /// The place of a fault, its line, and a mark under what is wrong in it.
    fn underlined(&self, fault: &Fault, red: &str, plain: &str) -> Option<String> {
        let (number, column, span) = (fault.line?, fault.column?, fault.span.clone()?);
        let line: String = self.text.lines().nth(number - 1)?.chars().take(LINE_SHOWN).collect();
        let shown = shown(&line);
        let wrong = self.text.get(span)?.lines().next().unwrap_or("").chars().count();
        let room = line.chars().count().saturating_sub(column - 1);
        let mark = "^".repeat(wrong.min(room).max(1));
        let margin = " ".repeat(number.to_string().len());
        let before = " ".repeat(column - 1);
        let file = self.file.display();
        Some(format!(
            "{margin}--> {file}:{number}:{column}\n{margin} |\n{number} | {shown}\n\
             {margin} | {before}{red}{mark}{plain}\n"
        ))
    }
}

/// Of a longer line the first so many characters are shown.
const LINE_SHOWN: usize = 160;

/// A line of a hostile file does not steer the terminal, and a tab is as wide as the mark believes.
fn shown(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

impl fmt::Display for Faults {
    /// One line a fault: `file:line:column: field: message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.list.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            if let (Some(line), Some(column)) = (fault.line, fault.column) {
                write!(f, "{}:{line}:{column}: ", self.file.display())?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_underlined_in_the_users_own_text() {
        let text = "seed = 1\n[train]\nepochs = 0 # oh\n".to_owned();
        let place = Place::File(26..27);
        let fault = Fault::new("train.epochs", "0 is wrong".into(), &place, &text);
        let faults = Faults { file: "a.toml".into(), text, list: vec![fault] };
        let expected = "\
error: train.epochs: 0 is wrong
 --> a.toml:3:10
  |
3 | epochs = 0 # oh
  |          ^

";
        assert_eq!(faults.render(false), expected);
        assert_eq!(faults.to_string(), "a.toml:3:10: train.epochs: 0 is wrong");
    }

    #[test]
    fn a_text_that_ends_in_mid_character_or_hides_escapes_breaks_nothing() {
        let text = "a = \"\u{1b}[2J\u{1f4a5}\"".to_owned();
        for end in 0..=text.len() + 1 {
            let fault = Fault::new("a", "is wrong".into(), &Place::File(0..end), &text);
            let faults = Faults { file: "a".into(), text: text.clone(), list: vec![fault] };
            assert!(!faults.render(false).contains('\u{1b}'));
        }
    }
}
