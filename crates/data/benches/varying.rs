//! How long do decoding, normalising and varying one image take?
//!
//! `cargo bench -p planaria-data`: the median and the least of 101 rounds of each, in microseconds an image, on one thread. On a
//! busy machine the least is nearer to the truth.

use std::hint::black_box;
use std::time::Instant;

use planaria_data::augmentation::{Crop, Cutout, Flip, Key, Padding, Warp};
use planaria_data::source::embedded;
use planaria_data::{Augmentation, Limits, Normalise, Pixels, Source, Split};

const ROUNDS: usize = 101;
const IMAGES: u64 = 200;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mnist = embedded::mnist()?;
    let digit = mnist.codec().decode(&mnist.read(Split::Train, 0)?.bytes, &Limits::default())?;
    let noise = |at: usize| ((at as u32).wrapping_mul(2_654_435_761) >> 24) as u8;
    let photo = Pixels::new(32, 32, 3, (0..3072).map(noise).collect());
    let grey = Normalise::new(0.1307, 0.3081);
    let colour = Normalise::new(vec![0.4914, 0.4822, 0.4465], vec![0.247, 0.2435, 0.2616]);
    let affine = Augmentation::affine(2.0, 10.0, 0.1);
    let elastic =
        Augmentation { warp: Warp { elastic: 1.4, ..affine.warp }, ..Augmentation::default() };
    let speed_run = Augmentation {
        flip: Flip::Alternating,
        crop: Crop { pixels: 2, padding: Padding::Reflect },
        cutout: Cutout { side: 12 },
        ..Augmentation::default()
    };
    let nothing = Augmentation::default();
    for (name, pixels, normalise, settings) in [
        ("28x28x1  normalise", &digit, &grey, &nothing),
        ("28x28x1  + affine", &digit, &grey, &affine),
        ("28x28x1  + affine and elastic", &digit, &grey, &elastic),
        ("32x32x3  normalise", &photo, &colour, &nothing),
        ("32x32x3  + flip, crop, cutout", &photo, &colour, &speed_run),
        ("32x32x3  + affine", &photo, &colour, &affine),
    ] {
        let (median, least) = measured_us(pixels, normalise, settings);
        println!("{name:<32} median {median:6.2} us, least {least:6.2} us");
    }
    Ok(())
}

/// The median and the least of the rounds, in microseconds an image.
#[allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn measured_us(pixels: &Pixels, normalise: &Normalise, settings: &Augmentation) -> (f64, f64) {
    let levels = normalise.levels(pixels.c);
    let round = || {
        let begin = Instant::now();
        for item in 0..IMAGES {
            let mut image = vec![0.0; pixels.data.len()];
            normalise.apply(pixels, &mut image);
            let key = Key { seed: 1, epoch: 0, item };
            black_box(settings.apply(image, pixels.shape(), &levels, key));
        }
        begin.elapsed().as_secs_f64() * 1e6 / IMAGES as f64
    };
    let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| round()).collect();
    rounds.sort_by(f64::total_cmp);
    (rounds[ROUNDS / 2], rounds[0])
}
