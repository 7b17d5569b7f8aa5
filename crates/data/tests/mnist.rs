//! The embedded MNIST is the published one.

use planaria_data::source::embedded;
use planaria_data::{Limits, Source, Split};

#[test]
fn the_embedded_set_is_the_published_one() {
    let mnist = embedded::mnist().unwrap();
    assert_eq!(mnist.describe(), "MNIST, embedded: 60000 train, 10000 test, 28x28x1");
    assert_eq!((mnist.shape(), mnist.classes()), ((28, 28, 1), 10));
    // `gzip -dc train-images-idx3-ubyte.gz train-labels-idx1-ubyte.gz | sha256sum`
    let published = "c5097fdd51cfdbe7695fd9df3612695696864b5c424f58d843ffdc5d335e9914";
    assert_eq!(mnist.sha256(), published);
    // The first labels of both files, as every tutorial prints them.
    let labels = |split| -> Vec<u8> {
        (0..10).map(|index| mnist.read(split, index).unwrap().label).collect()
    };
    assert_eq!(labels(Split::Train), [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
    assert_eq!(labels(Split::Test), [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
    let last = mnist.read(Split::Train, 59_999).unwrap();
    assert_eq!(last.label, 8);
    assert!(mnist.read(Split::Train, 60_000).is_err());
}

#[test]
fn the_first_training_image_has_its_pixels() {
    let mnist = embedded::mnist().unwrap();
    let item = mnist.read(Split::Train, 0).unwrap();
    let pixels = mnist.codec().decode(&item.bytes, &Limits::default()).unwrap();
    assert_eq!(pixels.shape(), (28, 28, 1));
    // Row 5 of the first image from column 12, from `xxd` of the published file.
    assert_eq!(
        pixels.data[5 * 28 + 12..5 * 28 + 24],
        [3, 18, 18, 18, 126, 136, 175, 26, 166, 255, 247, 127]
    );
    assert!(pixels.data[..5 * 28].iter().all(|&byte| byte == 0));
}
