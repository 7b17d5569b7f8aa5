//! How many samples a second does one thread train?
fn main() {}
