//! `[train.sampling]`: which items an epoch has, and what becomes of its last batch.

use planaria_stages::settings::{ClassShares, LastBatch, SamplingSettings};

use super::section::Section;

/// What `kind` can be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Shuffle,
    Balanced,
    Weighted,
}

/// Reads `[train.sampling]` of `[train]`; without it each item comes once an epoch.
pub(super) fn read(train: &mut Section<'_>) -> SamplingSettings {
    let mut section = train.section("sampling");
    let kinds =
        [("shuffle", Kind::Shuffle), ("balanced", Kind::Balanced), ("weighted", Kind::Weighted)];
    let kind = section.choice("kind", Kind::Shuffle, &kinds);
    let shares = section.reals("shares", 0.0..=1e6);
    match kind {
        Kind::Weighted if !section.has("shares") => {
            section.fault("kind", "\"weighted\" needs `train.sampling.shares`: one number a class");
        }
        Kind::Weighted if shares.iter().any(|shares| shares.iter().all(|share| *share == 0.0)) => {
            section.fault("shares", "leave no class: at least one must be above 0");
        }
        Kind::Shuffle | Kind::Balanced if section.has("shares") => {
            section.fault("shares", "has no meaning without `kind = \"weighted\"`");
        }
        Kind::Shuffle | Kind::Balanced | Kind::Weighted => {}
    }
    let lasts = [("drop", LastBatch::Drop), ("keep", LastBatch::Keep), ("fill", LastBatch::Fill)];
    let last_batch = section.choice("last_batch", LastBatch::Drop, &lasts);
    section.finish();
    let classes = match kind {
        Kind::Shuffle => None,
        Kind::Balanced => Some(ClassShares::Equal),
        Kind::Weighted => shares.map(ClassShares::Given),
    };
    SamplingSettings { classes, last_batch }
}
