//! Hypotheses about the proof itself: another header, algorithm, encoding or prefix; absent, cut or malformed.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::bench::{signature, signature_mut};
use super::case::Case;
use super::clock;
use super::{Cause, Finding};
use crate::provider::verify::{Algorithm, Carried, Encoding, Hash, Proof, Request};

/// The most texts that are taken for a signature.
const MAX_TEXTS: usize = 48;

/// The longest header value that is looked at for one, in bytes.
const LONGEST: usize = 1_024;

const ENCODINGS: [Encoding; 3] = [Encoding::Hex, Encoding::Base64, Encoding::Base64url];
const HASHES: [Hash; 4] = [Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512];

/// A text in a header that may be the signature.
struct Text<'a> {
    header: &'a HeaderName,
    /// What stands before it.
    prefix: &'a str,
    text: &'a str,
}

/// The signature is there and is right: under another header, algorithm, encoding or prefix.
pub(super) fn elsewhere(case: &Case<'_>) -> Option<Finding> {
    let plan = signature(&case.timeless)?;
    let own = plan.at.headers().first()?;
    if !plan.algorithm.is_shared() {
        return None;
    }
    let timestamp = clock::text(case).unwrap_or_default();
    for text in texts(case.request.headers, own) {
        for encoding in ENCODINGS {
            let Some(bytes) = encoding.decode(text.text, 64) else { continue };
            let Some(hash) = HASHES.into_iter().find(|hash| hash.length() == bytes.len()) else { continue };
            let algorithm = match plan.algorithm {
                Algorithm::Digest(_) => Algorithm::Digest(hash),
                _ => Algorithm::Hmac(hash),
            };
            let mut other = case.timeless.clone();
            let written = signature_mut(&mut other).map(|other| {
                (other.algorithm, other.encoding) = (algorithm, encoding);
                other.format.write(&timestamp, text.text)
            });
            let Some(headers) = written.and_then(|value| with(case.request.headers, own, &value)) else { continue };
            let request = Request { headers: &headers, ..case.request };
            let url = case.bench.public_url;
            if let Some(passed) = case.bench.passes_as(&other, case.secrets(), &request, url) {
                let same = (algorithm == plan.algorithm, encoding == plan.encoding, text.header == own);
                let differs = differences(case, &text, hash, encoding, same);
                let evidence =
                    format!("The signature matches under {}, read so: {differs}.", case.secret_name(passed.secret));
                let cause = if same == (true, true, true) || !same.1 && same.0 {
                    Cause::SignatureForm
                } else {
                    Cause::OtherScheme
                };
                return Some(Finding::proven(cause, evidence, how_to_set(case, &text, encoding, hash)));
            }
        }
    }
    None
}

fn differences(
    case: &Case<'_>,
    text: &Text<'_>,
    hash: Hash,
    encoding: Encoding,
    (algorithm, written, header): (bool, bool, bool),
) -> String {
    let mut differs = Vec::new();
    if !header {
        differs.push(format!("it stands in `{}`", text.header));
    }
    if !algorithm {
        differs.push(format!("it is made with {} and not by {}", hash_name(hash), case.plan.scheme()));
    }
    if !written {
        let own = signature(&case.plan).map_or("", |plan| plan.encoding.as_str());
        differs.push(format!("it is written in {} and not in {own}", encoding.as_str()));
    }
    if differs.is_empty() {
        let format = signature(&case.plan).map_or("", |plan| plan.format.as_str());
        let found = if text.prefix.is_empty() { "nothing".to_owned() } else { format!("`{}`", text.prefix) };
        differs.push(format!("before it stands {found} and not what `{format}` says"));
    }
    differs.join(", ")
}

fn how_to_set(case: &Case<'_>, text: &Text<'_>, encoding: Encoding, hash: Hash) -> String {
    if case.may_set("verify.header") {
        return format!(
            "In [sources.{}.verify] set header = \"{}\", format = \"{}{{signature}}\", encoding = \"{}\", scheme = \"hmac-{}\" as far \
             as they differ.",
            case.source.name,
            text.header,
            text.prefix,
            encoding.as_str(),
            hash_name(hash).to_ascii_lowercase().replace('-', ""),
        );
    }
    format!(
        "{} does not sign so today: the sender is an old version or another program, or a proxy keeps only some headers. \
         Compare with {}.",
        case.title(),
        case.source.provider.docs()
    )
}

const fn hash_name(hash: Hash) -> &'static str {
    match hash {
        Hash::Sha1 => "SHA-1",
        Hash::Sha256 => "SHA-256",
        Hash::Sha384 => "SHA-384",
        Hash::Sha512 => "SHA-512",
    }
}

