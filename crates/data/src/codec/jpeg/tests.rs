//! Small JPEG files of every kind that is decoded here, beside what the `image` crate makes of them.

use super::*;
use crate::Codec;
use proptest::prelude::*;

macro_rules! fixture {
    ($name:literal) => {
        ($name, include_bytes!(concat!("../../../tests/jpeg/", $name, ".jpg")))
    };
}

const OURS: [(&str, &[u8]); 10] = [
    fixture!("420"),
    fixture!("422"),
    fixture!("440"),
    fixture!("444"),
    fixture!("64x48"),
    fixture!("coarse"),
    fixture!("grey"),
    fixture!("optimised"),
    fixture!("restart"),
    fixture!("turned"),
];

const OTHERS: [(&str, &[u8]); 2] = [fixture!("progressive"), fixture!("cmyk")];

fn ours(bytes: &[u8], wanted: Option<(usize, usize)>) -> Option<Result<Pixels, DecodeError>> {
    let decoded = decode(bytes, &Limits::default(), wanted, &mut Scratch::default())?;
    Some(decoded.map(|(pixels, _)| pixels))
}

fn whole(bytes: &[u8]) -> Pixels {
    ours(bytes, None).expect("one of ours").expect("not damaged")
}

/// The mean and the greatest difference.
fn off(a: &[u8], b: &[u8]) -> (f64, u8) {
    assert_eq!(a.len(), b.len());
    let differences = a.iter().zip(b).map(|(a, b)| a.abs_diff(*b));
    let sum: f64 = differences.clone().map(f64::from).sum();
    (sum / a.len() as f64, differences.max().unwrap_or(0))
}

#[test]
fn every_kind_looks_as_others_decode_it() {
    for (name, bytes) in OURS {
        let theirs = image::load_from_memory(bytes).expect("a picture");
        let pixels = whole(bytes);
        assert_eq!((pixels.h as u32, pixels.w as u32), (theirs.height(), theirs.width()), "{name}");
        let theirs =
            if pixels.c == 1 { theirs.to_luma8().into_raw() } else { theirs.to_rgb8().into_raw() };
        let (mean, most) = off(&pixels.data, &theirs);
        assert!(mean < 1.0 && most < 12, "{name}: off by {mean}, at most {most}");
    }
}

#[test]
fn what_is_not_ours_is_left_to_others_and_decoded_all_the_same() {
    for (name, bytes) in OTHERS {
        assert!(ours(bytes, None).is_none(), "{name}");
        let pixels = Codec::Image.decode(bytes, &Limits::default()).expect("a picture");
        assert_eq!(pixels.shape(), (29, 37, 3), "{name}");
    }
}

#[test]
fn a_picture_is_turned_as_its_exif_says() {
    let flat = whole(OURS[9].1);
    let upright = Codec::Image.decode(OURS[9].1, &Limits::default()).expect("a picture");
    assert_eq!((flat.shape(), upright.shape()), ((29, 37, 3), (37, 29, 3)));
    assert_eq!(upright.data[28 * 3..29 * 3], flat.data[..3], "top left comes to top right");
}

#[test]
fn a_smaller_scale_looks_as_the_whole_shrunk() {
    let whole = whole(OURS[4].1);
    // Where few frequencies are left, a sharp edge looks other than the mean of its pixels.
    for (wanted, factor, most) in [(24, 2, 4.0), (12, 4, 9.0), (6, 8, 9.0), (3, 8, 9.0)] {
        let small = ours(OURS[4].1, Some((wanted, wanted))).expect("one of ours").expect("whole");
        assert_eq!(small.shape(), (48 / factor, 64 / factor, 3), "{wanted} wanted");
        let mean = |at: usize| {
            let (y, x, channel) = (at / 3 / small.w, at / 3 % small.w, at % 3);
            let places =
                (0..factor * factor).map(|k| (y * factor + k / factor, x * factor + k % factor));
            let sum: usize =
                places.map(|(y, x)| usize::from(whole.data[(y * whole.w + x) * 3 + channel])).sum();
            (sum / (factor * factor)) as u8
        };
        let shrunk: Vec<u8> = (0..small.data.len()).map(mean).collect();
        let (mean, _) = off(&small.data, &shrunk);
        assert!(mean < most, "a {factor}th: off by {mean}");
    }
    let large = ours(OURS[4].1, Some((25, 20))).expect("one of ours").expect("not damaged");
    assert_eq!(large, whole, "half of the height is not enough");
}

#[test]
fn a_file_cut_anywhere_is_an_error_unless_no_pixel_is_missing() {
    for (name, bytes) in OURS {
        let whole = whole(bytes);
        let mut complete = 0;
        for cut in 0..bytes.len() {
            match ours(&bytes[..cut], None) {
                Some(Ok(pixels)) => {
                    assert_eq!(pixels, whole, "{name} cut at {cut}");
                    complete += 1;
                }
                Some(Err(error)) => assert!(matches!(error, DecodeError::Jpeg { .. }), "{error}"),
                None => panic!("{name} cut at {cut} is still one of ours"),
            }
        }
        assert!(complete <= 3, "{name}: only the marker of the end may be missing: {complete}");
    }
}

#[test]
fn memory_that_served_before_changes_nothing() {
    let mut scratch = Scratch::default();
    for _ in 0..2 {
        for (name, bytes) in OURS {
            let decoded = decode(bytes, &Limits::default(), None, &mut scratch);
            let (pixels, _) = decoded.expect("one of ours").expect("not damaged");
            assert_eq!(pixels, whole(bytes), "{name}");
        }
    }
}

#[test]
fn a_header_that_claims_too_much_is_refused_before_memory_is_taken() {
    let mut bytes = OURS[0].1.to_vec();
    let frame = bytes.windows(2).position(|two| two == [0xff, 0xc0]).expect("a frame");
    bytes[frame + 5..frame + 9].fill(0xff);
    assert!(matches!(ours(&bytes, None), Some(Err(DecodeError::Side { h: 65_535, .. }))));
    let limits = Limits { image_memory_bytes: 6_000, ..Limits::default() };
    let refused = decode(OURS[0].1, &limits, None, &mut Scratch::default());
    assert!(matches!(refused, Some(Err(DecodeError::Memory { limit: 6_000 }))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn damaged_files_give_pixels_of_their_size_or_an_error(
        which in 0..OURS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut bytes = OURS[which].1.to_vec();
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let limits = Limits { image_pixels: 1 << 20, ..Limits::default() };
        let decoded = decode(&bytes, &limits, None, &mut Scratch::default());
        if let Some(Ok((pixels, _))) = decoded {
            prop_assert_eq!(pixels.data.len(), pixels.h * pixels.w * pixels.c);
        }
    }
}
