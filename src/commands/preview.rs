//! `planaria preview`: what a config does to training images, as a picture.

use planaria_data::{
    AUGMENTATIONS, Augmentation, Decoder, Normalise, Pixels, Source, Split,
    augmentation::{Canvas, Key, Mix},
    conform, grid,
};
use planaria_durable::whole_file;
use planaria_random::{Permutation, Purpose};
use planaria_stages::PipelineSettings;
use std::error::Error;

use super::{CommandError, checked_config};
use crate::{cli::PreviewArgs, views};

/// Items whose pictures cannot be decoded are passed over, so many at most.
const PASSED_OVER_MAX: u64 = 10_000;

/// Draws a grid and says what its rows are.
pub(super) fn preview(args: &PreviewArgs) -> Result<(), CommandError> {
    let settings = checked_config(&args.config, &args.overrides)?.pipeline;
    let wrong = |source| CommandError::Preview { path: args.config.clone(), source };
    let rows = rows(&settings, args).map_err(wrong)?;
    let images: Vec<Vec<Pixels>> = rows.iter().map(|row| row.images.clone()).collect();
    let png = grid::png(&images).map_err(|error| wrong(error.into()))?;
    whole_file::write(&args.out, &png).map_err(|error| wrong(error.into()))?;
    let numbered = rows.iter().zip(1..).map(|(row, number)| format!("row {number}: {}", row.name));
    let lines: Vec<String> = numbered.collect();
    Ok(views::answer(&format!("{}\n{}", args.out.display(), lines.join("\n")))?)
}

/// A row of the grid.
struct Row {
    name: String,
    images: Vec<Pixels>,
}

/// Where an item is varied: everything but the augmentation.
struct Stand {
    normalise: Normalise,
    seed: u64,
    epoch: u32,
    /// The items' numbers and their pixels.
    items: Vec<(u64, Pixels)>,
}

fn rows(
    settings: &PipelineSettings,
    args: &PreviewArgs,
) -> Result<Vec<Row>, Box<dyn Error + Send + Sync>> {
    let source = settings.open_cleaned()?.source;
    let normalise = settings.normalise_for(&*source).ok_or("no training item can be read")?;
    normalise.check(source.shape().2)?;
    let epoch = args.epoch - 1;
    let items = shown(&*source, settings, epoch, args.items)?;
    let stand = Stand { normalise, seed: settings.seed, epoch, items };
    let augmentation = &settings.augmentation;
    let originals = stand.items.iter().map(|(_, pixels)| pixels.clone()).collect();
    let mut rows = vec![Row { name: "original".to_owned(), images: originals }];
    for (name, find) in AUGMENTATIONS {
        let one = find(augmentation);
        if !one.is_identity() {
            let images = stand.varied(Mix::default(), |canvas, key| one.vary(canvas, key));
            rows.push(Row { name: (*name).to_owned(), images });
        }
    }
    let (mixup, cutmix) = (augmentation.mix.mixup, augmentation.mix.cutmix);
    let mixes = [("mixup", Mix { mixup, cutmix: 0.0 }), ("cutmix", Mix { mixup: 0.0, cutmix })];
    for (name, mix) in mixes.into_iter().filter(|(_, mix)| !mix.is_identity()) {
        rows.push(Row { name: name.to_owned(), images: stand.varied(mix, |_, _| {}) });
    }
    if *augmentation != Augmentation::default() {
        let images = stand.varied(augmentation.mix, |canvas, key| augmentation.vary(canvas, key));
        rows.push(Row { name: "all together".to_owned(), images });
    }
    Ok(rows)
}

/// The first items of the epoch that can be shown, with their numbers.
fn shown(
    source: &dyn Source,
    settings: &PipelineSettings,
    epoch: u32,
    count: u64,
) -> Result<Vec<(u64, Pixels)>, Box<dyn Error + Send + Sync>> {
    let there = source.len(Split::Train);
    let there = settings.train_items.map_or(there, |items| items.min(there));
    let order = Permutation::new(there, settings.seed, Purpose::Shuffle, epoch);
    let mut items = Vec::new();
    let mut refused = None;
    for position in 0..there.min(count + PASSED_OVER_MAX) {
        let item = order.item_at(position);
        match decoded(source, item, settings) {
            Ok(pixels) => items.push((item, pixels)),
            Err(error) => refused = Some(error),
        }
        if items.len() as u64 == count {
            break;
        }
    }
    match refused {
        Some(error) if items.is_empty() => Err(error),
        _ => Ok(items),
    }
}

fn decoded(
    source: &dyn Source,
    item: u64,
    settings: &PipelineSettings,
) -> Result<Pixels, Box<dyn Error + Send + Sync>> {
    let raw = source.read(Split::Train, item)?;
    let (h, w, _) = source.shape();
    let wanted = source.fit().map(|_| (h, w));
    let pixels = Decoder::default().decode(source.codec(), &raw.bytes, &settings.limits, wanted)?;
    Ok(conform(pixels, source.shape(), source.fit())?)
}

impl Stand {
    /// Every item varied and then mixed with the next, as a batch is.
    fn varied(&self, mix: Mix, vary: impl Fn(&mut Canvas<'_>, Key)) -> Vec<Pixels> {
        let Some((_, first)) = self.items.first() else { return Vec::new() };
        let (shape, len) = (first.shape(), first.data.len());
        let levels = self.normalise.levels(first.c);
        let key = |item| Key { seed: self.seed, epoch: self.epoch, item };
        let mut images = Vec::with_capacity(len * self.items.len());
        for (item, pixels) in &self.items {
            let mut image = vec![0.0; len];
            self.normalise.apply(pixels, &mut image);
            let mut canvas = Canvas::new(image, shape, &levels);
            vary(&mut canvas, key(*item));
            images.extend(canvas.into_image());
        }
        mix.apply(&mut images, shape, self.items.iter().map(|(item, _)| key(*item)));
        images.chunks_exact(len).map(|image| self.normalise.pixels(image, shape)).collect()
    }
}
