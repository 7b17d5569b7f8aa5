//! `[drift]`: when predictions of late are no longer like those that the model was measured on.

use planaria_stages::settings::{DriftLimits, DriftSettings};

use super::section::Section;

/// The least window: with fewer predictions nearly everything may be chance.
const WINDOW_MIN: u64 = 50;

/// Reads `[drift]`.
pub(super) fn read(mut section: Section<'_>) -> DriftSettings {
    let otherwise = DriftSettings::default();
    let window = section.whole("window", otherwise.window, 0..=1_000_000);
    if (1..WINDOW_MIN).contains(&window) {
        let message =
            format!("{window} predictions say nothing: choose {WINDOW_MIN} or more, or 0");
        section.fault("window", message);
    }
    let limits = DriftLimits {
        psi: section.real("psi", otherwise.limits.psi, 0.0..=1e6),
        ks: section.real("ks", otherwise.limits.ks, 0.0..=1.0),
    };
    section.finish();
    DriftSettings { window, limits }
}
