//! Pictures as files: a folder of classes, or an archive of one.
//!
//! What is a picture's file already is copied byte for byte; other pixels become PNG.

use planaria_data::{
    Codec, RawItem, Values, encode,
    source::{tar::write, unpack::gzip},
};
use planaria_durable::{NewFile, NewFolder};
use std::{io::Write, path::Path};

use super::{ConvertError, Items, SPLITS, unwritten};

/// Writes `train/CLASS/NUMBER.ENDING` and `test/...` below `dst`.
pub(super) fn to_folder(items: &mut Items<'_>, dst: &Path) -> Result<[u64; 2], ConvertError> {
    let folder = NewFolder::begin(dst)?;
    let counts = each(items, |name, bytes| {
        let mut file = folder.file(name)?;
        file.write_all(bytes).map_err(unwritten(dst))?;
        Ok(file.finish()?)
    })?;
    folder.finish()?;
    Ok(counts)
}

/// Writes the same as an archive, in gzip when its name ends so.
pub(super) fn to_tar(items: &mut Items<'_>, dst: &Path) -> Result<[u64; 2], ConvertError> {
    let file = NewFile::begin(dst)?;
    let is_packed = dst.extension().is_some_and(|ending| ending == "gz");
    if !is_packed {
        let (file, counts) = archive(items, file, dst)?;
        file.finish()?;
        return Ok(counts);
    }
    let (packed, counts) = archive(items, gzip(file), dst)?;
    packed.finish().map_err(unwritten(dst))?.finish()?;
    Ok(counts)
}

fn archive<W: Write>(
    items: &mut Items<'_>,
    mut to: W,
    dst: &Path,
) -> Result<(W, [u64; 2]), ConvertError> {
    let counts = each(items, |name, bytes| {
        let len = bytes.len() as u64;
        let parts = [&write::header(name, len)[..], bytes, write::padding(len)];
        parts.iter().try_for_each(|part| to.write_all(part)).map_err(unwritten(dst))
    })?;
    to.write_all(&write::END).map_err(unwritten(dst))?;
    Ok((to, counts))
}

/// Gives the name and the bytes of every picture's file to `put`.
fn each(
    items: &mut Items<'_>,
    mut put: impl FnMut(&str, &[u8]) -> Result<(), ConvertError>,
) -> Result<[u64; 2], ConvertError> {
    let classes = items.class_names();
    if let Some(name) = classes.iter().find(|name| !is_folders_name(name)) {
        return Err(ConvertError::ClassName { name: name.clone() });
    }
    let is_encoded = items.source.codec() == Codec::Image;
    let mut counts = [0; 2];
    for (split, count) in SPLITS.into_iter().zip(&mut counts) {
        let mut number = 0u64;
        *count = items.each(split, |raw, values| {
            let label = usize::from(raw.label);
            let (ending, bytes) = file_of(raw, &values, is_encoded)?;
            let name = format!("{split}/{}/{number:08}.{ending}", classes[label]);
            number += 1;
            put(&name, &bytes)
        })?;
    }
    Ok(counts)
}

/// True for what names one folder and is not passed over as hidden.
fn is_folders_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0'])
}

/// A picture's file, and what its name ends in.
fn file_of(
    raw: RawItem,
    values: &Values,
    is_encoded: bool,
) -> Result<(&'static str, Vec<u8>), ConvertError> {
    if is_encoded && let Some(ending) = encode::ending(&raw.bytes) {
        return Ok((ending, raw.bytes));
    }
    let unfit = |what| ConvertError::Unfit { format: "a picture's file", what };
    let Values::Pixels(pixels) = values else { return Err(unfit("numbers".to_owned())) };
    let png = encode::png(pixels).map_err(|error| unfit(format!("these pixels ({error})")))?;
    Ok(("png", png))
}
