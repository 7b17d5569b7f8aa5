//! Items that were set aside, in lines for people.

use planaria_data::Split;
use planaria_stages::{Quarantined, Retried};
use std::path::Path;

use super::{count, counted, table::Table};

/// A line an item.
pub fn list<'a>(items: impl Iterator<Item = (u64, &'a Quarantined)>, folder: &Path) -> String {
    let mut table = Table::new(&["", "item", "set aside by", "because"], &[1, 2, 3]);
    let mut all = 0;
    for (number, item) in items {
        all += 1;
        table.row([count(number), called(item), item.stage.clone(), item.cause.clone()]);
    }
    if all == 0 {
        return "nothing is set aside".into();
    }
    let mut lines = table.lines();
    lines.push(String::new());
    lines.push(format!("{} in {}", counted(all, "item", "items"), folder.display()));
    lines.join("\n")
}

/// All that is known of an item.
pub fn shown(number: u64, item: &Quarantined, path: Option<&Path>) -> String {
    let split = Split::from(item.split);
    let path = path.map_or_else(|| "none is kept".into(), |path| path.display().to_string());
    format!(
        "{}. {}\n   split   {split}, item {}\n   by      {}\n   because {}\n   file    {path}",
        count(number),
        called(item),
        item.item,
        item.stage,
        item.cause
    )
}

/// What a run would do with each item today.
pub fn retried<'a>(items: impl Iterator<Item = (u64, &'a Quarantined, &'a Retried)>) -> String {
    let mut table = Table::new(&["", "item", "today", "because"], &[1, 2, 3]);
    let (mut all, mut usable) = (0, 0);
    for (number, item, now) in items {
        let (today, why) = match now {
            Retried::Usable => ("would be used", String::new()),
            Retried::SetAside { cause } => ("would be set aside", cause.clone()),
            Retried::Gone => ("is not there", String::new()),
        };
        all += 1;
        usable += u64::from(*now == Retried::Usable);
        table.row([count(number), called(item), today.into(), why]);
    }
    if all == 0 {
        return "nothing is set aside".into();
    }
    let mut lines = table.lines();
    lines.push(String::new());
    lines.push(format!("{} of {} would be used", count(usable), counted(all, "item", "items")));
    lines.join("\n")
}

/// The name of an item, or its number. Names of files are anybody's: what would steer a terminal is left out.
fn called(item: &Quarantined) -> String {
    let number = || format!("{} item {}", Split::from(item.split), item.item);
    let name = item.name.clone().unwrap_or_else(number);
    name.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use planaria_data::inspect::card::SplitName;

    #[test]
    fn names_that_would_steer_a_terminal_do_not() {
        let item = Quarantined {
            split: SplitName::Train,
            item: 7,
            name: Some("a\u{1b}[2J.png".into()),
            stage: "decode".into(),
            cause: "it is torn".into(),
            file: None,
        };
        let text = list([(1, &item)].into_iter(), Path::new("state"));
        assert!(text.contains("a?[2J.png  decode        it is torn"), "{text}");
        let text = retried([(1, &item, &Retried::Usable)].into_iter());
        assert!(text.ends_with("1 of 1 item would be used"), "{text}");
        assert!(shown(1, &item, None).contains("none is kept"));
    }
}
