//! Two sizes, down and across: `3` in a config means `[3, 3]`.

use serde::{Deserialize, Serialize};

/// Rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Pair(pub [usize; 2]);

/// As a config has it.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "a whole number, or [down, across]")]
enum Written {
    Same(usize),
    Both([usize; 2]),
}

impl Pair {
    /// The same down and across.
    pub const fn same(size: usize) -> Self {
        Pair([size, size])
    }
}

impl From<Written> for Pair {
    fn from(written: Written) -> Self {
        match written {
            Written::Same(size) => Pair::same(size),
            Written::Both(sizes) => Pair(sizes),
        }
    }
}

impl From<Pair> for Written {
    fn from(Pair([down, across]): Pair) -> Self {
        if down == across { Written::Same(down) } else { Written::Both([down, across]) }
    }
}
