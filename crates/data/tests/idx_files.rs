//! What opening IDX files promises: right files are read, and every wrong file is refused with its own error, never a panic.

use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use planaria_data::source::idx::{Idx, IdxPaths, open};
use planaria_data::{Codec, Limits, Source, SourceError, Split};
use proptest::prelude::*;
use tempfile::TempDir;

/// A data set of four files that can be damaged one by one: two training and one test image of 2x3.
struct Files {
    folder: TempDir,
    train_images: Vec<u8>,
    train_labels: Vec<u8>,
    test_images: Vec<u8>,
    test_labels: Vec<u8>,
}

fn idx(magic: u32, dimensions: &[u32], data: &[u8]) -> Vec<u8> {
    let header = std::iter::once(magic).chain(dimensions.iter().copied());
    header.flat_map(u32::to_be_bytes).chain(data.iter().copied()).collect()
}

fn images(count: u32, h: u32, w: u32) -> Vec<u8> {
    let data: Vec<u8> = (0..count * h * w).map(|at| at as u8).collect();
    idx(0x803, &[count, h, w], &data)
}

fn labels(labels: &[u8]) -> Vec<u8> {
    idx(0x801, &[labels.len() as u32], labels)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

impl Files {
    fn new() -> Files {
        Files {
            folder: tempfile::tempdir().unwrap(),
            train_images: images(2, 2, 3),
            train_labels: labels(&[0, 2]),
            test_images: images(1, 2, 3),
            test_labels: labels(&[1]),
        }
    }

    fn paths(&self) -> IdxPaths {
        let at = |name: &str| self.folder.path().join(name);
        IdxPaths {
            train_images: at("train-images"),
            train_labels: at("train-labels"),
            test_images: at("test-images"),
            test_labels: at("test-labels"),
        }
    }

    fn open_with(&self, limits: &Limits) -> Result<Idx, SourceError> {
        let paths = self.paths();
        let files: [(&PathBuf, &Vec<u8>); 4] = [
            (&paths.train_images, &self.train_images),
            (&paths.train_labels, &self.train_labels),
            (&paths.test_images, &self.test_images),
            (&paths.test_labels, &self.test_labels),
        ];
        for (path, bytes) in files {
            std::fs::write(path, bytes).unwrap();
        }
        open(&paths, limits)
    }

    fn open(&self) -> Result<Idx, SourceError> {
        self.open_with(&Limits::default())
    }

    /// The error's variant by name, after checking that its message names the path and has the house's form.
    fn refusal(&self, limits: &Limits, path: &str) -> String {
        let error = self.open_with(limits).expect_err("the files are wrong");
        let message = error.to_string();
        assert!(message.contains(path), "{message} does not name {path}");
        assert!(!message.ends_with('.') && message.contains(": "), "{message}");
        let variant = format!("{error:?}");
        variant.split(' ').next().unwrap_or_default().to_string()
    }
}

#[test]
fn plain_and_gzipped_files_read_the_same() {
    let plain = Files::new();
    let mut zipped = Files::new();
    for file in [&mut zipped.train_images, &mut zipped.train_labels, &mut zipped.test_labels] {
        *file = gzip(file);
    }
    let (plain, zipped) = (plain.open().unwrap(), zipped.open().unwrap());
    for source in [&plain, &zipped] {
        assert_eq!((source.len(Split::Train), source.len(Split::Test)), (2, 1));
        assert_eq!((source.shape(), source.classes()), ((2, 3, 1), 3));
        assert_eq!(source.codec(), Codec::Grey8 { h: 2, w: 3 });
        let item = source.read(Split::Train, 1).unwrap();
        assert_eq!((item.bytes, item.label), (vec![6, 7, 8, 9, 10, 11], 2));
        assert!(matches!(source.read(Split::Train, 2), Err(SourceError::Index { len: 2, .. })));
        assert!(source.read(Split::Test, u64::MAX).is_err());
    }
    assert_eq!(plain.sha256(), zipped.sha256());
    assert_eq!(plain.sha256().len(), 64);
}

#[test]
fn a_file_cut_anywhere_is_truncated() {
    let whole = Files::new();
    for (length, name) in
        [(whole.train_images.len(), "images"), (whole.train_labels.len(), "labels")]
    {
        for cut in 0..length {
            let mut files = Files::new();
            let file =
                if name == "images" { &mut files.train_images } else { &mut files.train_labels };
            file.truncate(cut);
            let error = files.open().unwrap_err();
            let SourceError::Truncated { path, have, need } = error else { panic!("{error}") };
            assert!(path.ends_with(format!("train-{name}")));
            assert!(have == cut as u64 && need > have, "{have} of {need}");
        }
    }
}

#[test]
fn a_gzip_file_cut_or_changed_anywhere_is_refused() {
    let zipped = gzip(&images(2, 2, 3));
    for cut in 0..zipped.len() {
        let mut files = Files::new();
        files.train_images = zipped[..cut].to_vec();
        let refusal = files.refusal(&Limits::default(), "train-images");
        assert!(["Truncated", "Packed"].contains(&refusal.as_str()), "cut at {cut}: {refusal}");
    }
    // Bytes 4 to 9 of a gzip header (time, level, system) say nothing about the content.
    for at in (0..4).chain(10..zipped.len()) {
        let mut files = Files::new();
        files.train_images = zipped.clone();
        files.train_images[at] ^= 0xff;
        assert!(files.open().is_err(), "byte {at} was changed");
    }
}

#[test]
fn every_wrong_file_has_its_own_error() {
    type Damage = fn(&mut Files);
    let cases: &[(&str, &str, Damage)] = &[
        ("Magic", "train-images", |f| f.train_images = labels(&[0, 2])),
        ("Magic", "train-labels", |f| f.train_labels = images(2, 1, 1)),
        ("Magic", "test-images", |f| f.test_images = b"\x89PNG\r\n\x1a\n".to_vec()),
        ("Magic", "train-images", |f| f.train_images = gzip(&labels(&[0, 2]))),
        ("Truncated", "train-images", |f| f.train_images[7] = 3),
        ("Trailing", "train-images", |f| f.train_images[7] = 1),
        ("Trailing", "test-labels", |f| f.test_labels.push(0)),
        ("Trailing", "test-labels", |f| {
            f.test_labels.push(0);
            f.test_labels = gzip(&f.test_labels);
        }),
        ("Packed", "test-labels", |f| {
            f.test_labels = gzip(&f.test_labels);
            f.test_labels.push(7);
        }),
        ("Packed", "test-labels", |f| {
            f.test_labels = gzip(&f.test_labels);
            f.test_labels.extend([7; 40]);
        }),
        ("TooLarge", "train-images", |f| f.train_images[4..16].fill(0xff)),
        ("TooLarge", "train-labels", |f| f.train_labels[4..8].fill(0xff)),
        ("Counts", "train-labels", |f| f.train_labels = labels(&[0, 2, 1])),
        ("Counts", "train-images", |f| f.train_images = images(3, 2, 3)),
        ("Empty", "train-images", |f| f.train_images = images(0, 2, 3)),
        ("Empty", "test-images", |f| f.test_images = images(1, 0, 3)),
        ("Label", "test-labels", |f| f.test_labels = labels(&[3])),
        ("Shapes", "test-images", |f| f.test_images = images(1, 3, 2)),
        ("ImageTooLarge", "train-images", |f| f.train_images = images(2, 1, 20_000)),
    ];
    let limits = Limits { source_bytes: 1 << 20, ..Limits::default() };
    for (number, &(variant, path, damage)) in cases.iter().enumerate() {
        let mut files = Files::new();
        damage(&mut files);
        assert_eq!(files.refusal(&limits, path), variant, "case {number}");
    }
}

#[test]
fn a_bomb_is_not_inflated_beyond_what_its_header_announces_or_the_limit() {
    let zeros = vec![0; 64 << 20];
    let mut files = Files::new();
    files.train_images = gzip(&[images(2, 2, 3), zeros.clone()].concat());
    assert_eq!(files.refusal(&Limits::default(), "train-images"), "Trailing");
    files.train_images = gzip(&[idx(0x803, &[1 << 14, 64, 64], &[]), zeros].concat());
    assert!(files.train_images.len() < 100_000, "a file far below the limit");
    let limits = Limits { source_bytes: 1 << 20, ..Limits::default() };
    assert_eq!(files.refusal(&limits, "train-images"), "TooLarge");
    files.train_images = vec![0; (1 << 20) + 1];
    assert_eq!(files.refusal(&limits, "train-images"), "TooLarge");
}

#[test]
fn every_limit_on_images_is_kept() {
    let default = Limits::default();
    for limits in [
        Limits { image_side: 2, ..default },
        Limits { image_pixels: 5, ..default },
        Limits { image_bytes: 5, ..default },
    ] {
        assert_eq!(Files::new().refusal(&limits, "train-images"), "ImageTooLarge");
    }
}

#[test]
fn a_missing_file_and_a_folder_are_named() {
    let files = Files::new();
    files.open().unwrap();
    std::fs::remove_file(files.paths().test_labels).unwrap();
    let error = open(&files.paths(), &Limits::default()).unwrap_err();
    assert!(matches!(error, SourceError::Missing { ref path } if path.ends_with("test-labels")));
    std::fs::create_dir(files.paths().test_labels).unwrap();
    let error = open(&files.paths(), &Limits::default()).unwrap_err();
    assert!(matches!(error, SourceError::NotAFile { ref path } if path.ends_with("test-labels")));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_bytes_make_opening_panic(
        body in proptest::collection::vec(any::<u8>(), 0..80),
        begin in 0..4usize,
    ) {
        let begins: [&[u8]; 4] = [&[], &[0, 0, 8, 3], &[0, 0, 8, 3, 0, 0, 0], &[0x1f, 0x8b, 8, 0]];
        let mut files = Files::new();
        files.train_images = [begins[begin], body.as_slice()].concat();
        let limits = Limits { source_bytes: 1 << 20, ..Limits::default() };
        if let Ok(source) = files.open_with(&limits) {
            prop_assert!(source.read(Split::Train, 1).is_ok());
        }
    }
}
