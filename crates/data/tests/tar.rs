//! Tar archives: what is read, in which order, and what is refused.

use std::fs;
use std::io::Cursor;
use std::path::PathBuf;

use image::{ImageFormat, Rgb, RgbImage};
use planaria_data::source::tar::{self, TarPaths};
use planaria_data::{Limits, Source, SourceError, Split};
use proptest::prelude::*;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

fn picture(colour: u8) -> Vec<u8> {
    let mut png = Cursor::new(Vec::new());
    RgbImage::from_pixel(6, 5, Rgb([colour; 3])).write_to(&mut png, ImageFormat::Png).unwrap();
    png.into_inner()
}

/// A header with its checksum, for any kind of entry.
fn header(name: &str, kind: u8, size: u64) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

fn entry(name: &str, kind: u8, bytes: &[u8]) -> Vec<u8> {
    let mut entry = header(name, kind, bytes.len() as u64);
    entry.extend(bytes);
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    [&entries.concat()[..], &[0; 1024]].concat()
}

/// Pictures with their labels beside them, as WebDataset has it.
fn shard(labels: &[&str]) -> Vec<u8> {
    let item = |(number, label): (usize, &&str)| {
        let name = format!("{number:04}");
        let json = entry(&format!("{name}.json"), b'0', b"{}");
        let picture = entry(&format!("{name}.png"), b'0', &picture(number as u8));
        [json, entry(&format!("{name}.cls"), b'0', label.as_bytes()), picture].concat()
    };
    archive(&labels.iter().enumerate().map(item).collect::<Vec<_>>())
}

fn folder() -> Vec<u8> {
    let mut entries = vec![entry("./", b'5', b""), entry("./train/", b'5', b"")];
    for (number, name) in [
        "train/cat/a.png",
        "test/ape/a.png",
        "train/ape/b.PNG",
        "train/ape/.hidden.png",
        "test/cat/x.png",
    ]
    .into_iter()
    .enumerate()
    {
        entries.push(entry(&format!("./{name}"), b'0', &picture(number as u8)));
    }
    archive(&entries)
}

fn opened(archives: &[&[u8]]) -> Result<Box<dyn Source>, SourceError> {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = archives
        .iter()
        .enumerate()
        .map(|(number, bytes)| {
            let path = folder.path().join(format!("{number}.tar"));
            fs::write(&path, bytes).unwrap();
            path
        })
        .collect();
    let paths = match &paths[..] {
        [one] => TarPaths::One(one.clone()),
        [train @ .., test] => TarPaths::Shards { train: train.to_vec(), test: vec![test.clone()] },
        [] => unreachable!("a test has an archive"),
    };
    tar::open(&paths, (5, 6, 3), None, &Limits::default())
}

/// The label and the colour of every item.
fn items(source: &dyn Source, split: Split) -> Vec<(u8, u8)> {
    let item = |index| {
        let item = source.read(split, index).unwrap();
        let pixels = source.codec().decode(&item.bytes, &Limits::default()).unwrap();
        (item.label, pixels.data[0])
    };
    (0..source.len(split)).map(item).collect()
}

fn refusal(entries: &[Vec<u8>]) -> String {
    opened(&[&archive(entries)]).err().expect("it is refused").to_string()
}

#[test]
fn shards_come_in_their_order_with_the_labels_beside_the_pictures() {
    let (one, two) = (shard(&["2", "0"]), shard(&["1\n"]));
    let test = compress_to_vec(&shard(&["2"])[..], CompressionLevel::Fastest);
    let source = opened(&[&one, &two, &test]).unwrap();
    assert_eq!(items(&*source, Split::Train), [(2, 0), (0, 1), (1, 0)]);
    assert_eq!(items(&*source, Split::Test), [(2, 0)]);
    assert_eq!((source.classes(), source.shape()), (3, (5, 6, 3)));
    let name = source.name_of(Split::Train, 2).unwrap();
    assert!(name.ends_with("1.tar: 0000.png"), "{name}");
    assert!(source.describe().contains("4 other files left out"), "{}", source.describe());
}

#[test]
fn one_archive_of_a_folder_has_its_classes_by_their_folders() {
    let source = opened(&[&folder()]).unwrap();
    assert_eq!(source.class_names(), ["ape", "cat"]);
    assert_eq!(items(&*source, Split::Train), [(1, 0), (0, 2)]);
    assert_eq!(items(&*source, Split::Test), [(0, 1), (1, 4)]);
}

