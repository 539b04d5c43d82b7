//! Values as people write them in the file: `5s`, `14d`, `10GiB`, `env:NAME`, `file:/path`.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use jiff::{Span, SpanRelativeTo};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

use super::secret::Secret;

/// A length of time, written `200ms`, `5s`, `30m`, `14d` (a day is 24 hours).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length(pub Duration);

impl FromStr for Length {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a length of time; write for example 200ms, 5s, 30m or 14d");
        let span: Span = text.parse().map_err(|_| wrong())?;
        let signed = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
        Duration::try_from(signed).map(Self).map_err(|_| wrong())
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u128, &str); 4] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
        let millis = self.0.as_millis();
        match UNITS.iter().find(|(length, _)| millis > 0 && millis.is_multiple_of(*length)) {
            Some((length, unit)) => write!(f, "{}{unit}", millis / length),
            None => write!(f, "{millis}ms"),
        }
    }
}

impl Serialize for Length {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Length {
    fn schema_name() -> Cow<'static, str> {
        "length of time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["200ms", "5s", "14d"] })
    }
}

/// A number of bytes, written `64KiB`, `1MiB`, `10GiB`, or a bare integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const UNITS: [(&str, u64); 7] = [
            ("GiB", 1 << 30),
            ("MiB", 1 << 20),
            ("KiB", 1 << 10),
            ("GB", 1_000_000_000),
            ("MB", 1_000_000),
            ("kB", 1_000),
            ("B", 1),
        ];
        let wrong = || format!("`{text}` is not a number of bytes; write for example 64KiB, 1MiB or 10GiB");
        let text = text.trim();
        let (digits, unit) =
            UNITS.iter().find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, *unit))).unwrap_or((text, 1));
        let number: u64 = digits.trim().parse().map_err(|_| wrong())?;
        number.checked_mul(unit).map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match UNITS.iter().find(|(size, _)| self.0 > 0 && self.0.is_multiple_of(*size)) {
            Some((size, unit)) => write!(f, "{}{unit}", self.0 / size),
            None => write!(f, "{}B", self.0),
        }
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(u64),
            Text(String),
        }
        match Either::deserialize(deserializer)? {
            Either::Number(number) => Ok(Self(number)),
            Either::Text(text) => text.parse().map_err(D::Error::custom),
        }
    }
}

impl JsonSchema for Bytes {
    fn schema_name() -> Cow<'static, str> {
        "bytes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"], "examples": ["64KiB", "1MiB", "10GiB"] })
    }
}

/// Where a secret is to be found. The secret itself never stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// `env:NAME`: the environment variable of that name.
    Env(String),
    /// `file:PATH`: the content of that file, without one trailing line end.
    File(PathBuf),
    /// Given by the program itself (`dev`), never parsed from a file.
    Given(Secret),
}

impl SecretRef {
    /// Fetch the secret.
    ///
    /// # Errors
    /// A sentence that names the variable or the file, what is wrong and what to do; never the content.
    pub fn resolve(&self) -> Result<Secret, String> {
        let bytes = match self {
            Self::Env(name) => std::env::var_os(name).map(|value| value.into_encoded_bytes()).ok_or_else(|| {
                format!("the environment variable {name} is not set; set it, or point to a file with file:PATH")
            })?,
            Self::File(path) => {
                let mut bytes = std::fs::read(path).map_err(|error| {
                    format!("cannot read {}: {error}; check the path and its permissions", path.display())
                })?;
                if bytes.ends_with(b"\n") {
                    bytes.pop();
                    if bytes.ends_with(b"\r") {
                        bytes.pop();
                    }
                }
                bytes
            }
            Self::Given(secret) => return Ok(secret.clone()),
        };
        if bytes.is_empty() {
            return Err(format!("{self} is empty; an empty secret would let anybody in"));
        }
        Ok(Secret::new(bytes))
    }

    /// The file that holds it.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Env(_) | Self::Given(_) => None,
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Given(_) => f.write_str("given at start"),
        }
    }
}

impl FromStr for SecretRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Env(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            // The text may be a pasted secret: it is not repeated in the message.
            _ => Err("a secret never stands in the file itself: write env:NAME or file:PATH".to_owned()),
        }
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for SecretRef {
    fn schema_name() -> Cow<'static, str> {
        "secret reference".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(env|file):.+", "examples": ["env:STRIPE_WEBHOOK_SECRET", "file:/run/secrets/stripe"] })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Bytes, Length, SecretRef};

    #[test]
    fn lengths_of_time() {
        assert_eq!("14d".parse(), Ok(Length(Duration::from_secs(14 * 86_400))));
        assert_eq!("200ms".parse(), Ok(Length(Duration::from_millis(200))));
        for text in ["14d", "200ms", "90s", "1h", "0ms"] {
            assert_eq!(text.parse::<Length>().unwrap().to_string(), text);
        }
        assert!("-5s".parse::<Length>().is_err());
        assert!("5 parsecs".parse::<Length>().is_err_and(|e| e.contains("5 parsecs")));
    }

    #[test]
    fn numbers_of_bytes() {
        assert_eq!("10GiB".parse(), Ok(Bytes(10 << 30)));
        assert_eq!("1 MB".parse(), Ok(Bytes(1_000_000)));
        assert_eq!("77".parse(), Ok(Bytes(77)));
        for text in ["10GiB", "1MiB", "77B"] {
            assert_eq!(text.parse::<Bytes>().unwrap().to_string(), text);
        }
        assert!("99999999999GiB".parse::<Bytes>().is_err());
        assert!("-1".parse::<Bytes>().is_err());
    }

    #[test]
    fn a_pasted_secret_is_refused_and_not_repeated() {
        let error = "whsec_canary".parse::<SecretRef>().err().unwrap_or_default();
        assert!(error.contains("env:NAME") && !error.contains("canary"));
    }

    #[test]
    fn a_missing_variable_is_named() {
        let reference = SecretRef::Env("HOOKSTREAM_NO_SUCH_VARIABLE".to_owned());
        assert!(reference.resolve().is_err_and(|e| e.contains("HOOKSTREAM_NO_SUCH_VARIABLE")));
    }
}