/// The texts that may be signatures: those of the scheme's own header first.
fn texts<'a>(headers: &'a HeaderMap, own: &HeaderName) -> Vec<Text<'a>> {
    let values = |wanted: bool| headers.iter().filter(move |(name, _)| (*name == own) == wanted);
    let mut out = Vec::new();
    for (header, value) in values(true).chain(values(false)) {
        let Some(value) = value.to_str().ok().filter(|value| value.len() <= LONGEST) else { continue };
        for item in value.split([',', ';', '&', '|', ' ']) {
            let item = item.trim_matches([' ', '"', '\'']);
            // The padding of base64 is no separator.
            let cut = item.trim_end_matches('=').find('=').map_or(0, |at| at + 1);
            let (prefix, text) = item.split_at(cut);
            if text.len() >= 24 && out.len() < MAX_TEXTS {
                out.push(Text { header, prefix, text: text.trim_matches(['"', '\'']) });
            }
        }
    }
    out
}

fn with(headers: &HeaderMap, name: &HeaderName, value: &str) -> Option<HeaderMap> {
    let mut headers = headers.clone();
    headers.insert(name, HeaderValue::from_str(value).ok()?);
    Some(headers)
}

/// There is no proof at all.
pub(super) fn missing(case: &Case<'_>) -> Finding {
    let place = match &case.plan.proof {
        Proof::Signature(plan) => plan.at.describe(),
        Proof::Jwt(plan) => plan.header.to_string(),
        Proof::Token(plan) => plan.at.describe(),
        Proof::Fetched(plan) => plan.at.describe(),
        Proof::None => String::new(),
    };
    let evidence =
        format!("`{place}` is absent, and nothing else in the request is a signature under a configured secret.");
    let advice = format!(
        "Either the endpoint has no secret at {} (give it one), or a proxy in front drops the header, or the sender is somebody \
         else. {}",
        case.title(),
        case.where_to_look()
    );
    Finding::proven(Cause::SignatureMissing, evidence, advice)
}

/// What can be said of a signature that does not have its form. Says nothing of a token, which is a secret.
pub(super) fn malformed(case: &Case<'_>) -> Option<Finding> {
    let plan = signature(&case.plan)?;
    let values: Vec<&str> =
        plan.at.headers().iter().filter_map(|name| case.request.headers.get(name)?.to_str().ok()).collect();
    let place = plan.at.describe();
    let wanted = format!("`{}` in {}", plan.format.as_str(), plan.encoding.as_str());
    let own = plan.at.headers().first()?;
    let longest = texts(case.request.headers, own)
        .into_iter()
        .filter(|text| text.header == own)
        .map(|text| text.text.len())
        .max();
    let length = match (plan.algorithm, plan.encoding) {
        (Algorithm::Hmac(hash) | Algorithm::Digest(hash), Encoding::Hex) => Some(hash.length() * 2),
        (Algorithm::Hmac(hash) | Algorithm::Digest(hash), Encoding::Base64) => Some(hash.length().div_ceil(3) * 4),
        _ => None,
    };
    let what = match (values.iter().all(|value| value.is_empty()), longest, length) {
        (true, _, _) => "it is empty".to_owned(),
        (_, Some(found), Some(length)) if found < length => {
            format!("{found} of {length} characters are there: it was cut")
        }
        (_, Some(found), Some(length)) if found > length => format!("it has {found} characters instead of {length}"),
        _ => format!("it holds {}", fields(&values)),
    };
    Some(Finding::proven(
        Cause::SignatureForm,
        format!("`{place}` does not have the form {wanted}: {what}."),
        format!(
            "Look at what stands between {} and this gateway, or at what made the request: {}.",
            case.title(),
            case.source.provider.docs()
        ),
    ))
}

/// The names before the equals signs, as far as they are names.
fn fields(values: &[&str]) -> String {
    let items = values.iter().flat_map(|value| value.split([',', ';', '&', '|', ' ']));
    let names = items.filter_map(|item| item.split_once('=')).map(|(name, _)| name.trim());
    let fits =
        |name: &&str| (1..=12).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let names: Vec<String> = names.filter(fits).take(8).map(|name| format!("`{name}=`")).collect();
    if names.is_empty() { "something else".to_owned() } else { format!("the fields {}", names.join(", ")) }
}

/// A token that stands there with a word too many, or one too few, before it.
pub(super) fn token_form(case: &Case<'_>) -> Option<Finding> {
    let Proof::Token(plan) = &case.plan.proof else { return None };
    let own = plan.at.headers().first()?;
    let value = case.request.headers.get(own)?.to_str().ok()?;
    let (_, bare) = value.split_once(' ').unwrap_or(("", value));
    let written = match &plan.carried {
        Carried::Verbatim(format) => [format.write("", bare), bare.to_owned()],
        Carried::Basic => [format!("Basic {bare}"), bare.to_owned()],
    };
    let tries = written.into_iter().filter(|written| written != value);
    let found = tries.filter_map(|written| with(case.request.headers, own, &written)).find_map(|headers| {
        let request = Request { headers: &headers, ..case.request };
        case.bench.passes_as(&case.plan, case.secrets(), &request, None)
    })?;
    Some(Finding::proven(
        Cause::SignatureForm,
        format!("`{own}` holds {}, but not in the form that the scheme wants.", case.secret_name(found.secret)),
        "Add or remove the word before it (`Bearer`, `Basic`), at the sender or, for `generic`, with format in [verify].",
    ))
}
