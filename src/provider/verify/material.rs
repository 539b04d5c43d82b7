//! What comes back when a key is fetched: certificates in PEM, or JSON Web Keys (RFC 7517).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::Value;

use super::keys::MaterialKind;

/// More certificates than this are no chain.
const MAX_CERTIFICATES: usize = 10;

/// More keys than this are no rotation.
const MAX_KEYS: usize = 100;

/// Fetched keys, ready to verify.
#[derive(Debug, Clone)]
pub struct Material(pub(super) Held);

#[derive(Debug, Clone)]
pub(super) enum Held {
    /// The signer's own first, then those that lead to a root.
    Certificates(Vec<CertificateDer<'static>>),
    Keys(Vec<Jwk>),
}

/// A key by its name.
#[derive(Debug, Clone)]
pub(super) struct Jwk {
    kid: String,
    key: Public,
    /// From when on the provider disowns it (Plaid).
    expired_at: Option<Timestamp>,
}

#[derive(Debug, Clone)]
enum Public {
    /// An uncompressed point of P-256.
    P256(Vec<u8>),
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

/// The members of a key that are read (RFC 7518 §6); others are passed over.
#[derive(Deserialize)]
struct Written {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    expired_at: Option<i64>,
}

impl Material {
    /// Read what a host answered.
    ///
    /// # Errors
    /// It is not what was asked for.
    pub fn parse(kind: MaterialKind, bytes: &[u8]) -> Result<Material, &'static str> {
        let held = match kind {
            MaterialKind::Certificate => Held::Certificates(certificates(bytes)?),
            MaterialKind::Jwks => Held::Keys(keys(bytes, "keys")?),
            MaterialKind::Jwk => Held::Keys(keys(bytes, "key")?),
        };
        Ok(Material(held))
    }

    /// Is the key of this name among them? Certificates have no names.
    pub fn has(&self, kid: &str) -> bool {
        match &self.0 {
            Held::Certificates(_) => true,
            Held::Keys(keys) => keys.iter().any(|key| key.kid == kid),
        }
    }

    pub(super) fn key(&self, kid: &str, now: Timestamp) -> Option<&Jwk> {
        match &self.0 {
            Held::Certificates(_) => None,
            Held::Keys(keys) => keys.iter().find(|key| key.kid == kid && key.expired_at.is_none_or(|at| now < at)),
        }
    }
}

impl Jwk {
    /// ES256 (RFC 7518 §3.4): r and s side by side.
    pub(super) fn verifies_es256(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.key {
            Public::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
            }
            Public::Rsa { .. } => false,
        }
    }

    /// RS256 (RFC 7518 §3.3); keys below 2,048 bits are refused.
    pub(super) fn verifies_rs256(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.key {
            Public::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
            }
            Public::P256(_) => false,
        }
    }
}

fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).take(MAX_CERTIFICATES + 1).collect();
    let all = all.map_err(|_| "is not PEM")?;
    if all.is_empty() || all.len() > MAX_CERTIFICATES {
        return Err("does not hold 1 to 10 certificates");
    }
    Ok(all)
}

/// The keys below `member`, one or a list of them. Kinds that no scheme of ours uses are passed over.
fn keys(bytes: &[u8], member: &str) -> Result<Vec<Jwk>, &'static str> {
    let mut answer: Value = serde_json::from_slice(bytes).map_err(|_| "is not JSON")?;
    let list = match answer.get_mut(member).map(Value::take) {
        Some(Value::Array(list)) if list.len() <= MAX_KEYS => list,
        Some(key @ Value::Object(_)) => vec![key],
        _ => return Err("holds no keys"),
    };
    let keys: Vec<Jwk> = list.into_iter().filter_map(key).collect();
    if keys.is_empty() { Err("holds no key that can be used") } else { Ok(keys) }
}

fn key(value: Value) -> Option<Jwk> {
    let written: Written = serde_json::from_value(value).ok()?;
    let part = |text: Option<&String>| URL_SAFE_NO_PAD.decode(text?).ok();
    let is = |given: Option<&String>, wanted: &str| given.is_none_or(|given| given == wanted);
    if !is(written.usage.as_ref(), "sig") {
        return None;
    }
    let key = match written.kty.as_str() {
        "EC" if written.crv.as_deref() == Some("P-256") && is(written.alg.as_ref(), "ES256") => {
            let (x, y) = (part(written.x.as_ref())?, part(written.y.as_ref())?);
            let point = [&[4][..], &x, &y].concat();
            (x.len() == 32 && y.len() == 32).then_some(Public::P256(point))?
        }
        "RSA" if is(written.alg.as_ref(), "RS256") => {
            Public::Rsa { n: part(written.n.as_ref())?, e: part(written.e.as_ref())? }
        }
        _ => return None,
    };
    let expired_at = written.expired_at.map(|second| Timestamp::from_second(second).unwrap_or(Timestamp::MIN));
    Some(Jwk { kid: written.kid?, key, expired_at })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::keys::MaterialKind;
    use super::Material;

    const X: &str = "k8sg9V-qPckruIxj74oNRQ2m-jntSsrml5cdENI-Vv4";
    const Y: &str = "EU0USnWSACtl7gYlQ4Ym2WlqKFLQC0_NaZwvYZHQQ3E";

    fn ec(more: &str) -> String {
        format!(r#"{{"kty":"EC","crv":"P-256","kid":"k","x":"{X}","y":"{Y}"{more}}}"#)
    }

    #[test]
    fn keys_of_other_kinds_are_passed_over() {
        let set = |keys: &str| Material::parse(MaterialKind::Jwks, format!(r#"{{"keys":[{keys}]}}"#).as_bytes());
        assert!(set(&ec("")).is_ok_and(|keys| keys.has("k") && !keys.has("other")));
        assert!(set(&format!(r#"{{"kty":"oct","k":"AA","kid":"o"}},{}"#, ec(""))).is_ok_and(|keys| !keys.has("o")));
        for none in ["", r#"{"kty":"oct","k":"AA","kid":"k"}"#, "1", &ec(r#","use":"enc""#), &ec(r#","alg":"HS256""#)] {
            assert!(set(none).is_err(), "{none}");
        }
        for wrong in ["", "{}", "[]", r#"{"keys":{}}"#, r#"{"keys":"x"}"#] {
            assert!(Material::parse(MaterialKind::Jwks, wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(set(&vec![ec(""); 101].join(",")).is_err());
    }

    #[test]
    fn an_expired_key_is_none() {
        let one =
            |more: &str| Material::parse(MaterialKind::Jwk, format!(r#"{{"key":{}}}"#, ec(more)).as_bytes()).unwrap();
        let now = Timestamp::from_second(100).unwrap();
        assert!(one(r#","expired_at":null"#).key("k", now).is_some());
        assert!(one(r#","expired_at":101"#).key("k", now).is_some());
        assert!(one(r#","expired_at":100"#).key("k", now).is_none());
        assert!(one(r#","expired_at":-9223372036854775808"#).key("k", now).is_none());
    }

    #[test]
    fn what_is_no_certificate() {
        for text in ["", "x", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
            assert!(Material::parse(MaterialKind::Certificate, text.as_bytes()).is_err(), "{text}");
        }
    }
}
