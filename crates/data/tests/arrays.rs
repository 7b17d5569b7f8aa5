//! CIFAR's binary files and NumPy's arrays: what is read, in which order, and what is refused.

use std::fs;
use std::path::{Path, PathBuf};

use planaria_data::source::cifar::{self, Labels};
use planaria_data::source::numpy::{self, NumpyPaths};
use planaria_data::{Codec, Limits, Source, SourceError, Split, Values};
use planaria_npy::{Element, Packing, header, zip};
use proptest::prelude::*;
use tempfile::TempDir;

/// A record: labels, then a plane for each channel; pixel `(y, x)` is `(number + y, x, label)`.
fn record(labels: &[u8], number: u8) -> Vec<u8> {
    let mut record = labels.to_vec();
    let plane = |value: &dyn Fn(u8, u8) -> u8| -> Vec<u8> {
        (0..32).flat_map(|y| (0..32).map(move |x| (y, x))).map(|(y, x)| value(y, x)).collect()
    };
    record.extend(plane(&|y, _| number.wrapping_add(y)));
    record.extend(plane(&|_, x| x));
    record.extend(plane(&|_, _| labels[labels.len() - 1]));
    record
}

fn cifar_10() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for batch in 1..=5u8 {
        let records = [record(&[batch], 10 * batch), record(&[9], 0)].concat();
        fs::write(folder.path().join(format!("data_batch_{batch}.bin")), records).unwrap();
    }
    fs::write(folder.path().join("test_batch.bin"), record(&[3], 100)).unwrap();
    folder
}

fn open_cifar(folder: &Path, labels: Labels) -> Result<Box<dyn Source>, SourceError> {
    cifar::open(folder, labels, &Limits::default())
}

fn values(source: &dyn Source, split: Split, index: u64) -> (Values, u8) {
    let item = source.read(split, index).unwrap();
    (source.codec().values(&item.bytes, &Limits::default()).unwrap(), item.label)
}

#[test]
fn cifar_10_comes_over_its_files_with_planes_as_pixels() {
    let folder = cifar_10();
    let source = open_cifar(folder.path(), Labels::Fine).unwrap();
    assert_eq!((source.len(Split::Train), source.len(Split::Test)), (10, 1));
    assert_eq!((source.classes(), source.shape()), (10, (32, 32, 3)));
    assert!(source.class_names().is_empty());
    let (Values::Pixels(pixels), label) = values(&*source, Split::Train, 6) else {
        panic!("it is a picture")
    };
    assert_eq!(label, 4);
    assert_eq!(pixels.data[..6], [40, 0, 4, 40, 1, 4]);
    assert_eq!(pixels.data[(5 * 32 + 7) * 3..][..3], [45, 7, 4]);
    assert!(matches!(source.read(Split::Train, 10), Err(SourceError::Index { len: 10, .. })));
    let names: Vec<String> = (0..10).map(|class| format!("class {class}")).collect();
    fs::write(folder.path().join("batches.meta.txt"), names.join("\n") + "\n\n").unwrap();
    assert_eq!(open_cifar(folder.path(), Labels::Fine).unwrap().class_names(), names);
}

#[test]
fn cifar_100_has_fine_and_coarse_classes() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["train.bin", "test.bin"] {
        fs::write(folder.path().join(name), record(&[19, 99], 0)).unwrap();
    }
    for (labels, classes, label) in [(Labels::Fine, 100, 99), (Labels::Coarse, 20, 19)] {
        let source = open_cifar(folder.path(), labels).unwrap();
        assert_eq!((source.classes(), values(&*source, Split::Train, 0).1), (classes, label));
    }
}

#[test]
fn cifar_files_that_are_cut_missing_or_of_other_classes_are_refused() {
    type Break = fn(&Path);
    let broken: [(Break, &str); 4] = [
        (
            |folder| fs::remove_file(folder.join("data_batch_3.bin")).unwrap(),
            "data_batch_3.bin: there is no such file",
        ),
        (
            |folder| fs::write(folder.join("test_batch.bin"), [0; 3_000]).unwrap(),
            "ends after 3000 of 3073 bytes",
        ),
        (
            |folder| fs::write(folder.join("data_batch_2.bin"), []).unwrap(),
            "ends after 0 of 3073 bytes",
        ),
        (
            |folder| fs::write(folder.join("test_batch.bin"), record(&[10], 0)).unwrap(),
            "10 is not below the 10 classes",
        ),
    ];
    for (broken, message) in broken {
        let folder = cifar_10();
        broken(folder.path());
        let refused = open_cifar(folder.path(), Labels::Fine).err().expect("it is broken");
        assert!(refused.to_string().contains(message), "{refused}");
    }
}

