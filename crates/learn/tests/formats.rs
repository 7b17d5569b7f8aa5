//! Files that other programs wrote, read; the scripts that wrote them are beside this file.

use ndarray::Array2;
use planaria_learn::model_file::npy::Npy;
use planaria_learn::model_file::npz;
use std::path::PathBuf;

fn data(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn archives_of_numpy_are_read_with_every_type() {
    for file in ["stored.npz", "deflated.npz"] {
        let mut arrays = npz::decode(&data(file), 10_000).unwrap();
        assert_eq!(arrays.len(), 15, "{file}");
        assert_eq!(arrays.remove("scalar").unwrap().into_f32().unwrap().first(), Some(&0.5));
        assert_eq!(arrays.remove("empty").unwrap().shape(), [0, 3]);
        let whole = Array2::from_shape_fn((2, 3), |(row, column)| (3 * row + column) as f32);
        let truth = whole.mapv(|number| f32::from(number > 2.0));
        for (name, array) in arrays {
            let expected = if name == "bool" { &truth } else { &whole };
            assert_eq!(array.into_f32().unwrap(), expected.view().into_dyn(), "{file} {name}");
        }
    }
}

#[test]
fn a_file_of_version_2_is_read() {
    let numbers = (0..6).map(|number| number as f32).collect();
    let expected = Array2::from_shape_vec((2, 3), numbers).unwrap().into_dyn();
    assert_eq!(Npy::decode(&data("version2.npy")), Ok(Npy::F32(expected)));
}
