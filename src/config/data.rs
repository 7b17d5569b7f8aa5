//! `[limits]`, `[preprocess]`: what items may ask for, and what becomes of them.

use planaria_data::{Limits, Normalise};
use planaria_learn::Shape;

use super::section::Section;

/// Reads `[limits]`.
pub(super) fn limits(mut section: Section<'_>) -> Limits {
    let otherwise = Limits::default();
    let size = 1..=1 << 40;
    let limits = Limits {
        source_bytes: section.whole("source_bytes", otherwise.source_bytes, size.clone()),
        source_files: section.whole("source_files", otherwise.source_files, 1..=1 << 32),
        source_rows: section.whole("source_rows", otherwise.source_rows, 1..=1 << 32),
        row_bytes: section.whole("row_bytes", otherwise.row_bytes, 1..=(1 << 24) - 1),
        image_bytes: section.whole("image_bytes", otherwise.image_bytes, 1..=1 << 32),
        image_side: section.whole("image_side", otherwise.image_side, 1..=1 << 20),
        image_pixels: section.whole("image_pixels", otherwise.image_pixels, size.clone()),
        image_memory_bytes: section.whole("image_memory_bytes", otherwise.image_memory_bytes, size),
    };
    section.finish();
    limits
}

/// Reads `[preprocess]` for what a network takes: a number for each channel of images, for each column of rows.
///
/// The defaults for images are the mean and deviation of MNIST's training pixels, as everybody uses them; rows stay as they are.
/// With them comes whether they are to be found in the training items instead.
pub(super) fn normalise(mut section: Section<'_>, input: Shape) -> (Normalise, bool) {
    let is_fitted = section.choice("figures", false, &[("given", false), ("fitted", true)]);
    // Of images the figures are shares of white, or nearly; features may be anything.
    let (channels, what, mean, deviation, most) = match input {
        Shape::Image { c, .. } => (c, "images of {} channels", 0.1307, 0.3081, 1000.0),
        Shape::Features(d) => (d, "rows of {} features", 0.0, 1.0, 1e30),
        Shape::Sequence { channels, .. } => (channels, "sequences of {} channels", 0.0, 1.0, 1e30),
    };
    let mut figures = |name, default: f32, range| {
        let numbers = section.reals(name, range).unwrap_or_else(|| vec![f64::from(default)]);
        let found = numbers.len();
        if found != 1 && found != channels {
            let what = what.replace("{}", &channels.to_string());
            let message = format!("{found} numbers for {what}: give one number, or one for each");
            section.fault(name, message);
            return vec![default];
        }
        numbers.into_iter().map(|number| number as f32).collect()
    };
    let mean = figures("mean", mean, -most..=most);
    let deviation = figures("deviation", deviation, 1e-6..=most);
    for name in ["mean", "deviation"] {
        if is_fitted && section.has(name) {
            section.fault(name, "has no meaning when `preprocess.figures` is \"fitted\"");
        }
    }
    if is_fitted && !matches!(input, Shape::Image { .. }) {
        section.fault("figures", "\"fitted\" is for pictures: give `mean` and `deviation`");
    }
    section.finish();
    (Normalise::new(mean, deviation), is_fitted)
}
