//! Folders of pictures: what is read, in which order, and what is refused.

use std::fs;
use std::path::{Path, PathBuf};

use image::{GrayImage, Rgb, RgbImage};
use planaria_data::{Fit, Limits, Source, SourceError, Split, source::folder};
use tempfile::TempDir;

/// Two pictures of 6x5 a class and split, each of its own colour.
fn world() -> TempDir {
    let world = tempfile::tempdir().expect("a folder for the test");
    let mut colour = 0;
    for class in ["train/cat", "train/Ape", "test/cat", "test/Ape"] {
        for name in ["10.png", "9.PNG"] {
            colour += 1;
            save(&world, &format!("{class}/{name}"), colour);
        }
    }
    world
}

fn save(world: &TempDir, path: &str, colour: u8) {
    let path = world.path().join(path);
    fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("a folder");
    RgbImage::from_pixel(6, 5, Rgb([colour; 3])).save(path).expect("a picture");
}

fn opened(path: &Path) -> Result<folder::Folder, SourceError> {
    folder::open(path, (5, 6, 3), None, &Limits::default())
}

/// The label and the colour of every item.
fn items(source: &dyn Source, split: Split) -> Vec<(u8, u8)> {
    let item = |index| {
        let item = source.read(split, index).expect("it can be read");
        let pixels = source.codec().decode(&item.bytes, &Limits::default()).expect("a picture");
        (item.label, pixels.data[0])
    };
    (0..source.len(split)).map(item).collect()
}

#[test]
fn classes_and_items_come_in_the_order_of_their_names_bytes() {
    let world = world();
    let source = opened(world.path()).expect("it opens");
    assert_eq!(source.class_names(), ["Ape", "cat"]);
    assert_eq!((source.classes(), source.shape()), (2, (5, 6, 3)));
    assert_eq!(items(&source, Split::Train), [(0, 3), (0, 4), (1, 1), (1, 2)]);
    assert_eq!(items(&source, Split::Test), [(0, 7), (0, 8), (1, 5), (1, 6)]);
    let name = source.name_of(Split::Test, 1).expect("a file has a name");
    assert!(name.ends_with("test/Ape/9.PNG"), "{name}");
    assert_eq!(source.name_of(Split::Test, 4), None);
    let said = source.describe();
    assert!(said.ends_with(": 2 classes, 4 train, 4 test, 5x6x3"), "{said}");
}

#[test]
fn what_is_no_picture_by_its_name_is_left_out_and_counted() {
    let world = world();
    fs::write(world.path().join("train/cat/notes.txt"), "no picture").expect("a file");
    fs::write(world.path().join("train/cat/.hidden.png"), "not seen").expect("a file");
    fs::write(world.path().join("train/README"), "beside the classes").expect("a file");
    let source = opened(world.path()).expect("it opens");
    assert_eq!(source.len(Split::Train), 4);
    assert!(source.describe().ends_with("1 files are no pictures and left out"));
}

#[test]
fn the_hash_is_of_the_training_pictures_and_of_nothing_else() {
    let hash = |world: &TempDir| opened(world.path()).expect("it opens").sha256().to_owned();
    let (here, there) = (world(), world());
    assert_eq!(hash(&here), hash(&there), "the same pictures elsewhere are the same data");
    save(&here, "test/cat/11.png", 9);
    assert_eq!(hash(&here), hash(&there));
    fs::rename(here.path().join("train/cat/10.png"), here.path().join("train/cat/12.png"))
        .expect("it is renamed");
    assert_ne!(hash(&here), hash(&there), "another name is another number");
    save(&there, "train/cat/10.png", 200);
    assert_ne!(hash(&there), hash(&world()), "another colour");
    assert_eq!(hash(&there).len(), 64);
}

#[test]
fn pictures_of_another_size_are_those_of_the_source_unless_they_are_fitted() {
    let world = world();
    let shape = |wanted, fit| {
        folder::open(world.path(), wanted, fit, &Limits::default()).expect("it opens").shape()
    };
    assert_eq!(shape((8, 8, 3), None), (5, 6, 3));
    assert_eq!(shape((8, 8, 1), Some(Fit::Stretch)), (8, 8, 1));
    // One odd picture does not speak for the others.
    RgbImage::new(2, 2).save(world.path().join("train/Ape/0.png")).expect("a picture");
    assert_eq!(shape((5, 6, 3), None), (5, 6, 3));
    // Nor does one that cannot be read.
    fs::write(world.path().join("train/Ape/0.png"), "no picture").expect("a file");
    assert_eq!(shape((5, 6, 1), None), (5, 6, 1));
}

/// A change to the world, and the error that it leads to: where and what.
type Fault = (fn(&Path), &'static str, &'static str);