/// A `.npy` file.
fn npy(element: Element, shape: &[usize], numbers: &[u8]) -> Vec<u8> {
    [header::write(element, shape), numbers.to_vec()].concat()
}

fn floats(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Three grey images of 2x2 and their labels; one to measure on.
fn grey() -> [Vec<u8>; 4] {
    [
        npy(Element::U1, &[3, 2, 2], &(0..12).collect::<Vec<u8>>()),
        npy(Element::I8, &[3], &[0i64, 2, 1].map(i64::to_le_bytes).concat()),
        npy(Element::U1, &[1, 2, 2], &[20, 21, 22, 23]),
        npy(Element::U1, &[1, 1], &[2]),
    ]
}

fn archive(arrays: [Vec<u8>; 4], packing: Packing) -> Vec<u8> {
    let names = ["x_train.npy", "y_train.npy", "x_test.npy", "y_test.npy"].map(str::to_owned);
    zip::write(packing, names.into_iter().zip(arrays)).unwrap()
}

fn open_archive(bytes: &[u8], limits: &Limits) -> Result<Box<dyn Source>, SourceError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.npz");
    fs::write(&path, bytes).unwrap();
    numpy::open(&NumpyPaths::Archive(path), limits)
}

fn refusal(arrays: [Vec<u8>; 4]) -> String {
    let opened = open_archive(&archive(arrays, Packing::Stored), &Limits::default());
    opened.err().expect("it is refused").to_string()
}

#[test]
fn an_archive_and_four_files_give_the_same_items() {
    let folder = tempfile::tempdir().unwrap();
    let paths: [PathBuf; 4] = [0, 1, 2, 3].map(|number| folder.path().join(number.to_string()));
    for (path, bytes) in paths.iter().zip(grey()) {
        fs::write(path, bytes).unwrap();
    }
    let files = numpy::open(&NumpyPaths::Files(paths), &Limits::default()).unwrap();
    for packing in [Packing::Stored, Packing::Deflated] {
        let source = open_archive(&archive(grey(), packing), &Limits::default()).unwrap();
        assert_eq!((source.shape(), source.classes()), ((2, 2, 1), 3));
        assert_eq!(source.codec(), Codec::Raw8 { h: 2, w: 2, c: 1 });
        assert_eq!(source.sha256(), files.sha256());
        for (split, len) in [(Split::Train, 3), (Split::Test, 1)] {
            assert_eq!(source.len(split), len);
            for index in 0..len {
                assert_eq!(source.read(split, index).unwrap(), files.read(split, index).unwrap());
            }
        }
        let item = source.read(Split::Train, 1).unwrap();
        assert_eq!((item.bytes, item.label), (vec![4, 5, 6, 7], 2));
    }
}

#[test]
fn numbers_stay_numbers_whatever_their_type() {
    let numbers = [0.5, -1.0, 2.0, 1e10, 0.0, 7.0];
    let doubles = numbers.map(f64::from).map(f64::to_le_bytes).concat();
    let of = |element, bytes: Vec<u8>| {
        let train = npy(element, &[2, 3], &bytes);
        let labels = npy(Element::U1, &[2], &[0, 1]);
        let bytes = archive([train.clone(), labels.clone(), train, labels], Packing::Stored);
        open_archive(&bytes, &Limits::default()).unwrap()
    };
    for source in
        [of(Element::F4, floats(&numbers.map(|number| number as f32))), of(Element::F8, doubles)]
    {
        assert_eq!(source.shape(), (1, 1, 3));
        let (Values::Numbers(row), label) = values(&*source, Split::Test, 1) else {
            panic!("they are numbers")
        };
        assert_eq!((row.shape, &row.data[..], label), ((1, 1, 3), &[1e10, 0.0, 7.0][..], 1));
        assert!(
            source.describe().ends_with("2 train, 2 test, 3 features"),
            "{}",
            source.describe()
        );
    }
    let nan = of(Element::F4, floats(&[0.0, 0.0, f32::NAN, 0.0, 0.0, 0.0]));
    let item = nan.read(Split::Train, 0).unwrap();
    let refused = nan.codec().values(&item.bytes, &Limits::default()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "value 2 is NaN: drop the item, or fill what is missing: `[clean]` does"
    );
    assert!(nan.codec().decode(&item.bytes, &Limits::default()).is_err());
}

