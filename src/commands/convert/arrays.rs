//! Arrays: NumPy's archive, or the four files of IDX.
//!
//! How many items there are stands before them. So when bad ones are left out, all are read twice.

use planaria_data::{ConformError, Pixels, Values, conform};
use planaria_durable::{NewFile, NewFolder};
use planaria_npy::{Element, header, zip::Stream};
use std::{io::Write, path::Path};

use super::{ConvertError, Items, SPLITS, unwritten};

/// Writes `x_train`, `y_train`, `x_test`, `y_test`: bytes of pixels `[N, H, W]` or `[N, H, W, C]`, or numbers.
pub(super) fn to_npz(items: &mut Items<'_>, dst: &Path) -> Result<[u64; 2], ConvertError> {
    let like = first_shape(items)?;
    let mut archive = Stream::new(NewFile::begin(dst)?);
    let mut counts = [0; 2];
    for (split, count) in SPLITS.into_iter().zip(&mut counts) {
        let len = items.count(split) as usize;
        let mut member = archive.member(&format!("x_{split}.npy")).map_err(unwritten(dst))?;
        let (element, shape) = like.array(len);
        member.write_all(&header::write(element, &shape)).map_err(unwritten(dst))?;
        let mut labels = Vec::new();
        *count = items.each(split, |raw, values| {
            labels.push(raw.label);
            member.write_all(&like.bytes(values)?).map_err(unwritten(dst))
        })?;
        member.finish().map_err(unwritten(dst))?;
        let array = [header::write(Element::U1, &[labels.len()]), labels].concat();
        let mut member = archive.member(&format!("y_{split}.npy")).map_err(unwritten(dst))?;
        member.write_all(&array).and_then(|()| member.finish()).map_err(unwritten(dst))?;
    }
    archive.finish().map_err(unwritten(dst))?.finish()?;
    Ok(counts)
}

/// Writes the four files of MNIST, named as they are published, to the folder `dst`.
pub(super) fn to_idx(items: &mut Items<'_>, dst: &Path) -> Result<[u64; 2], ConvertError> {
    let unfit = |what: &str| ConvertError::Unfit { format: "IDX", what: what.to_owned() };
    let like = first_shape(items)?;
    let Like::Bytes((h, w, 1)) = like else { return Err(unfit("other items than grey pictures")) };
    let folder = NewFolder::begin(dst)?;
    let mut counts = [0; 2];
    for ((split, name), count) in SPLITS.into_iter().zip(["train", "t10k"]).zip(&mut counts) {
        let len = items.count(split);
        let dimensions = [0x803, len, h as u64, w as u64].map(u32::try_from);
        let [Ok(magic), Ok(len), Ok(h), Ok(w)] = dimensions else {
            return Err(unfit("more than four billion items"));
        };
        let mut images = folder.file(format!("{name}-images-idx3-ubyte"))?;
        let begin = [magic, len, h, w].map(u32::to_be_bytes).concat();
        images.write_all(&begin).map_err(unwritten(dst))?;
        let mut labels = [0x801, len].map(u32::to_be_bytes).concat();
        *count = items.each(split, |raw, values| {
            labels.push(raw.label);
            images.write_all(&like.bytes(values)?).map_err(unwritten(dst))
        })?;
        images.finish()?;
        let mut file = folder.file(format!("{name}-labels-idx1-ubyte"))?;
        file.write_all(&labels).map_err(unwritten(dst))?;
        file.finish()?;
    }
    folder.finish()?;
    Ok(counts)
}

/// What every item of an array is like.
#[derive(Clone, Copy)]
enum Like {
    Bytes((usize, usize, usize)),
    Floats((usize, usize, usize)),
}

impl Like {
    /// The element and the shape of an array of so many.
    fn array(self, len: usize) -> (Element, Vec<usize>) {
        match self {
            Like::Bytes((h, w, 1)) => (Element::U1, vec![len, h, w]),
            Like::Bytes((h, w, c)) => (Element::U1, vec![len, h, w, c]),
            Like::Floats((1, 1, d)) => (Element::F4, vec![len, d]),
            Like::Floats((h, w, c)) => (Element::F4, vec![len, h, w, c]),
        }
    }

    /// The bytes of one item.
    fn bytes(self, values: Values) -> Result<Vec<u8>, ConvertError> {
        match (self, values) {
            (Like::Bytes(shape), Values::Pixels(pixels)) => {
                let unfit = |error: ConformError| ConvertError::Unfit {
                    format: "an array",
                    what: format!("pictures of several sizes ({error})"),
                };
                conform(pixels, shape, None).map(|pixels: Pixels| pixels.data).map_err(unfit)
            }
            (Like::Floats(_), Values::Numbers(numbers)) => {
                Ok(numbers.data.iter().flat_map(|number| number.to_le_bytes()).collect())
            }
            // A codec gives the one or the other.
            (Like::Bytes(_) | Like::Floats(_), _) => Err(ConvertError::Unfit {
                format: "an array",
                what: "pictures and numbers together".to_owned(),
            }),
        }
    }
}

/// What the first item that can be used is like: all others must be.
fn first_shape(items: &Items<'_>) -> Result<Like, ConvertError> {
    for split in SPLITS {
        for index in 0..items.source.len(split) {
            if let Ok((_, values)) = items.item(split, index) {
                let shape = values.shape();
                return Ok(match values {
                    Values::Pixels(_) => Like::Bytes(shape),
                    Values::Numbers(_) => Like::Floats(shape),
                });
            }
        }
    }
    Err(ConvertError::Empty { split: SPLITS[0] })
}