const FAULTS: &[Fault] = &[
    (|at| remove(at, "train"), "train", "there is no such folder"),
    (|at| remove(at, "test"), "test", "there is no such folder"),
    (|at| remove(at, "train/cat"), "train", "holds 1 folders of classes: there may be 2 to 256"),
    (|at| empty(at, "train/bee"), "train/bee", "holds no picture"),
    (|at| empty(at, "test/bee"), "test/bee", "no such class is among those of"),
    (|at| empty(at, "train/cat/more"), "train/cat/more", "is a folder among pictures"),
    (|at| empty(at, "train/c\u{1b}t"), "train/c\u{1b}t", "without control characters"),
    (
        |at| {
            remove(at, "test/cat");
            remove(at, "test/Ape");
        },
        "test",
        "holds no picture",
    ),
    (
        |at| {
            remove(at, "test");
            fs::write(at.join("test"), "a file").expect("a file");
        },
        "test",
        "is not a folder",
    ),
    (
        |at| (0..300).for_each(|class| empty(at, &format!("train/{class}"))),
        "train",
        "holds 302 folders of classes: there may be 2 to 256",
    ),
];

fn remove(at: &Path, path: &str) {
    fs::remove_dir_all(at.join(path)).expect("it was there");
}

fn empty(at: &Path, path: &str) {
    fs::create_dir(at.join(path)).expect("a folder");
}

#[test]
fn a_folder_that_cannot_be_used_is_refused_with_the_place_and_the_reason() {
    for (change, place, reason) in FAULTS {
        let world = world();
        change(world.path());
        let told = opened(world.path()).expect_err(reason).to_string();
        let place: PathBuf = world.path().join(place);
        let begins = told.starts_with(&format!("{}: ", place.display()));
        assert!(begins && told.contains(reason), "{told} should name {place:?}: {reason}");
    }
}

#[test]
fn a_set_without_a_readable_picture_and_one_with_too_many_files_are_refused() {
    let world = world();
    let few = Limits { source_files: 9, ..Limits::default() };
    let told = folder::open(world.path(), (5, 6, 3), None, &few).expect_err("12 entries");
    assert!(matches!(told, SourceError::TooManyFiles { limit: 9, .. }), "{told}");
    for class in ["cat", "Ape"] {
        fs::write(world.path().join("train").join(class).join("10.png"), "none").expect("a file");
    }
    let told = opened(world.path()).expect_err("no first picture can be read");
    assert!(matches!(told, SourceError::Picture { .. }), "{told}");
    assert!(told.to_string().contains("train/Ape/10.png"), "{told}");
}

#[test]
fn a_picture_that_has_gone_or_grown_is_one_items_error() {
    let world = world();
    let small = Limits { image_bytes: 500, ..Limits::default() };
    let source = folder::open(world.path(), (5, 6, 3), None, &small).expect("it opens");
    let index = SourceError::Index { path: PathBuf::new(), index: 4, len: 4 }.to_string();
    let told = source.read(Split::Train, 4).expect_err("there are four").to_string();
    assert!(told.ends_with(&index), "{told}");
    fs::remove_file(world.path().join("train/Ape/10.png")).expect("it was there");
    let told = source.read(Split::Train, 0).expect_err("it has gone");
    assert!(matches!(told, SourceError::Missing { .. }), "{told}");
    fs::write(world.path().join("train/Ape/9.PNG"), vec![0; 10_000]).expect("a file");
    let grown = source.read(Split::Train, 1).expect("its beginning is read").bytes;
    assert_eq!(grown.len(), 501, "enough to be refused by the codec, and no more");
    assert!(source.codec().decode(&grown, &small).is_err());
}

#[cfg(unix)]
#[test]
fn links_are_followed_but_not_in_circles() {
    use std::os::unix::fs::symlink;
    let world = world();
    let at = |path: &str| world.path().join(path);
    symlink(at("train/cat/10.png"), at("train/cat/2.png")).expect("a link");
    symlink(at("train/cat"), at("train/dog")).expect("a link");
    let source = opened(world.path()).expect("links to what is there are as good as it");
    assert_eq!(source.class_names(), ["Ape", "cat", "dog"]);
    assert_eq!(source.len(Split::Train), 8);
    symlink(at("train"), at("train/cat/up")).expect("a link");
    assert!(matches!(opened(world.path()), Err(SourceError::Nested { .. })));
    fs::remove_file(at("train/cat/up")).expect("it was there");
    symlink(at("train/self"), at("train/self")).expect("a link");
    let told = opened(world.path()).expect_err("a link to itself");
    assert!(matches!(&told, SourceError::Read { path, .. } if path.ends_with("train/self")));
}

#[test]
fn grey_pictures_are_found_by_their_header_as_well() {
    let world = tempfile::tempdir().expect("a folder for the test");
    for class in ["train/a", "train/b", "test/a"] {
        fs::create_dir_all(world.path().join(class)).expect("a folder");
        GrayImage::new(6, 5).save(world.path().join(class).join("1.jpg")).expect("a picture");
    }
    let source = opened(world.path()).expect("a class may have nothing to measure on");
    assert_eq!((source.shape(), source.len(Split::Test)), ((5, 6, 3), 1));
}
