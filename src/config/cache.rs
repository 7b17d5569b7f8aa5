//! `[cache]`: where preprocessed items are kept between their uses.

use planaria_stages::settings::{CacheMode, CacheSettings};

use super::section::Section;

/// Reads `[cache]`.
pub(super) fn read(mut section: Section<'_>) -> CacheSettings {
    let otherwise = CacheSettings::default();
    let modes = [("auto", CacheMode::Auto), ("on", CacheMode::On), ("off", CacheMode::Off)];
    let settings = CacheSettings {
        mode: section.choice("mode", otherwise.mode, &modes),
        memory_bytes: section.whole("memory_bytes", otherwise.memory_bytes, 0..=1 << 50),
        limit_bytes: section.whole("limit_bytes", otherwise.limit_bytes, 0..=1 << 60),
        dir: section.path("dir"),
    };
    section.finish();
    settings
}