#[test]
fn arrays_that_do_not_belong_together_are_refused_with_what_to_do() {
    let with = |at: usize, array: Vec<u8>| {
        let mut arrays = grey();
        arrays[at] = array;
        refusal(arrays)
    };
    let labels = |labels: &[i64]| {
        let bytes: Vec<u8> = labels.iter().flat_map(|label| label.to_le_bytes()).collect();
        npy(Element::I8, &[labels.len()], &bytes)
    };
    assert!(with(1, labels(&[0, 1])).contains("has 3 images and"));
    assert!(
        with(1, labels(&[0, 1, 256]))
            .contains("label 2 is 256: classes are numbered from 0 to 255")
    );
    assert!(with(1, labels(&[0, 1, -1])).contains("label 2 is -1"));
    assert!(with(1, npy(Element::F4, &[3], &floats(&[0.0; 3]))).contains("whole numbers"));
    assert!(with(3, labels(&[3])).contains("3 is not below the 3 classes"));
    assert!(with(2, npy(Element::U1, &[1, 2, 3], &[0; 6])).contains("images of 2x3"));
    assert!(with(2, npy(Element::F4, &[1, 2, 2], &[0; 16])).contains("another type"));
    assert!(with(0, npy(Element::U1, &[3, 2, 2, 5], &[0; 60])).contains("5 channels"));
    assert!(with(0, npy(Element::U1, &[12], &[0; 12])).contains("it must be [N, H, W, C]"));
    assert!(with(0, npy(Element::U1, &[0, 2, 2], &[])).contains("nothing in it"));
    assert!(with(0, npy(Element::U1, &[3, 2, 2], &[0; 11])).contains("ends after"));
    assert!(with(0, npy(Element::U1, &[3, 2, 2], &[0; 13])).contains("goes on after"));
    let huge = usize::MAX;
    assert!(with(0, npy(Element::F8, &[huge, huge, huge], &[])).contains("ends after"));
    let other = zip::write(Packing::Stored, [("a.npy".to_owned(), grey()[0].clone())]).unwrap();
    let refused = open_archive(&other, &Limits::default()).err().unwrap().to_string();
    assert!(refused.contains("it has a.npy: name the arrays x_train"), "{refused}");
}

#[test]
fn an_archive_may_not_unpack_to_more_than_the_limit() {
    let mut arrays = grey();
    arrays[0] = npy(Element::U1, &[3, 1000, 1000], &[0; 3_000_000]);
    let bytes = archive(arrays, Packing::Deflated);
    assert!(bytes.len() < 10_000);
    let small = Limits { source_bytes: 1 << 20, ..Limits::default() };
    let refused = open_archive(&bytes, &small).err().unwrap().to_string();
    assert!(refused.contains("claims 3000128 bytes unpacked"), "{refused}");
}

#[test]
fn every_cut_archive_is_refused() {
    let bytes = archive(grey(), Packing::Deflated);
    for cut in 0..bytes.len() {
        assert!(open_archive(&bytes[..cut], &Limits::default()).is_err(), "cut at {cut}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn no_damage_to_an_archive_makes_reading_panic(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        is_stored in any::<bool>(),
    ) {
        let packing = if is_stored { Packing::Stored } else { Packing::Deflated };
        let mut bytes = archive(grey(), packing);
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(source) = open_archive(&bytes, &Limits::default()) {
            for index in 0..source.len(Split::Train).min(5) {
                if let Ok(item) = source.read(Split::Train, index) {
                    let _ = source.codec().values(&item.bytes, &Limits::default());
                }
            }
        }
    }

    #[test]
    fn no_header_of_an_array_makes_opening_panic(
        at in any::<prop::sample::Index>(), bytes in proptest::collection::vec(any::<u8>(), 1..8),
    ) {
        let mut arrays = grey();
        let begin = at.index(arrays[0].len() - bytes.len());
        arrays[0][begin..begin + bytes.len()].copy_from_slice(&bytes);
        let _ = open_archive(&archive(arrays, Packing::Stored), &Limits::default());
    }
}
