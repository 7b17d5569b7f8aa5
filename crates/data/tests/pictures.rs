//! Decoding pictures and fitting them to a network's size.

use std::io::Cursor;

use image::{DynamicImage, GrayAlphaImage, GrayImage, ImageFormat, Luma, LumaA, Rgb, RgbImage};
use planaria_data::source::embedded;
use planaria_data::{
    Codec, ConformError, DecodeError, Fit, Invert, Limits, Pixels, Source, Split, conform, fit_to,
};
use proptest::prelude::*;

fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn decode(bytes: &[u8], limits: &Limits) -> Result<Pixels, DecodeError> {
    Codec::Image.decode(bytes, limits)
}

fn gradient(w: u32, h: u32) -> RgbImage {
    RgbImage::from_fn(w, h, |x, y| Rgb([(x * 8) as u8, (y * 8) as u8, 40]))
}

#[test]
fn lossless_formats_come_back_byte_for_byte_and_jpeg_nearly() {
    let picture = gradient(20, 10);
    for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Tiff, ImageFormat::Pnm] {
        let pixels = decode(&encoded(picture.clone(), format), &Limits::default()).unwrap();
        assert_eq!(pixels, Pixels::new(10, 20, 3, picture.as_raw().clone()), "{format:?}");
    }
    let jpeg = decode(&encoded(picture.clone(), ImageFormat::Jpeg), &Limits::default()).unwrap();
    let off = jpeg.data.iter().zip(picture.as_raw()).map(|(a, b)| u32::from(a.abs_diff(*b)));
    assert!(off.sum::<u32>() < 10 * 600, "a mean difference below ten levels");
    let grey = GrayImage::from_pixel(3, 2, Luma([9]));
    let pixels = decode(&encoded(grey, ImageFormat::Png), &Limits::default()).unwrap();
    assert_eq!(pixels, Pixels::new(2, 3, 1, vec![9; 6]));
    let clear = GrayAlphaImage::from_pixel(1, 1, LumaA([9, 0]));
    let pixels = decode(&encoded(clear, ImageFormat::Png), &Limits::default()).unwrap();
    assert_eq!(pixels, Pixels::new(1, 1, 2, vec![9, 0]));
}

#[test]
fn a_photograph_is_turned_upright_as_its_exif_says() {
    let jpeg = encoded(gradient(20, 10), ImageFormat::Jpeg);
    // A TIFF header, one directory entry (tag 0x112, orientation, a short) of 6: turn right by 90 degrees.
    let exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let length = (exif.len() as u16 + 2).to_be_bytes();
    let photograph = [&jpeg[..2], &[0xff, 0xe1], &length, exif, &jpeg[2..]].concat();
    let flat = decode(&jpeg, &Limits::default()).unwrap();
    let upright = decode(&photograph, &Limits::default()).unwrap();
    assert_eq!((flat.shape(), upright.shape()), ((10, 20, 3), (20, 10, 3)));
    assert_eq!(Codec::Image.size(&photograph, &Limits::default()).unwrap(), (20, 10));
    assert_eq!(upright.data[9 * 3..10 * 3], flat.data[..3], "top left comes to top right");
}

/// A PNG whose header claims sides that its few bytes of data do not have.
fn png_claiming(w: u32, h: u32) -> Vec<u8> {
    let mut png = encoded(GrayImage::new(1, 1), ImageFormat::Png);
    png[16..20].copy_from_slice(&w.to_be_bytes());
    png[20..24].copy_from_slice(&h.to_be_bytes());
    let checksum = crc32(&png[12..29]).to_be_bytes();
    png[29..33].copy_from_slice(&checksum);
    png
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 };
    let byte = |sum: u32, &byte: &u8| (0..8).fold(sum ^ u32::from(byte), |sum, _| step(sum));
    !bytes.iter().fold(u32::MAX, byte)
}

#[test]
fn every_limit_is_kept_before_memory_is_taken() {
    let default = Limits::default();
    let refused = |bytes: &[u8], limits: Limits| {
        let error = decode(bytes, &limits).unwrap_err();
        format!("{error:?}").split(' ').next().unwrap_or_default().to_string()
    };
    assert_eq!(refused(&png_claiming(16_385, 1), default), "Side");
    assert_eq!(refused(&png_claiming(1, 2_000_000_000), default), "Side");
    assert_eq!(refused(&png_claiming(16_000, 16_000), default), "Pixels");
    let png = encoded(gradient(20, 10), ImageFormat::Png);
    assert_eq!(refused(&png, Limits { image_memory_bytes: 599, ..default }), "Memory");
    assert_eq!(refused(&png, Limits { image_side: 19, ..default }), "Side");
    assert_eq!(refused(&png, Limits { image_pixels: 199, ..default }), "Pixels");
    assert_eq!(refused(&png, Limits { image_bytes: 20, ..default }), "Bytes");
    assert_eq!(refused(b"hello", default), "Format");
    assert_eq!(refused(&[], default), "Format");
    for cut in 8..png.len() - 12 {
        assert_eq!(refused(&png[..cut], default), "Damaged", "cut at {cut}");
    }
    let grey = Codec::Grey8 { h: 2, w: 2 };
    assert!(matches!(grey.decode(&[0; 3], &default), Err(DecodeError::Length { need: 4, .. })));
    assert_eq!(grey.decode(&[7; 4], &default).unwrap(), Pixels::new(2, 2, 1, vec![7; 4]));
}

