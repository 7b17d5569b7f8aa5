//! How long do decoding, normalising and varying one MNIST image take?

use std::hint::black_box;

use planaria_data::source::embedded;
use planaria_data::{Augmentation, Limits, Normalise, Source, Split};
use planaria_random::{Purpose, Stream};

#[allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let begin = std::time::Instant::now();
    let mnist = embedded::mnist()?;
    println!("open: {:?}", begin.elapsed());
    let settings = Augmentation { shift: 2.0, rotate: 10.0, scale: 0.1 };
    let normalise = Normalise { mean: 0.1307, deviation: 0.3081 };
    let (mut image, mut out) = (vec![0.0; 784], vec![0.0; 784]);
    let images = 20_000u32;
    for part in ["read and normalise", "vary too"] {
        let begin = std::time::Instant::now();
        for index in 0..u64::from(images) {
            let item = mnist.read(Split::Train, index)?;
            normalise.apply(&mnist.codec().decode(&item.bytes, &Limits::default())?, &mut image);
            if part == "vary too" {
                let mut stream = Stream::new(1, Purpose::Augment, 0, index);
                let behind = normalise.background();
                settings.apply(&image, mnist.shape(), behind, &mut stream, &mut out);
            }
            black_box((&image, &out));
        }
        println!("{part}: {:?} an image", begin.elapsed() / images);
    }
    Ok(())
}
