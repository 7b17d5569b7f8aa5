//! What varying an image promises.

use planaria_data::augmentation::{
    Blur, Canvas, Crop, Cutout, Erase, Flip, Grey, Jitter, Key, Levels, Mix, Noise, Padding,
    RandAugment, ResizedCrop, Warp,
};
use planaria_data::{AUGMENTATIONS, Augmentation};
use planaria_random::{Purpose, Stream};
use proptest::prelude::*;

/// Black and white, in the numbers of these images.
const BLACK: f32 = -2.1;
const WHITE: f32 = 2.3;

fn levels(channels: usize) -> Levels {
    Levels { black: vec![BLACK; channels], white: vec![WHITE; channels] }
}

fn key(item: u64) -> Key {
    Key { seed: 3, epoch: 1, item }
}

/// The numbers that the affine map of an item draws.
fn stream(item: u64) -> Stream {
    Stream::new(3, Purpose::Augment, 1, item)
}

fn varied(
    settings: Augmentation,
    image: &[f32],
    shape: (usize, usize, usize),
    item: u64,
) -> Vec<f32> {
    settings.apply(image.to_vec(), shape, &levels(shape.2), key(item))
}

fn ramp(n: usize) -> Vec<f32> {
    (0..n).map(|at| (at as f32 * 0.37).sin() * 2.0).collect()
}

/// Settings in which every augmentation does something to an image in colour.
const ALL: Augmentation = Augmentation {
    flip: Flip::Random,
    crop: Crop { pixels: 3, padding: Padding::Reflect },
    resized_crop: ResizedCrop { area: 0.3 },
    warp: Warp { shift: 1.0, rotate: 10.0, scale: 0.1, elastic: 1.0, smoothness: 3.0 },
    rand_augment: RandAugment { operations: 2, magnitude: 15 },
    jitter: Jitter { brightness: 0.3, contrast: 0.3, saturation: 0.3, hue: 20.0 },
    grey: Grey { chance: 0.5 },
    blur: Blur { deviation: 2.0 },
    noise: Noise { deviation: 0.1 },
    cutout: Cutout { side: 5 },
    erase: Erase { chance: 0.5 },
    mix: Mix { mixup: 0.0, cutmix: 0.0 },
};

/// Those of them that move pixels and leave their colours alone.
fn geometric() -> Augmentation {
    let Augmentation { flip, crop, resized_crop, warp, cutout, .. } = ALL;
    Augmentation { flip, crop, resized_crop, warp, cutout, ..Augmentation::default() }
}

#[test]
fn every_augmentation_gives_the_same_bits_for_the_same_key_and_others_for_another() {
    let (image, levels) = (ramp(28 * 28 * 3), levels(3));
    for (name, find) in AUGMENTATIONS {
        let one = find(&ALL);
        assert!(!one.is_identity(), "{name} does something");
        assert!(find(&Augmentation::default()).is_identity(), "{name} does nothing by default");
        let draw = |key: Key| {
            let mut canvas = Canvas::new(image.clone(), (28, 28, 3), &levels);
            one.vary(&mut canvas, key);
            canvas.into_image().into_iter().map(f32::to_bits).collect::<Vec<_>>()
        };
        let keys = |change: fn(u64) -> Key| (0..40).map(move |number| draw(change(number)));
        for other in [
            |item| Key { item, ..key(0) },
            |epoch| Key { epoch: epoch as u32, ..key(0) },
            |seed| Key { seed, ..key(0) },
        ] {
            let variants: Vec<_> = keys(other).collect();
            assert_eq!(variants, keys(other).collect::<Vec<_>>(), "{name}");
            assert!(variants.iter().any(|variant| *variant != variants[0]), "{name}");
        }
    }
}

#[test]
fn the_default_copies_exactly() {
    let image = ramp(28 * 28);
    let copy = varied(Augmentation::default(), &image, (28, 28, 1), 0);
    assert!(image.iter().zip(&copy).all(|(a, b)| a.to_bits() == b.to_bits()));
}

#[test]
fn one_augmentation_more_leaves_the_draws_of_the_others_alone() {
    let image = vec![1.0; 20 * 20];
    for item in 0..20 {
        // On one colour only the square can be seen.
        let cutout = Augmentation { cutout: ALL.cutout, ..Augmentation::default() };
        let more = Augmentation { flip: ALL.flip, crop: ALL.crop, ..cutout };
        let of = |settings| varied(settings, &image, (20, 20, 1), item);
        assert_eq!(of(cutout), of(more), "item {item}");
    }
}

