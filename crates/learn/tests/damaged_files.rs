//! What readers of models do with files that somebody damaged: they answer with an error, or with a
//! model that is whole; they never panic and take no memory that the file does not justify.
//!
//! The quick test is a part of every test run. The long one looks for minutes; in 2 GB of memory,
//! so that an allocation by a damaged length fails:
//!
//! ```sh
//! cargo test --release -p planaria-learn --test damaged_files --no-run
//! (ulimit -v 2000000; ROUNDS=10000000 cargo test --release -p planaria-learn --test damaged_files -- --ignored)
//! ```

use planaria_learn::layer::{
    batch_norm::BatchNorm, concat::Concat, conv2d::Conv2d, dense::Dense, flatten::Flatten,
    max_pool::MaxPool, relu::Relu, residual::Residual,
};
use planaria_learn::model_file::{self, Packing, npy::Npy, npz, onnx};
use planaria_learn::{LayerSpec, Network, Predictor, Quantised, Shape};
use planaria_random::{Purpose, Stream};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A reader under test: what it is called, whole files, and the reading with what must then hold.
struct Reader {
    name: &'static str,
    files: Vec<Vec<u8>>,
    read: fn(&[u8]) -> bool,
}

/// Unpacked bytes that are allowed of an archive.
const UNPACKED_BYTES_MAX: usize = 1 << 20;

fn network() -> Network {
    let relu = || LayerSpec::from(Relu {});
    let norm = || LayerSpec::from(BatchNorm::default());
    let block = Residual { body: vec![norm(), relu()], shortcut: vec![norm()] };
    let beside = Concat { branches: vec![vec![], vec![relu()]] };
    let layers: [LayerSpec; 8] = [
        Conv2d::square(2, 3).into(),
        block.into(),
        beside.into(),
        MaxPool::default().into(),
        Flatten {}.into(),
        Dense::new(3).into(),
        relu(),
        Dense::new(2).into(),
    ];
    Network::new(Shape::Image { h: 6, w: 7, c: 1 }, &layers).unwrap()
}

/// The file of a quantised net.
fn of_bytes() -> Vec<u8> {
    let layers = [Dense::new(16).into(), Relu {}.into(), Dense::new(2).into()];
    let network = Network::new(Shape::Features(64), &layers).unwrap();
    let (parameters, samples) = (network.initial_parameters(1), [0.5; 64]);
    let samples = network.input().samples(&samples);
    let mut go_on = || Ok::<(), ()>(());
    let net = Quantised::calibrate(&network, &parameters, samples, &mut go_on).unwrap().unwrap();
    model_file::encode_quantised(&net, &BTreeMap::new()).unwrap()
}

fn stored(endings: &[&str]) -> Vec<Vec<u8>> {
    let folders = ["tests/data", "tests/data/onnx"];
    let mut paths: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| {
            let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder);
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path())
        })
        .filter(|path| endings.iter().any(|ending| path.extension().is_some_and(|e| e == *ending)))
        .collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn readers() -> Vec<Reader> {
    let network = network();
    let parameters = network.initial_parameters(1);
    let metadata = BTreeMap::from([("preprocessing".to_owned(), "{}".to_owned())]);
    let safetensors = model_file::encode(&network, &parameters, &metadata).unwrap();
    let exported = onnx::encode(&network, &parameters, &metadata).unwrap();
    let packed = |packing| npz::encode_parameters(packing, &network, &parameters).unwrap();
    let weights = vec![packed(Packing::Stored), packed(Packing::Deflated)];
    let with_stored = |mut files: Vec<Vec<u8>>, endings: &[&str]| {
        files.extend(stored(endings));
        files
    };
    vec![
        Reader {
            name: "safetensors",
            files: with_stored(vec![safetensors.clone()], &["safetensors"]),
            read: |bytes| {
                model_file::decode(bytes).is_ok_and(|(network, file)| {
                    assert_whole(&network, &file.parameters);
                    model_file::encode(&network, &file.parameters, &file.metadata).is_ok()
                })
            },
        },
        Reader {
            name: "safetensors for a known net",
            files: vec![safetensors],
            read: |bytes| is_whole(model_file::decode_parameters(&self::network(), bytes)),
        },
        Reader {
            name: "safetensors of bytes",
            files: vec![of_bytes()],
            read: |bytes| {
                model_file::decode(bytes).is_ok_and(|(network, file)| {
                    assert_whole(&network, &file.parameters);
                    Predictor::of_file(&network, &file).is_ok()
                })
            },
        },
        Reader {
            name: "npy",
            files: stored(&["npy"]),
            read: |bytes| {
                Npy::decode(bytes).is_ok_and(|array| Npy::decode(&array.encode()).is_ok())
            },
        },
        Reader {
            name: "npz",
            files: with_stored(weights.clone(), &["npz"]),
            read: |bytes| npz::decode(bytes, UNPACKED_BYTES_MAX).is_ok(),
        },
        Reader {
            name: "npz for a known net",
            files: weights,
            read: |bytes| is_whole(npz::decode_parameters(&self::network(), bytes)),
        },
        Reader {
            name: "onnx",
            files: with_stored(vec![exported], &["onnx"]),
            read: |bytes| {
                onnx::decode(bytes).is_ok_and(|(network, file)| {
                    assert_whole(&network, &file.parameters);
                    onnx::encode(&network, &file.parameters, &file.metadata).is_ok()
                })
            },
        },
    ]
}

