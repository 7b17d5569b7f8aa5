//! `[clean]`: what is set aside before anything is learnt; `[quarantine]`: how much of it is kept to be looked at.

use planaria_data::clean::{Action, CleanSettings, Missing, Sought};
use planaria_stages::settings::QuarantineSettings;
use std::collections::BTreeMap;

use super::section::Section;

/// Reads `[clean]` of the whole config; without it nothing is looked for.
pub(super) fn read(root: &mut Section<'_>) -> Option<CleanSettings> {
    let is_there = root.has("clean");
    let mut section = root.section("clean");
    let actions = [("keep", Action::Keep), ("remove", Action::Remove)];
    let mut action = |name| section.choice(name, Action::Keep, &actions);
    let (blank, duplicates) = (action("blank"), action("duplicates"));
    let (leaks, conflicts) = (action("leaks"), action("conflicts"));
    let sought = [("off", Sought::Off), ("keep", Sought::Keep), ("remove", Sought::Remove)];
    let alike = section.choice("alike", Sought::Off, &sought);
    let outliers = section.choice("outliers", Sought::Off, &sought);
    let outlier_range = section.real("outlier_range", 3.0, 0.5..=1e6);
    let missing = [
        ("remove", Missing::Remove),
        ("mean", Missing::Mean),
        ("median", Missing::Median),
        ("most-frequent", Missing::MostFrequent),
    ];
    let missing = section.choice("missing", Missing::Remove, &missing);
    let labels = labels(&mut section);
    section.finish();
    is_there.then_some(CleanSettings {
        blank,
        duplicates,
        alike,
        leaks,
        conflicts,
        outliers,
        outlier_range,
        missing,
        labels,
    })
}

/// The fields that are set and that only pictures can use.
pub(super) fn for_pictures(clean: &CleanSettings) -> impl Iterator<Item = &'static str> {
    let blank = (clean.blank != Action::Keep).then_some("clean.blank");
    let alike = (clean.alike != Sought::Off).then_some("clean.alike");
    [blank, alike].into_iter().flatten()
}

/// Reads `[quarantine]`.
pub(super) fn quarantine(mut section: Section<'_>) -> QuarantineSettings {
    let otherwise = QuarantineSettings::default();
    let settings = QuarantineSettings {
        items: section.whole("items", otherwise.items, 0..=100_000),
        bytes: section.whole("bytes", otherwise.bytes, 0..=1 << 40),
    };
    section.finish();
    settings
}

/// By the name of a class the name that it gets.
fn labels(section: &mut Section<'_>) -> BTreeMap<String, String> {
    if !section.has("labels") {
        return BTreeMap::new();
    }
    let labels: BTreeMap<String, String> =
        section.section("labels").read_whole().unwrap_or_default();
    let is_bad = |name: &String| name.is_empty() || name.contains(char::is_control);
    if labels.values().any(is_bad) {
        section.fault("labels", "a class needs a name, without control characters");
    }
    labels
}
