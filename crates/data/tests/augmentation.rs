//! What varying an image promises.

use planaria_data::Augmentation;
use planaria_random::{Purpose, Stream};
use proptest::prelude::*;

fn stream(item: u64) -> Stream {
    Stream::new(3, Purpose::Augment, 1, item)
}

fn varied(
    settings: Augmentation,
    image: &[f32],
    shape: (usize, usize, usize),
    item: u64,
) -> Vec<f32> {
    let mut out = vec![f32::NAN; image.len()];
    settings.apply(image, shape, -0.4, &mut stream(item), &mut out);
    out
}

fn ramp(n: usize) -> Vec<f32> {
    (0..n).map(|at| (at as f32 * 0.37).sin() * 2.0).collect()
}

const USUAL: Augmentation = Augmentation { shift: 2.0, rotate: 10.0, scale: 0.1 };

#[test]
fn the_default_copies_exactly() {
    let image = ramp(28 * 28);
    let copy = varied(Augmentation::default(), &image, (28, 28, 1), 0);
    assert!(image.iter().zip(&copy).all(|(a, b)| a.to_bits() == b.to_bits()));
}

#[test]
fn the_same_key_gives_the_same_bits_and_another_item_others() {
    let image = ramp(28 * 28);
    let first = varied(USUAL, &image, (28, 28, 1), 5);
    let again = varied(USUAL, &image, (28, 28, 1), 5);
    assert!(first.iter().zip(&again).all(|(a, b)| a.to_bits() == b.to_bits()));
    assert_ne!(first, varied(USUAL, &image, (28, 28, 1), 6));
    assert_ne!(first, image);
}

#[test]
fn the_same_number_of_draws_is_taken_whatever_the_settings() {
    let image = ramp(9);
    let mut next = Vec::new();
    for settings in
        [Augmentation::default(), USUAL, Augmentation { shift: 1.0, ..Default::default() }]
    {
        let (mut stream, mut out) = (stream(0), [0.0; 9]);
        settings.apply(&image, (3, 3, 1), 0.0, &mut stream, &mut out);
        next.push(stream.next_u32());
    }
    assert!(next.iter().all(|&word| word == next[0]));
}

/// Where the mass of an image on black lies, `(y, x)`.
fn centre(image: &[f32], w: usize) -> (f32, f32) {
    let mass: f32 = image.iter().sum();
    let along = |place: fn(usize, usize) -> usize| {
        let weighed = image.iter().enumerate().map(|(at, value)| place(at, w) as f32 * value);
        weighed.sum::<f32>() / mass
    };
    (along(|at, w| at / w), along(|at, w| at % w))
}

#[test]
fn shifts_are_those_that_were_drawn() {
    let mut image = vec![0.0; 28 * 28];
    image[10 * 28 + 12] = 1.0;
    let settings = Augmentation { shift: 2.0, ..Default::default() };
    for item in 0..50 {
        let mut drawn = stream(item);
        let (down, across) = (drawn.next_between(-2.0, 2.0), drawn.next_between(-2.0, 2.0));
        let mut out = vec![0.0; 28 * 28];
        settings.apply(&image, (28, 28, 1), 0.0, &mut stream(item), &mut out);
        let (y, x) = centre(&out, 28);
        assert!((y - 10.0 - down).abs() < 1e-3 && (x - 12.0 - across).abs() < 1e-3, "item {item}");
    }
}

#[test]
fn turns_are_about_the_middle() {
    // A dot straight right of the middle of 29x29 moves on a circle.
    let mut image = vec![0.0; 29 * 29];
    image[14 * 29 + 22] = 1.0;
    let settings = Augmentation { rotate: 180.0, ..Default::default() };
    for item in 0..50 {
        let mut drawn = stream(item);
        drawn.next_u32();
        drawn.next_u32();
        let angle = drawn.next_between(-180.0, 180.0).to_radians();
        let mut out = vec![0.0; 29 * 29];
        settings.apply(&image, (29, 29, 1), 0.0, &mut stream(item), &mut out);
        let (y, x) = centre(&out, 29);
        let (expected_y, expected_x) = (14.0 + 8.0 * angle.sin(), 14.0 + 8.0 * angle.cos());
        // Bilinear sampling spreads a dot unevenly: a tenth of a pixel is what it may be off.
        assert!((y - expected_y).abs() < 0.15 && (x - expected_x).abs() < 0.15, "item {item}");
    }
}

#[test]
fn scales_are_those_that_were_drawn() {
    // A frame 8 pixels from the middle of 41x41: where its right side comes to tells the scale.
    let mut image = vec![0.0; 41 * 41];
    (12..=28).for_each(|y| image[y * 41 + 28] = 1.0);
    let settings = Augmentation { scale: 0.5, ..Default::default() };
    for item in 0..50 {
        let mut drawn = stream(item);
        let [_, _, _, scale] = [(); 4].map(|()| 1.0 + drawn.next_between(-0.5, 0.5));
        let mut out = vec![0.0; 41 * 41];
        settings.apply(&image, (41, 41, 1), 0.0, &mut stream(item), &mut out);
        let (y, x) = centre(&out, 41);
        // Bilinear sampling of a line that is one pixel wide may be off by less than half a pixel.
        assert!((y - 20.0).abs() < 1e-2 && (x - 20.0 - 8.0 * scale).abs() < 0.5, "item {item}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn values_stay_between_background_and_image(
        (h, w, c) in (1..20usize, 1..20usize, 1..5usize),
        (shift, rotate, scale) in (0f32..30.0, 0f32..180.0, 0f32..0.99),
        item in any::<u64>(),
    ) {
        let image = ramp(h * w * c);
        let least = image.iter().copied().fold(-0.4, f32::min);
        let most = image.iter().copied().fold(-0.4, f32::max);
        let out = varied(Augmentation { shift, rotate, scale }, &image, (h, w, c), item);
        prop_assert!(out.iter().all(|&value| value >= least - 1e-5 && value <= most + 1e-5));
    }

    #[test]
    fn channels_are_varied_alike(item in any::<u64>(), c in 2..5usize) {
        let grey = ramp(12 * 12);
        let image: Vec<f32> = grey.iter().flat_map(|&value| vec![value; c]).collect();
        let expected = varied(USUAL, &grey, (12, 12, 1), item);
        let out = varied(USUAL, &image, (12, 12, c), item);
        prop_assert!(out.chunks(c).zip(&expected).all(|(pixel, grey)| pixel.iter().all(|v| v == grey)));
    }
}