/// A seven as tall as the picture allows: a bar on top and one down the right side, `ink` on `paper`.
fn seven(h: usize, w: usize, ink: u8, paper: u8) -> Pixels {
    let (bar, margin) = (h / 10, h / 6);
    let inside = |y: usize, x: usize| {
        let (bottom, right) = (h - margin, w - w / 3);
        let top = (margin..margin + bar).contains(&y) && (w / 3..right).contains(&x);
        let side = (margin..bottom).contains(&y) && (right - bar..right).contains(&x);
        top || side
    };
    let data = (0..h * w).map(|at| if inside(at / w, at % w) { ink } else { paper }).collect();
    Pixels::new(h, w, 1, data)
}

#[test]
fn white_on_black_of_the_right_size_passes_unchanged() {
    let seven = seven(28, 28, 255, 0);
    for fit in [Fit::Stretch, Fit::Contain] {
        for invert in [Invert::Never, Invert::Auto] {
            assert_eq!(fit_to(seven.clone(), 28, 28, 1, invert, fit), seven, "{fit:?}");
        }
    }
}

#[test]
fn black_on_white_paper_becomes_white_on_black() {
    for fit in [Fit::Stretch, Fit::Contain, Fit::Centre] {
        let fitted = fit_to(seven(150, 200, 0, 255), 28, 28, 1, Invert::Auto, fit);
        assert_eq!(fitted.shape(), (28, 28, 1));
        let border = (0..28).flat_map(|i| [i, 27 * 28 + i, i * 28, i * 28 + 27]);
        assert!(border.into_iter().all(|at| fitted.data[at] == 0), "{fit:?}");
        let full = fitted.data.iter().filter(|&&byte| byte > 200).count();
        assert!((8..200).contains(&full), "{fit:?}: {full} pixels of ink");
    }
}

#[test]
fn contain_keeps_the_ratio_and_pads_with_the_background() {
    let picture = Pixels::new(2, 4, 1, vec![60; 8]);
    let fitted = fit_to(picture, 8, 8, 1, Invert::Never, Fit::Contain);
    assert_eq!(fitted.data, [60; 64], "the border's median lies around");
    let mut half = vec![0; 8 * 4];
    half[8..24].fill(255);
    let fitted = fit_to(Pixels::new(8, 4, 1, half), 8, 8, 1, Invert::Never, Fit::Contain);
    let line = &fitted.data[8 * 3..8 * 4];
    assert_eq!((line[0], line[1], line[6], line[7]), (0, 0, 0, 0), "{line:?}");
    assert_eq!(line[2..6], [255; 4], "the picture lies in the middle");
}

#[test]
fn cover_keeps_the_ratio_and_cuts_off_what_stands_out() {
    let mut wide = vec![0; 4 * 12];
    (0..4).for_each(|y| wide[y * 12 + 4..y * 12 + 8].fill(200));
    for side in [2, 4, 8] {
        let wide = Pixels::new(4, 12, 1, wide.clone());
        let fitted = fit_to(wide, side, side, 1, Invert::Never, Fit::Cover);
        assert_eq!(fitted.data, vec![200; side * side], "{side}: only the middle is left");
    }
    let same = seven(28, 28, 255, 0);
    assert_eq!(fit_to(same.clone(), 28, 28, 1, Invert::Never, Fit::Cover), same);
}

#[test]
fn centre_gives_back_mnist_digits_that_were_enlarged_inverted_and_moved() {
    let mnist = embedded::mnist().unwrap();
    let (mut off, mut pixels) = (0u64, 0u64);
    for index in 0..100 {
        let digit = mnist.read(Split::Test, index).unwrap().bytes;
        let factor = 6;
        let (h, w, top, left) = (300, 400, 20, 170);
        let mut paper = Pixels::new(h, w, 1, vec![240; h * w]);
        for at in 0..(28 * factor) * (28 * factor) {
            let (y, x) = (at / (28 * factor), at % (28 * factor));
            let ink = u32::from(digit[y / factor * 28 + x / factor]);
            paper.data[(top + y) * w + left + x] = (240 - ink * 220 / 255) as u8;
        }
        let centred = fit_to(paper, 28, 28, 1, Invert::Auto, Fit::Centre);
        off += centred.data.iter().zip(&digit).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>();
        pixels += digit.iter().filter(|&&byte| byte > 0).count() as u64;
    }
    let mean = off as f64 / pixels as f64;
    assert!(mean < 12.0, "ink is off by {mean} levels of 255 on average");
}

