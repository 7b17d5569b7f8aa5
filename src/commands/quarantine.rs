//! `planaria quarantine`: items that were set aside, why, and what a run would do with them today.

use planaria_stages::{Quarantine, Quarantined, Retried, retry};
use serde::Serialize;
use std::path::PathBuf;

use super::{CommandError, answer_json, checked_config};
use crate::{
    cli::{QuarantineAction, QuarantineArgs},
    views::{self, quarantine as view},
};

/// An item with its number in the list, from 1.
#[derive(Debug, Serialize)]
struct Numbered<T: Serialize> {
    number: u64,
    #[serde(flatten)]
    item: Quarantined,
    #[serde(flatten)]
    more: T,
}

/// Where an item's file lies.
#[derive(Debug, Serialize)]
struct Place {
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<PathBuf>,
}

/// Lists, shows or tries again what was set aside.
pub(super) fn quarantine(args: &QuarantineArgs) -> Result<(), CommandError> {
    let settings = checked_config(&args.config, &args.overrides)?.pipeline;
    let (folder, items) = Quarantine::of(&settings).read()?.unwrap_or_default();
    let items = chosen(items, &args.numbers)?;
    match args.action {
        QuarantineAction::List if !args.json => {
            let lines = items.iter().map(|(number, item)| (*number, item));
            Ok(views::answer(&view::list(lines, &folder))?)
        }
        QuarantineAction::List | QuarantineAction::Show => {
            let place = |(number, item): (u64, Quarantined)| {
                let path = item.file.as_ref().map(|file| folder.join(file));
                Numbered { number, item, more: Place { path } }
            };
            let items: Vec<Numbered<Place>> = items.into_iter().map(place).collect();
            if args.json {
                return answer_json(&items);
            }
            let shown = items
                .iter()
                .map(|shown| view::shown(shown.number, &shown.item, shown.more.path.as_deref()));
            Ok(views::answer(&shown.collect::<Vec<_>>().join("\n\n"))?)
        }
        QuarantineAction::Retry => {
            let open = |source| CommandError::Open { path: args.config.clone(), source };
            let opened = settings.open_cleaned().map_err(open)?;
            let (numbers, items): (Vec<u64>, Vec<Quarantined>) = items.into_iter().unzip();
            let retried = retry(&opened, &items, &settings.limits);
            let all = numbers.into_iter().zip(items).zip(retried);
            let all = all.map(|((number, item), more)| Numbered { number, item, more });
            let all: Vec<Numbered<Retried>> = all.collect();
            if args.json {
                return answer_json(&all);
            }
            let lines = all.iter().map(|now| (now.number, &now.item, &now.more));
            Ok(views::answer(&view::retried(lines))?)
        }
    }
}

/// The items with these numbers, or all of them.
fn chosen(
    items: Vec<Quarantined>,
    numbers: &[u64],
) -> Result<Vec<(u64, Quarantined)>, CommandError> {
    let count = items.len();
    if let Some(&number) = numbers.iter().find(|number| **number > count as u64) {
        return Err(CommandError::NoSuchItem { number, items: count });
    }
    let is_chosen =
        |(number, _): &(u64, Quarantined)| numbers.is_empty() || numbers.contains(number);
    Ok((1..).zip(items).filter(is_chosen).collect())
}