fn is_whole<E>(parameters: Result<Vec<f32>, E>) -> bool {
    parameters.is_ok_and(|parameters| {
        assert_whole(&network(), &parameters);
        true
    })
}

fn assert_whole(network: &Network, parameters: &[f32]) {
    assert_eq!(parameters.len(), network.parameter_count());
    assert!(parameters.iter().all(|parameter| parameter.is_finite()));
}

/// Bytes that lengths and counts are made of where it hurts.
const SHARP: [u8; 8] = [0, 1, 0x7f, 0x80, 0xfe, 0xff, b'0', b'"'];

/// Damages a file in one to eight places; `other` is a file to take pieces from.
fn damage(bytes: &mut Vec<u8>, other: &[u8], stream: &mut Stream) {
    for _ in 0..=stream.next_below(8) {
        let len = bytes.len() as u32;
        if len == 0 {
            return;
        }
        let at = stream.next_below(len) as usize;
        let size = (stream.next_below(16) as usize + 1).min(bytes.len() - at);
        match stream.next_below(8) {
            0 => bytes[at] ^= 1 << stream.next_below(8),
            1 => bytes[at] = stream.next_u32() as u8,
            2 => bytes[at] = SHARP[stream.next_below(8) as usize],
            3 => bytes[at..at + size].fill(SHARP[stream.next_below(8) as usize]),
            4 => bytes.truncate(at),
            5 => drop(bytes.drain(at..at + size)),
            6 => {
                let piece = bytes[at..at + size].to_vec();
                let to = stream.next_below(len) as usize;
                bytes.splice(to..to, piece);
            }
            _ => {
                let from = stream.next_below(other.len() as u32) as usize;
                let piece = other[from..(from + size).min(other.len())].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
}

/// Reads damaged files; returns how many were read as whole all the same.
fn rounds(reader: &Reader, count: u64) -> u64 {
    let mut whole = 0;
    for round in 0..count {
        let mut stream = Stream::new(11, Purpose::Chaos, 0, round);
        let file = |stream: &mut Stream| {
            &reader.files[stream.next_below(reader.files.len() as u32) as usize]
        };
        let (mut bytes, other) = (file(&mut stream).clone(), file(&mut stream));
        damage(&mut bytes, other, &mut stream);
        whole += u64::from((reader.read)(&bytes));
    }
    whole
}

#[test]
fn whole_files_are_read_and_every_cut_of_them_is_refused() {
    for Reader { name, files, read } in readers() {
        assert!(!files.is_empty(), "{name}");
        for (number, file) in files.iter().enumerate() {
            assert!(read(file), "{name} {number}");
            for cut in (0..file.len()).step_by(1 + file.len() / 5_000) {
                assert!(!read(&file[..cut]), "{name} {number} cut at {cut}");
            }
        }
    }
}

#[test]
fn damaged_files_never_make_a_reader_panic() {
    for reader in readers() {
        let whole = rounds(&reader, 3_000);
        assert!(whole < 3_000, "{}: nothing was ever refused", reader.name);
    }
}

#[test]
#[ignore = "it looks for minutes: see the head of this file"]
fn damaged_files_never_make_a_reader_panic_in_millions_of_rounds() {
    let count = std::env::var("ROUNDS").map_or(1_000_000, |rounds| rounds.parse().unwrap());
    for reader in readers() {
        let whole = rounds(&reader, count);
        println!("{}: {count} damaged files, {whole} still whole", reader.name);
    }
}