#[test]
fn long_names_of_gnu_and_of_pax_are_read() {
    let long = format!("train/{}/x.png", "c".repeat(120));
    let gnu = [
        entry("././@LongLink", b'L', format!("{long}\0").as_bytes()),
        entry("short", b'0', &picture(1)),
    ];
    let record = format!(" path={}\n", long.replace('c', "d"));
    let record = format!("{}{record}", record.len() + 3);
    let pax = [entry("PaxHeader", b'x', record.as_bytes()), entry("short", b'0', &picture(2))];
    let test = [
        entry("test/a", b'5', b""),
        entry(&format!("test/{}/y.png", "d".repeat(80)), b'0', &picture(3)),
    ];
    let entries = [&gnu[..], &pax, &test].concat();
    let refused = refusal(&entries);
    assert!(refused.contains("is not among those of"), "both names were read: {refused}");
}

#[test]
fn what_would_do_harm_elsewhere_is_refused_with_its_name() {
    let cases: [(&str, u8, &str); 8] = [
        ("../train/a.png", b'0', "entry ../train/a.png: leads out of its folder"),
        ("train/../../a.png", b'0', "leads out of its folder"),
        ("/etc/a.png", b'0', "is an absolute name"),
        ("train/a.png", b'2', "is a link"),
        ("train/a.png", b'1', "is a link"),
        ("train/a.png", b'3', "is a device"),
        ("train/a.png", b'S', "is a sparse file"),
        ("train/a.png", b'Z', "is of a kind that is not known"),
    ];
    for (name, kind, message) in cases {
        let refused =
            refusal(&[entry("train/cat/0.png", b'0', &picture(0)), entry(name, kind, b"")]);
        assert!(refused.contains(message), "{name}: {refused}");
    }
}

#[test]
fn lengths_and_archives_that_cannot_be_are_refused() {
    let huge = header("train/cat/0.png", b'0', (1 << 33) - 1);
    assert!(refusal(&[huge]).contains("ends after"));
    let mut beyond = header("train/cat/0.png", b'0', 0);
    beyond[124..136].copy_from_slice(&[0xff; 12]);
    beyond[148..156].fill(b' ');
    let sum: u32 = beyond.iter().map(|&byte| u32::from(byte)).sum();
    beyond[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert!(refusal(&[beyond]).contains("has no size"));
    assert!(refusal(&[entry("x", b'x', &[b'1'; 70_000])]).contains("at most 65536 are read"));
    assert!(refusal(&[vec![7; 512]]).contains("is it a tar archive?"));
    assert!(refusal(&[]).contains("there is no picture to train"));
    assert!(refusal(&[entry("train/a.png", b'0', &picture(0))]).contains("no picture to test"));
    let alone = [&shard(&["0", "1"])[..], &archive(&[entry("a.png", b'0', &picture(0))])];
    let refused = opened(&alone).err().unwrap().to_string();
    assert!(refused.contains("neither a `.cls` beside it nor a folder"), "{refused}");
}

#[test]
fn a_picture_over_the_limit_is_an_item_that_the_codec_refuses() {
    let source = opened(&[&folder()]).unwrap();
    let item = source.read(Split::Train, 0).unwrap();
    let small = Limits { image_bytes: 20, ..Limits::default() };
    assert!(source.codec().decode(&item.bytes, &small).is_err());
}

#[test]
fn a_cut_archive_is_refused_wherever_it_is_cut() {
    let whole = folder();
    for cut in (0..whole.len() - 1024).step_by(37) {
        let refused = opened(&[&whole[..cut]]).err();
        assert!(refused.is_some(), "cut at {cut} of {}", whole.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn no_damage_to_a_header_makes_reading_panic(
        block in 0usize..12,
        flips in proptest::collection::vec((0usize..512, any::<u8>()), 1..8),
        is_summed in any::<bool>(),
    ) {
        let mut bytes = folder();
        let begin = block * 512;
        for (at, byte) in flips {
            bytes[begin + at] = byte;
        }
        if is_summed {
            // A header whose checksum is right gets further.
            bytes[begin + 148..begin + 156].fill(b' ');
            let sum: u32 = bytes[begin..begin + 512].iter().map(|&byte| u32::from(byte)).sum();
            bytes[begin + 148..begin + 156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        if let Ok(source) = opened(&[&bytes]) {
            for index in 0..source.len(Split::Train) {
                let _ = source.read(Split::Train, index);
                let _ = source.name_of(Split::Train, index);
            }
        }
    }
}
