//! `[train.validation]`: the training items that are set aside, and what they decide.

use planaria_stages::settings::{EarlyStop, Metric, Part, ValidationSettings};

use super::section::Section;

/// Reads `[train.validation]` of `[train]`; without it nothing is set aside.
pub(super) fn read(train: &mut Section<'_>) -> Option<ValidationSettings> {
    let is_there = train.has("validation");
    let mut section = train.section("validation");
    let items = items(&mut section, is_there);
    let metrics =
        [Metric::Accuracy, Metric::Loss, Metric::F1].map(|metric| (metric.name(), metric));
    let metric = section.choice("metric", Metric::Accuracy, &metrics);
    let keep_best = section.truth("keep_best", true);
    let patience = section.whole_or_none("patience", 1..=100_000);
    let min_delta = section.real("min_delta", 0.0, 0.0..=1e6);
    if section.has("min_delta") && patience.is_none() {
        section.fault("min_delta", "has no meaning without `patience`: nothing ends early");
    }
    section.finish();
    let early_stop = patience.map(|patience| EarlyStop { patience, min_delta });
    is_there.then_some(ValidationSettings { items, metric, keep_best, early_stop })
}

/// A share below 1, or a whole number.
fn items(section: &mut Section<'_>, is_needed: bool) -> Part {
    let otherwise = Part::Share(0.1);
    if section.is_whole("items") {
        return section.whole_or_none("items", 1..=u64::MAX).map_or(otherwise, Part::Items);
    }
    match section.real_or_none("items", 1e-6..=0.999_999) {
        Some(share) => Part::Share(share),
        None => {
            if is_needed {
                section
                    .own_fault("needs `items`: a share of the training items, as 0.1, or how many");
            }
            otherwise
        }
    }
}
