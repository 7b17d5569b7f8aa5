//! How long does it take to read, decode, fit and vary one picture?
//!
//! `cargo bench -p planaria-data --bench decode -- FOLDER [H W]`: the pictures of the folder, as in `[source] kind = "folder"`, in
//! a shuffled order, on one thread, in processor time (which other programs on the machine disturb least). Each line does what
//! the one before does and a little more; the last one is the bare loop that a pipeline has to keep up with. FOLDER is
//! `train/CLASS/*.jpg`; with H and W pictures are shrunk and cropped to that size ("cover").

use std::{fs, hint::black_box, path::PathBuf};

use planaria_data::augmentation::{Crop, Flip, Key, Padding};
use planaria_data::codec::Decoder;
use planaria_data::{Augmentation, Codec, Fit, Limits, Normalise, Source, Split, conform, source};
use planaria_random::{Permutation, Purpose};

const BATCH: usize = 128;
const ROUNDS: u32 = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Cargo itself passes `--bench`.
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let Some(folder) = arguments.next() else {
        println!("nothing to decode: name a folder of pictures");
        return Ok(());
    };
    let sides: Vec<usize> = arguments.map(|side| side.parse()).collect::<Result<_, _>>()?;
    let [h, w] = sides[..] else { return Err("give H and W".into()) };
    let limits = Limits::default();
    let source =
        source::folder::open(&PathBuf::from(folder), (h, w, 3), Some(Fit::Cover), &limits)?;
    let items = source.len(Split::Train).min(10_000);
    let bench = Bench { source: &source, items, limits, shape: (h, w, 3) };
    println!("{items} pictures, to {h}x{w}, microseconds of processor time a picture:");
    let names = ["read", "+ decode by the image crate", "+ decode", "+ fit", "+ vary, batch"];
    for (name, what) in names.into_iter().zip(0..) {
        let mut rounds: Vec<f64> =
            (0..ROUNDS).map(|round| bench.microseconds(what, round)).collect();
        rounds.sort_by(f64::total_cmp);
        println!("{name:28} median {:8.2}, least {:8.2}", rounds[rounds.len() / 2], rounds[0]);
    }
    Ok(())
}

/// Nanoseconds that this thread has run for.
fn ran_ns() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0)
}

struct Bench<'a> {
    source: &'a dyn Source,
    items: u64,
    limits: Limits,
    shape: (usize, usize, usize),
}

impl Bench<'_> {
    /// One epoch of the step `what`, and of all before it.
    fn microseconds(&self, what: u32, epoch: u32) -> f64 {
        let order = Permutation::new(self.items, 1, Purpose::Shuffle, epoch);
        let normalise = Normalise::new(vec![0.4914, 0.4822, 0.4465], vec![0.247, 0.2435, 0.2616]);
        let levels = normalise.levels(3);
        let crop = Crop { pixels: 4, padding: Padding::Reflect };
        let settings = Augmentation { flip: Flip::Random, crop, ..Augmentation::default() };
        let (h, w, c) = self.shape;
        let mut decoder = Decoder::default();
        let mut batch = Vec::with_capacity(BATCH * h * w * c);
        let began = ran_ns();
        for position in 0..self.items {
            let item = order.item_at(position);
            let raw = self.source.read(Split::Train, item).expect("the file is there");
            if what == 1 {
                black_box(image::load_from_memory(&raw.bytes).expect("a picture").into_rgb8());
            }
            if what < 2 {
                black_box(raw);
                continue;
            }
            let wanted = Some((h, w));
            let pixels = decoder.decode(Codec::Image, &raw.bytes, &self.limits, wanted);
            let pixels = pixels.expect("a picture");
            if what == 2 {
                black_box(pixels);
                continue;
            }
            let pixels = conform(pixels, self.shape, Some(Fit::Cover)).expect("it fits");
            if what == 3 {
                black_box(pixels);
                continue;
            }
            let mut image = vec![0.0; h * w * c];
            normalise.apply(&pixels, &mut image);
            let key = Key { seed: 1, epoch, item };
            batch.extend(settings.apply(image, self.shape, &levels, key));
            if batch.len() == BATCH * h * w * c {
                black_box(&batch);
                batch.clear();
            }
        }
        (ran_ns() - began) as f64 / 1e3 / self.items as f64
    }
}
