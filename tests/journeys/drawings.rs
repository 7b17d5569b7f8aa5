//! Pictures of digits, and data sets whose classes are bars at different heights.

use flate2::{Compression, write::GzEncoder};
use image::{GrayImage, ImageFormat, Luma};
use std::io::{Cursor, Write};

/// Height and width of a data set's images.
const SIDE: usize = 28;

/// A one: an upright stroke, dark on a light page or light on a dark one, as a PNG file.
pub(crate) fn one(is_dark_on_light: bool) -> Vec<u8> {
    let (page, ink) = if is_dark_on_light { (250, 10) } else { (5, 245) };
    let picture = GrayImage::from_fn(90, 120, |x, y| {
        let is_stroke = (41..50).contains(&x) && (20..100).contains(&y);
        Luma([if is_stroke { ink } else { page }])
    });
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, ImageFormat::Png).expect("memory takes a picture");
    file.into_inner()
}

/// The four files of a data set, uncompressed: name and bytes.
pub(crate) fn bars() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("train-images", images(300)),
        ("train-labels", labels(300)),
        ("test-images", images(60)),
        ("test-labels", labels(60)),
    ]
}

/// An IDX file of so many images; the class of number `i` is `i % 10`.
pub(crate) fn images(count: usize) -> Vec<u8> {
    let mut file = header(&[count, SIDE, SIDE]);
    for index in 0..count {
        let mut image = [0; SIDE * SIDE];
        let top = 2 * (index % 10) + 4;
        for y in top..top + 2 {
            // Items of a class differ in where their bar begins.
            image[y * SIDE + 3 + index % 4..y * SIDE + 24].fill(255);
        }
        file.extend_from_slice(&image);
    }
    file
}

/// The IDX file of their labels.
pub(crate) fn labels(count: usize) -> Vec<u8> {
    let mut file = header(&[count]);
    file.extend((0..count).map(|index| (index % 10) as u8));
    file
}

/// Magic and dimensions of an IDX file of unsigned bytes.
fn header(dimensions: &[usize]) -> Vec<u8> {
    let mut header = vec![0, 0, 8, dimensions.len() as u8];
    header.extend(dimensions.iter().flat_map(|size| (*size as u32).to_be_bytes()));
    header
}

/// Bytes in gzip.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut file = GzEncoder::new(Vec::new(), Compression::default());
    file.write_all(bytes).expect("memory takes bytes");
    file.finish().expect("memory takes bytes")
}
