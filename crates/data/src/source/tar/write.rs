//! An archive as it is written: ustar, with GNU's long names where one is needed.

use super::headers::BLOCK;

/// The header of a regular file, with its long name before it when it has one.
///
/// The bytes follow, and [`padding`]; at the end of all stands [`END`].
pub fn header(name: &str, len: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if name.len() > 100 {
        let long = [name.as_bytes(), b"\0"].concat();
        bytes.extend(block(b"././@LongLink", b'L', long.len() as u64));
        bytes.extend(&long);
        bytes.resize(bytes.len() + padding(long.len() as u64).len(), 0);
    }
    bytes.extend(block(name.as_bytes(), b'0', len));
    bytes
}

/// The zeros that fill the last block of a file of so many bytes.
pub fn padding(len: u64) -> &'static [u8] {
    const ZEROS: [u8; BLOCK as usize] = [0; BLOCK as usize];
    let rest = (len % BLOCK) as usize;
    if rest == 0 { &[] } else { &ZEROS[rest..] }
}

/// What an archive ends with.
pub const END: [u8; 2 * BLOCK as usize] = [0; 2 * BLOCK as usize];

fn block(name: &[u8], kind: u8, len: u64) -> Vec<u8> {
    let mut block = vec![0; BLOCK as usize];
    let name = &name[..name.len().min(100)];
    block[..name.len()].copy_from_slice(name);
    // Readable by all; nobody's, at the beginning of time: equal files give equal archives.
    for (at, number) in [(100, "0000644"), (108, "0000000"), (116, "0000000"), (136, "00000000000")]
    {
        block[at..at + number.len()].copy_from_slice(number.as_bytes());
    }
    match len >> 33 {
        0 => block[124..135].copy_from_slice(format!("{len:011o}").as_bytes()),
        _ => {
            block[124] = 0x80;
            block[128..136].copy_from_slice(&len.to_be_bytes());
        }
    }
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block
}
