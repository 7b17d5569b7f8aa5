//! `[source]`, `[limits]`, `[preprocess]`, `[augment]`: where items come from and what becomes of them.

use planaria_data::{
    Augmentation, Fit, Limits, Normalise,
    augmentation::{Crop, Cutout, Flip, Padding, Warp},
    source::idx::IdxPaths,
};
use planaria_stages::settings::SourceSettings;

use super::section::Section;

/// The kinds of source that `[source]` can name.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Mnist,
    Idx,
    Folder,
}

/// The keys that only one kind of source has.
const KEYS: [(Kind, &str); 6] = [
    (Kind::Idx, "train_images"),
    (Kind::Idx, "train_labels"),
    (Kind::Idx, "test_images"),
    (Kind::Idx, "test_labels"),
    (Kind::Folder, "path"),
    (Kind::Folder, "fit"),
];

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Mnist => "mnist",
            Kind::Idx => "idx",
            Kind::Folder => "folder",
        }
    }

    /// What a key of another kind has no meaning for.
    fn described(self) -> &'static str {
        match self {
            Kind::Mnist => "the embedded MNIST",
            Kind::Idx => "IDX files",
            Kind::Folder => "a folder",
        }
    }
}

/// Reads the kind of `[source]` and its own keys; the section is still to be finished.
pub(super) fn source(section: &mut Section<'_>) -> SourceSettings {
    let kinds = [Kind::Mnist, Kind::Idx, Kind::Folder].map(|kind| (kind.name(), kind));
    let kind = section.choice("kind", Kind::Mnist, &kinds);
    let names = ["train_images", "train_labels", "test_images", "test_labels", "path"];
    let paths = names.map(|name| section.path(name));
    let fits = [("refuse", None), ("stretch", Some(Fit::Stretch)), ("contain", Some(Fit::Contain))];
    let fit = section.choice("fit", None, &fits);
    for (owner, name) in KEYS {
        if section.has(name) && owner != kind {
            let (found, owner) = (kind.described(), owner.name());
            let message = format!("has no meaning for {found}: set `source.kind` to \"{owner}\"");
            section.fault(name, message);
        }
        if !section.has(name) && owner == kind && name != "fit" {
            section.fault("kind", format!("\"{}\" needs the path `source.{name}`", kind.name()));
        }
    }
    let [train_images, train_labels, test_images, test_labels, path] =
        paths.map(Option::unwrap_or_default);
    match kind {
        Kind::Mnist => SourceSettings::Mnist,
        Kind::Idx => {
            SourceSettings::Idx(IdxPaths { train_images, train_labels, test_images, test_labels })
        }
        Kind::Folder => SourceSettings::Folder { path, fit },
    }
}

/// Reads `[limits]`.
pub(super) fn limits(mut section: Section<'_>) -> Limits {
    let otherwise = Limits::default();
    let size = 1..=1 << 40;
    let limits = Limits {
        source_bytes: section.whole("source_bytes", otherwise.source_bytes, size.clone()),
        source_files: section.whole("source_files", otherwise.source_files, 1..=1 << 32),
        image_bytes: section.whole("image_bytes", otherwise.image_bytes, 1..=1 << 32),
        image_side: section.whole("image_side", otherwise.image_side, 1..=1 << 20),
        image_pixels: section.whole("image_pixels", otherwise.image_pixels, size.clone()),
        image_memory_bytes: section.whole("image_memory_bytes", otherwise.image_memory_bytes, size),
    };
    section.finish();
    limits
}

/// Reads `[preprocess]` for images of so many channels, when that is known. The defaults are the mean and deviation of MNIST's training pixels, as
/// everybody uses them.
pub(super) fn normalise(mut section: Section<'_>, channels: Option<usize>) -> Normalise {
    let mut figures = |name, default: f32, range| {
        let numbers = section.reals(name, range).unwrap_or_else(|| vec![f64::from(default)]);
        let found = numbers.len();
        if let Some(channels) = channels.filter(|channels| found != 1 && found != *channels) {
            let message = format!(
                "{found} numbers for images of {channels} channels: give one number, or one for each"
            );
            section.fault(name, message);
            return vec![default];
        }
        numbers.into_iter().map(|number| number as f32).collect()
    };
    let mean = figures("mean", 0.1307, -1000.0..=1000.0);
    let deviation = figures("deviation", 0.3081, 1e-6..=1000.0);
    section.finish();
    Normalise::new(mean, deviation)
}

/// Reads `[augment]`.
pub(super) fn augmentation(mut section: Section<'_>) -> Augmentation {
    let otherwise = Augmentation::default();
    let flips =
        [("never", Flip::Never), ("random", Flip::Random), ("alternating", Flip::Alternating)];
    let paddings = [("reflect", Padding::Reflect), ("zero", Padding::Zero)];
    let warp = otherwise.warp;
    let mut real = |name, default: f32, range| section.real(name, default.into(), range) as f32;
    let warp = Warp {
        shift: real("shift", warp.shift, 0.0..=1000.0),
        rotate: real("rotate", warp.rotate, 0.0..=180.0),
        scale: real("scale", warp.scale, 0.0..=0.9),
        elastic: real("elastic", warp.elastic, 0.0..=100.0),
        smoothness: real("smoothness", warp.smoothness, 0.5..=100.0),
    };
    let augmentation = Augmentation {
        flip: section.choice("flip", otherwise.flip, &flips),
        crop: Crop {
            pixels: section.whole("crop", otherwise.crop.pixels, 0..=1000),
            padding: section.choice("padding", otherwise.crop.padding, &paddings),
        },
        warp,
        cutout: Cutout { side: section.whole("cutout", otherwise.cutout.side, 0..=1000) },
    };
    section.finish();
    augmentation
}
