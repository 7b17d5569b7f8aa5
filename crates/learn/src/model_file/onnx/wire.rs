//! How much a file would become in memory, found before it is taken apart.
//!
//! A message of two bytes becomes a structure of hundreds, and a whole number of one byte takes
//! eight: a file of nothing but empty nodes would take a hundred times its size. So messages, texts
//! and lists are counted first, and the bytes of all but weights, in a walk that takes no memory.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>.

use super::OnnxError;

/// The most messages, texts and lists of all kinds in a file.
pub(super) const PIECES_MAX: usize = 200_000;

/// The most bytes that are neither weights nor messages: names, settings, shapes.
const SMALL_BYTES_MAX: usize = 16 << 20;

/// Which fields of a message are messages that are read, and which hold weights, by their numbers.
struct Kind {
    messages: &'static [(u64, &'static Kind)],
    weights: &'static [u64],
}

const fn kind(messages: &'static [(u64, &'static Kind)]) -> Kind {
    Kind { messages, weights: &[] }
}

const LEAF: Kind = kind(&[]);
// Floats, raw bytes and doubles: none takes more memory than in the file.
const TENSOR: Kind = Kind { messages: &[(13, &LEAF)], weights: &[4, 9, 10] };
const ATTRIBUTE: Kind = kind(&[(5, &TENSOR)]);
const NODE: Kind = kind(&[(5, &ATTRIBUTE)]);
const SHAPE: Kind = kind(&[(1, &LEAF)]);
const TENSOR_TYPE: Kind = kind(&[(2, &SHAPE)]);
const VALUE_TYPE: Kind = kind(&[(1, &TENSOR_TYPE)]);
const VALUE: Kind = kind(&[(2, &VALUE_TYPE)]);
const GRAPH: Kind = kind(&[(1, &NODE), (5, &TENSOR), (11, &VALUE), (12, &VALUE)]);
const MODEL: Kind = kind(&[(7, &GRAPH), (8, &LEAF), (14, &LEAF)]);

/// What a file may still have.
struct Left {
    pieces: usize,
    small_bytes: usize,
}

/// Counts the pieces of a model.
///
/// # Errors
/// When there are too many, or the bytes are no message.
pub(super) fn check(bytes: &[u8]) -> Result<(), OnnxError> {
    count(bytes, &MODEL, &mut Left { pieces: PIECES_MAX, small_bytes: SMALL_BYTES_MAX })
}

/// Kinds stand in one another to a depth that is written above: so deep does this call itself.
fn count(mut bytes: &[u8], kind: &Kind, left: &mut Left) -> Result<(), OnnxError> {
    while !bytes.is_empty() {
        let before = bytes.len();
        let key = varint(&mut bytes)?;
        let (field, is_piece) = (key >> 3, key & 7 == 2);
        let length = match key & 7 {
            0 => varint(&mut bytes).map(|_| 0)?,
            1 => 8,
            2 => varint(&mut bytes)?,
            5 => 4,
            _ => return Err(OnnxError::Damaged),
        };
        let length = usize::try_from(length).ok();
        let split = length.and_then(|length| bytes.split_at_checked(length));
        let (piece, rest) = split.ok_or(OnnxError::Damaged)?;
        let message = kind.messages.iter().find(|(number, _)| is_piece && *number == field);
        bytes = rest;
        left.pieces = take(left.pieces, usize::from(is_piece))?;
        match message {
            Some((_, kind)) => count(piece, kind, left)?,
            None if kind.weights.contains(&field) => {}
            None => left.small_bytes = take(left.small_bytes, before - bytes.len())?,
        }
    }
    Ok(())
}

fn take(left: usize, number: usize) -> Result<usize, OnnxError> {
    left.checked_sub(number).ok_or(OnnxError::TooManyPieces)
}

/// Takes a number of up to ten bytes, seven bits in each, the lowest first.
fn varint(bytes: &mut &[u8]) -> Result<u64, OnnxError> {
    let mut number = 0;
    for place in 0..10 {
        let (&byte, rest) = bytes.split_first().ok_or(OnnxError::Damaged)?;
        *bytes = rest;
        number |= u64::from(byte & 127) << (7 * place);
        if byte < 128 {
            return Ok(number);
        }
    }
    Err(OnnxError::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field with a length.
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2];
        let mut length = content.len();
        while length >= 128 {
            bytes.push(length as u8 & 127 | 128);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend(content);
        bytes
    }

    #[test]
    fn empty_nodes_are_counted_wherever_they_stand() {
        let nodes = |count: usize| field(7, &field(1, &[]).repeat(count));
        assert!(check(&nodes(PIECES_MAX - 1)).is_ok());
        assert!(matches!(check(&nodes(PIECES_MAX)), Err(OnnxError::TooManyPieces)));
        let split = [nodes(PIECES_MAX / 2), nodes(PIECES_MAX / 2)].concat();
        assert!(matches!(check(&split), Err(OnnxError::TooManyPieces)));
        let attributes = field(7, &field(1, &field(5, &[]).repeat(PIECES_MAX)));
        assert!(matches!(check(&attributes), Err(OnnxError::TooManyPieces)));
    }

    #[test]
    fn long_lists_are_counted_unless_they_are_weights() {
        let list = vec![1; SMALL_BYTES_MAX];
        let initializer = |number: u8| field(7, &field(5, &field(number, &list)));
        for weights in [4, 9, 10] {
            assert!(check(&initializer(weights)).is_ok(), "{weights}");
        }
        for small in [1, 5, 7] {
            assert!(matches!(check(&initializer(small)), Err(OnnxError::TooManyPieces)), "{small}");
        }
    }

    #[test]
    fn what_is_no_message_is_damaged() {
        for bytes in [&[8][..], &[10, 2, 0], &[11, 12], &[15], &[255; 11], &[9, 0, 0]] {
            assert!(matches!(check(bytes), Err(OnnxError::Damaged)), "{bytes:?}");
        }
        assert!(check(&[]).is_ok());
        assert!(check(&[8, 255, 1, 13, 1, 2, 3, 4, 10, 1, 0]).is_ok());
    }
}
