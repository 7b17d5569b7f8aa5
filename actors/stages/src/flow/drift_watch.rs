//! Whether what is predicted looks like what the model was measured on.
//!
//! Predictions are counted in windows by their ordinals, from the first that only the newest model can answer: so what is told of a
//! window depends on what was asked in which order, and not on who answered when, or died meanwhile.

use super::id;
use crate::{kinds::StageKind, model::Model, settings::DriftSettings};
use planaria_data::drift::{Binned, Drift, Profile, Recent};
use planaria_kernel::Intake;
use std::{collections::BTreeMap, sync::Arc};

/// A window of predictions.
struct Window {
    /// Requests of it that are over, answered or not.
    settled: u64,
    recent: Recent,
}

/// What is watched of the model that answers now.
struct Watched {
    profile: Arc<Profile>,
    version: u64,
    /// The first ordinal of its first window.
    first: u64,
    /// By number: those that have begun. As many as the requests that may wait lie in.
    windows: BTreeMap<u64, Window>,
}

/// Compares predictions with what their model was measured on.
pub(super) struct DriftWatch {
    settings: DriftSettings,
    watched: Option<Watched>,
    newest: Option<Drift>,
}

impl DriftWatch {
    pub(super) fn new(settings: DriftSettings) -> Self {
        DriftWatch { settings, watched: None, newest: None }
    }

    /// Watches a model that answers all requests from ordinal `first` on, until the next one begins.
    pub(super) fn begin(&mut self, model: Option<&Model>, first: u64) {
        let watched = |model: &Model| {
            let profile = model.profile.clone()?;
            Some(Watched { profile, version: model.version, first, windows: BTreeMap::new() })
        };
        self.watched = model.and_then(watched);
    }

    /// The newest comparison.
    pub(super) fn newest(&self) -> Option<&Drift> {
        self.newest.as_ref()
    }

    /// A request is over; with its place in the profile of the model of this version, when it was answered.
    pub(super) fn settled(
        &mut self,
        ordinal: u64,
        version: u64,
        binned: Option<Binned>,
        intake: &mut Intake<'_>,
    ) {
        let Some(watched) = &mut self.watched else { return };
        let Some(place) = ordinal.checked_sub(watched.first) else { return };
        let number = place / self.settings.window;
        let new = || Window { settled: 0, recent: watched.profile.recent() };
        let window = watched.windows.entry(number).or_insert_with(new);
        window.settled += 1;
        if let Some(binned) = binned.filter(|_| version == watched.version) {
            window.recent.add(&binned);
        }
        if window.settled < self.settings.window {
            return;
        }
        let drift = watched.profile.compare(&window.recent, self.settings.limits);
        watched.windows.remove(&number);
        if drift.has_drifted() {
            intake.notice(id(StageKind::Predict), format!("drift: {drift}"));
        }
        self.newest = Some(drift);
    }
}
