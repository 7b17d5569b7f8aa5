//! What breaks the promises on purpose, in a build with the feature `negative-controls`: a test that stays green with one of
//! these switched on would prove nothing. `PLANARIA_NEGATIVE_CONTROL` names one; any other build knows none.

#[cfg(feature = "negative-controls")]
fn is(control: &str) -> bool {
    std::env::var("PLANARIA_NEGATIVE_CONTROL").is_ok_and(|named| named == control)
}

#[cfg(not(feature = "negative-controls"))]
fn is(_: &str) -> bool {
    false
}

/// `no-rename`: a file is written in its place.
pub(crate) fn is_in_place() -> bool {
    is("no-rename")
}

/// `no-fsync`: neither a file nor its folder is synced.
pub(crate) fn is_unsynced() -> bool {
    is("no-fsync")
}