#[test]
fn transparency_is_white_colour_becomes_luma_and_grey_becomes_colour() {
    let fitted = |pixels, c| fit_to(pixels, 1, 1, c, Invert::Never, Fit::Stretch).data;
    assert_eq!(fitted(Pixels::new(1, 1, 4, vec![10, 20, 30, 0]), 3), [255; 3]);
    assert_eq!(fitted(Pixels::new(1, 1, 4, vec![10, 20, 30, 255]), 3), [10, 20, 30]);
    assert_eq!(fitted(Pixels::new(1, 1, 2, vec![0, 51]), 1), [204]);
    assert_eq!(fitted(Pixels::new(1, 1, 3, vec![255, 0, 0]), 1), [54]);
    assert_eq!(fitted(Pixels::new(1, 1, 3, vec![0, 255, 0]), 1), [182]);
    assert_eq!(fitted(Pixels::new(1, 1, 3, vec![255; 3]), 1), [255]);
    assert_eq!(fitted(Pixels::new(1, 1, 1, vec![7]), 3), [7; 3]);
}

#[test]
fn an_empty_sheet_centres_to_black() {
    let fitted =
        fit_to(Pixels::new(30, 20, 3, vec![250; 1800]), 28, 28, 1, Invert::Auto, Fit::Centre);
    assert_eq!(fitted, Pixels::new(28, 28, 1, vec![0; 28 * 28]));
}

#[test]
fn a_photograph_in_colour_is_not_inverted_for_its_bright_border() {
    let sky = Pixels::new(2, 2, 3, [200, 220, 255].repeat(4));
    assert_eq!(fit_to(sky.clone(), 2, 2, 3, Invert::Auto, Fit::Stretch), sky);
    assert_eq!(fit_to(sky.clone(), 2, 2, 3, Invert::Always, Fit::Stretch).data[..3], [55, 35, 0]);
    assert_eq!(fit_to(sky, 2, 2, 1, Invert::Auto, Fit::Stretch).data, [255 - 218; 4]);
}

#[test]
fn a_picture_comes_to_the_shape_of_its_data_set_or_says_why_not() {
    let grey = Pixels::new(2, 2, 1, vec![9, 8, 7, 6]);
    assert_eq!(conform(grey.clone(), (2, 2, 1), None), Ok(grey.clone()));
    let colour = conform(grey.clone(), (2, 2, 3), None).unwrap();
    assert_eq!(colour.data, [9, 9, 9, 8, 8, 8, 7, 7, 7, 6, 6, 6]);
    let size = ConformError::Size { h: 2, w: 2, need_h: 3, need_w: 2 };
    assert_eq!(conform(grey.clone(), (3, 2, 1), None), Err(size));
    let stretched = conform(grey.clone(), (3, 2, 1), Some(Fit::Stretch)).unwrap();
    assert_eq!(stretched.shape(), (3, 2, 1));
    let channels = ConformError::Channels { found: 1, need: 4 };
    assert_eq!(conform(grey, (2, 2, 4), Some(Fit::Stretch)), Err(channels));
}

#[test]
fn the_header_tells_the_size_that_decoding_gives() {
    let picture = gradient(5, 3);
    for format in [ImageFormat::Png, ImageFormat::Jpeg] {
        let bytes = encoded(picture.clone(), format);
        assert_eq!(Codec::Image.size(&bytes, &Limits::default()).unwrap(), (3, 5));
        let header = Codec::Image.size(&bytes[..10], &Limits::default());
        assert!(header.is_err(), "{format:?}: a cut header is an error");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_picture_fits_every_size(
        (h, w, c) in (1..40usize, 1..40usize, 1..5usize),
        (to_h, to_w, to_c) in (1..33usize, 1..33usize, prop_oneof![Just(1usize), Just(3)]),
        seed in any::<u32>(),
    ) {
        let byte = |at: usize| (at as u32).wrapping_mul(seed | 1).wrapping_mul(2_654_435_761) >> 24;
        let data: Vec<u8> = (0..h * w * c).map(|at| byte(at) as u8).collect();
        for fit in [Fit::Stretch, Fit::Contain, Fit::Cover, Fit::Centre] {
            for invert in [Invert::Never, Invert::Always, Invert::Auto] {
                let picture = Pixels::new(h, w, c, data.clone());
                let fitted = fit_to(picture, to_h, to_w, to_c, invert, fit);
                prop_assert_eq!(fitted.shape(), (to_h, to_w, to_c));
            }
        }
    }
}
