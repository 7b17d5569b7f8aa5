//! MNIST inside the program: training starts without a download.
//!
//! The files are those of `data/mnist`, whose README says where they come from and under which licence.

use std::path::Path;

use super::SourceError;
use super::idx::{Idx, Part};
use crate::Limits;

/// Gives the embedded MNIST: 60,000 training and 10,000 test images of 28x28, ten digits.
///
/// Inflates and checks 55 MB, a fraction of a second: keep it rather than calling again.
///
/// # Errors
/// None unless the program file itself is damaged.
///
/// ```
/// use planaria_data::{Source, Split, source::embedded};
/// let mnist = embedded::mnist()?;
/// assert_eq!(mnist.describe(), "MNIST, embedded: 60000 train, 10000 test, 28x28x1");
/// assert_eq!(mnist.read(Split::Train, 0)?.label, 5);
/// # Ok::<(), planaria_data::SourceError>(())
/// ```
pub fn mnist() -> Result<Idx, SourceError> {
    let train = part(
        ("train-images-idx3-ubyte.gz", TRAIN_IMAGES),
        ("train-labels-idx1-ubyte.gz", TRAIN_LABELS),
    )?;
    let test = part(
        ("t10k-images-idx3-ubyte.gz", TEST_IMAGES),
        ("t10k-labels-idx1-ubyte.gz", TEST_LABELS),
    )?;
    Idx::join(train, test, Some(10), String::from("MNIST, embedded"))
}

static TRAIN_IMAGES: &[u8] = include_bytes!("../../../../data/mnist/train-images-idx3-ubyte.gz");
static TRAIN_LABELS: &[u8] = include_bytes!("../../../../data/mnist/train-labels-idx1-ubyte.gz");
static TEST_IMAGES: &[u8] = include_bytes!("../../../../data/mnist/t10k-images-idx3-ubyte.gz");
static TEST_LABELS: &[u8] = include_bytes!("../../../../data/mnist/t10k-labels-idx1-ubyte.gz");

fn part(images: (&str, &[u8]), labels: (&str, &[u8])) -> Result<Part, SourceError> {
    let (images_path, labels_path) = (Path::new(images.0), Path::new(labels.0));
    Part::read((images_path, images.1), (labels_path, labels.1), &Limits::default())
}
