//! Files that other programs wrote, read; the scripts that wrote them are beside this file.

use ndarray::{Array2, Axis};
use planaria_learn::Predictor;
use planaria_learn::model_file::npy::Npy;
use planaria_learn::model_file::{npz, onnx};
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

/// Logits less the logarithm of the sum of their powers: what is left of them by a softmax.
fn log_softmax(logits: &Array2<f32>) -> Array2<f32> {
    let mut rows = logits.clone();
    for mut row in rows.outer_iter_mut() {
        let sum: f32 = row.iter().map(|logit| logit.exp()).sum();
        row -= sum.ln();
    }
    rows
}

#[test]
fn nets_that_pytorch_exported_answer_as_in_pytorch() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/onnx");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = files
        .filter_map(|file| file.into_string().unwrap().strip_suffix(".onnx").map(str::to_owned))
        .collect();
    names.sort();
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        let (network, file) = onnx::decode(&data(&format!("onnx/{name}.onnx")))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut arrays = npz::decode(&data(&format!("onnx/{name}.npz")), 100_000).unwrap();
        let mut array = |key: &str| arrays.remove(key).unwrap().into_f32().unwrap();
        let (images, logits) = (array("images"), array("logits"));
        let expected = log_softmax(&logits.into_dimensionality().unwrap());
        let count = images.len_of(Axis(0));
        let predictor = Predictor::new(&network, &file.parameters);
        let (mut workspace, mut pulse) = (predictor.workspace(count), || Ok::<(), ()>(()));
        let mut found = Array2::zeros((count, network.classes()));
        predictor.predict(images.view(), &mut workspace, found.view_mut(), &mut pulse).unwrap();
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found.ln() - expected).abs() < 1e-5, "{name}: {} {expected}", found.ln());
        }
    }
}
