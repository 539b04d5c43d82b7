//! The `hookstream` binary.
fn main() {}
