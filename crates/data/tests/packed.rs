//! What is packed is read as if it were plain: by its first bytes, within the limit, and damage is an error.

use std::io::{Read, Write};

use flate2::{Compression, write::GzEncoder};
use lzma_rust2::{XzOptions, XzWriter};
use planaria_data::source::seekable::Seekable;
use planaria_data::source::unpack::{Packing, unpacked};
use planaria_data::{Limits, SourceError};
use proptest::prelude::*;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut packed = XzWriter::new(Vec::new(), XzOptions::with_preset(1)).unwrap();
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

type Pack = fn(&[u8]) -> Vec<u8>;

const PACKINGS: [(Packing, Pack); 3] =
    [(Packing::Gzip, gzip), (Packing::Zstd, zstd), (Packing::Xz, xz)];

fn text() -> Vec<u8> {
    (0..20_000u32).flat_map(|number| (number * number % 251).to_le_bytes()).collect()
}

fn all(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut found = Vec::new();
    unpacked(bytes)?.1.read_to_end(&mut found)?;
    Ok(found)
}

fn seekable(bytes: &[u8], limit: u64) -> Result<Seekable, SourceError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("named.txt");
    std::fs::write(&path, bytes).unwrap();
    Seekable::open(&path, &Limits { source_bytes: limit, ..Limits::default() })
}

#[test]
fn every_packing_is_told_by_its_first_bytes_and_comes_back() {
    for (packing, pack) in PACKINGS {
        for bytes in [text(), vec![7], Vec::new()] {
            let packed = pack(&bytes);
            assert_eq!(unpacked(&packed[..]).unwrap().0, packing);
            assert_eq!(all(&packed).unwrap(), bytes, "{packing:?}");
        }
    }
    assert_eq!(all(b"plain").unwrap(), b"plain");
    assert_eq!(all(b"").unwrap(), b"");
}

#[test]
fn streams_that_follow_one_another_are_one() {
    for (packing, pack) in PACKINGS {
        let two = [pack(b"one, "), pack(b"two")].concat();
        assert_eq!(all(&two).unwrap(), b"one, two", "{packing:?}");
    }
    // A frame to be skipped, as pzstd writes them: magic, length, bytes.
    let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..], &zstd(b"three")].concat();
    assert_eq!(all(&skipped).unwrap(), b"three");
    assert!(all(&skipped[..9]).is_err());
}

#[test]
fn what_the_reference_programs_write_is_read() {
    // printf 'planaria planaria planaria planaria planaria\n' | zstd -19 --check | xxd -p; then with `xz -9`.
    let zstd = "28b52ffd046885000050706c616e61726961200a0100489623d968ac0a";
    let xz = "fd377a585a000004e6d6b446020021011c00000010cf58cce0002c00115d00381b0847f1f998e309fcebbf53\
              94ea00000000000073bfb1e4f012a62f00012d2db1b373451fb6f37d010000000004595a";
    for hex in [zstd, xz] {
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let packed: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        assert_eq!(all(&packed).unwrap(), b"planaria planaria planaria planaria planaria\n");
    }
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let bomb = vec![0; 8 << 20];
    for (packing, pack) in PACKINGS {
        let packed = pack(&bomb);
        assert!(packed.len() < 100_000, "{packing:?}: {} bytes", packed.len());
        let refused = seekable(&packed, 1 << 20).unwrap_err();
        assert!(matches!(refused, SourceError::TooLarge { limit: 1_048_576, .. }), "{refused}");
        assert_eq!(seekable(&packed, 8 << 20).unwrap().len(), 8 << 20);
    }
}

#[test]
fn what_is_large_is_unpacked_to_a_scratch_file_and_read_at_any_place() {
    let block = text();
    let blocks = (70 << 20) / block.len() + 1;
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    (0..blocks).for_each(|_| packed.write_all(&block).unwrap());
    let file = seekable(&packed.finish().unwrap(), 1 << 30).unwrap();
    assert_eq!(file.len(), (blocks * block.len()) as u64);
    for at in [0, 1, 65 << 20, file.len() - 100] {
        let mut found = [0; 100];
        file.read_at(at, &mut found).unwrap();
        let expected = (0..100).map(|more| block[(at as usize + more) % block.len()]);
        assert!(found.iter().copied().eq(expected), "at {at}");
    }
    let beyond = file.read_at(file.len() - 1, &mut [0; 2]).unwrap_err();
    assert!(matches!(beyond, SourceError::Truncated { .. }), "{beyond}");
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_an_error_of_the_item() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shrinks");
    std::fs::write(&path, [1; 100]).unwrap();
    let file = Seekable::open(&path, &Limits::default()).unwrap();
    std::fs::write(&path, [1; 10]).unwrap();
    let refused = file.read_at(5, &mut [0; 20]).unwrap_err();
    let expected = SourceError::Truncated { path, have: 10, need: 25 };
    assert_eq!(refused.to_string(), expected.to_string());
}

#[test]
fn every_cut_and_every_flipped_byte_is_an_error_or_the_same_bytes() {
    let bytes = &text()[..3_000];
    for (packing, pack) in PACKINGS {
        let packed = pack(bytes);
        for cut in 0..packed.len() {
            // What is cut before its magic is no packed file.
            if Packing::of(&packed[..cut]) == packing
                && let Ok(found) = all(&packed[..cut])
            {
                panic!("{packing:?} cut at {cut} of {} gives {} bytes", packed.len(), found.len());
            }
        }
        for at in 6..packed.len() {
            let mut damaged = packed.clone();
            damaged[at] ^= 0x20;
            if let Ok(found) = all(&damaged) {
                // Only what no checksum covers may change without notice: times and names in a header, or padding.
                assert_eq!(found, bytes, "{packing:?}: byte {at} of {}", packed.len());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn no_bytes_behind_a_magic_make_unpacking_panic(
        which in 0usize..3, junk in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let begin = &PACKINGS[which].1(b"begin of a stream")[..12];
        let bytes = [begin, &junk].concat();
        let mut found = Vec::new();
        let (_, from) = unpacked(&bytes[..]).unwrap();
        let _ = from.take(1 << 20).read_to_end(&mut found);
    }
}
