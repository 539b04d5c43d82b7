//! A secret: bytes that are wiped when dropped and never printed.

use std::fmt;

use zeroize::Zeroizing;

/// The bytes of a secret as the operator gave them. `Debug` shows its length only; there is no `Display`.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Take ownership of the bytes; they are overwritten with zeros when the last copy is dropped.
    pub fn new(bytes: Vec<u8>) -> Secret {
        Secret(Zeroizing::new(bytes))
    }

    /// The bytes, for the code that must use them. Never log or format what this returns.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn debug_shows_no_byte_of_it() {
        let secret = Secret::new(b"whsec_never_shown".to_vec());
        assert_eq!(format!("{secret:?}"), "Secret(17 bytes)");
        assert_eq!(secret.expose(), b"whsec_never_shown");
    }
}