/// Grey from 0 to 1.
fn black() -> Levels {
    Levels { black: vec![0.0], white: vec![1.0] }
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
    let settings = Augmentation::affine(2.0, 0.0, 0.0);
    for item in 0..50 {
        let mut drawn = stream(item);
        let (down, across) = (drawn.next_between(-2.0, 2.0), drawn.next_between(-2.0, 2.0));
        let out = settings.apply(image.clone(), (28, 28, 1), &black(), key(item));
        let (y, x) = centre(&out, 28);
        assert!((y - 10.0 - down).abs() < 1e-3 && (x - 12.0 - across).abs() < 1e-3, "item {item}");
    }
}

#[test]
fn turns_are_about_the_middle() {
    // A dot straight right of the middle of 29x29 moves on a circle.
    let mut image = vec![0.0; 29 * 29];
    image[14 * 29 + 22] = 1.0;
    let settings = Augmentation::affine(0.0, 180.0, 0.0);
    for item in 0..50 {
        let mut drawn = stream(item);
        drawn.next_u32();
        drawn.next_u32();
        let angle = drawn.next_between(-180.0, 180.0).to_radians();
        let out = settings.apply(image.clone(), (29, 29, 1), &black(), key(item));
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
    let settings = Augmentation::affine(0.0, 0.0, 0.5);
    for item in 0..50 {
        let mut drawn = stream(item);
        let [_, _, _, scale] = [(); 4].map(|()| 1.0 + drawn.next_between(-0.5, 0.5));
        let out = settings.apply(image.clone(), (41, 41, 1), &black(), key(item));
        let (y, x) = centre(&out, 41);
        // Bilinear sampling of a line that is one pixel wide may be off by less than half a pixel.
        assert!((y - 20.0).abs() < 1e-2 && (x - 20.0 - 8.0 * scale).abs() < 0.5, "item {item}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_augmentation_keeps_shape_and_range(
        (h, w, c) in (1..20usize, 1..20usize, 1..5usize),
        (shift, rotate, scale) in (0f32..30.0, 0f32..180.0, 0f32..0.99),
        (elastic, smoothness) in (prop_oneof![Just(0f32), 0f32..30.0], 0.5f32..12.0),
        (pixels, padding) in (0..40u32, prop_oneof![Just(Padding::Reflect), Just(Padding::Zero)]),
        (flip, side) in (prop_oneof![Just(Flip::Random), Just(Flip::Alternating)], 0..30u32),
        (area, operations, magnitude) in (0.01f32..1.0, 0..4u32, 0..40u32),
        (brightness, contrast, saturation, hue) in (0f32..1.0, 0f32..1.0, 0f32..1.0, 0f32..180.0),
        (grey, blur, noise, erase) in (0f32..1.0, 0f32..20.0, 0f32..1.0, 0f32..1.0),
        item in any::<u64>(),
    ) {
        let settings = Augmentation {
            flip,
            crop: Crop { pixels, padding },
            resized_crop: ResizedCrop { area },
            warp: Warp { shift, rotate, scale, elastic, smoothness },
            rand_augment: RandAugment { operations, magnitude },
            jitter: Jitter { brightness, contrast, saturation, hue },
            grey: Grey { chance: grey },
            blur: Blur { deviation: blur },
            noise: Noise { deviation: noise },
            cutout: Cutout { side },
            erase: Erase { chance: erase },
            mix: Mix::default(),
        };
        let image = ramp(h * w * c);
        let out = varied(settings, &image, (h, w, c), item);
        prop_assert_eq!(out.len(), image.len());
        let range = BLACK - 1e-4..=WHITE + 1e-4;
        let outside = out.iter().find(|value| !range.contains(value));
        prop_assert!(outside.is_none(), "{:?}", outside);
    }

    #[test]
    fn channels_are_varied_alike(item in any::<u64>(), c in 2..5usize) {
        let grey = ramp(12 * 12);
        let image: Vec<f32> = grey.iter().flat_map(|&value| vec![value; c]).collect();
        let expected = varied(geometric(), &grey, (12, 12, 1), item);
        let out = varied(geometric(), &image, (12, 12, c), item);
        prop_assert!(out.chunks(c).zip(&expected).all(|(pixel, grey)| pixel.iter().all(|v| v == grey)));
    }
}
