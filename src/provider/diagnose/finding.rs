//! What a diagnosis comes to: causes from a closed list, each with its evidence and what to do.

use serde::Serialize;

use crate::provider::Reject;

/// Why a request does not verify. One word serves the JSON output and the docs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Nothing is wrong with it any more, or its timestamp alone has aged since it was captured.
    Verifies,
    /// The source's settings cannot be used at all.
    Configuration,
    /// The secret holds something that strayed in: a line break, quotes, a carriage return, the variable's name.
    SecretStray,
    /// The secret was pasted with a prefix too many, or without its own.
    SecretPrefix,
    /// The secret is decoded and should not be, or the other way round.
    SecretEncoding,
    /// What is configured is something else of the provider's, such as an API key.
    SecretIsOther,
    /// It was signed with another secret that is known here: another source's, a test button's, one that was offered.
    SecretOfAnother,
    /// The body was changed on its way, in a manner that could be undone.
    BodyRewritten,
    /// The body did not arrive whole.
    BodyCut,
    /// The provider signs another URL than the configured one.
    UrlDiffers,
    /// The signature is right; the clocks are apart, or the request is old.
    ClockOff,
    /// The timestamp is written in another unit or form.
    TimestampForm,
    /// The request is another provider's.
    OtherProvider,
    /// It is signed in another way than the one it was judged by.
    OtherScheme,
    /// There is no signature.
    SignatureMissing,
    /// The signature does not have the provider's form.
    SignatureForm,
    /// A header that is part of the signed text is absent or doubled.
    HeaderMissing,
    /// It was refused for something else than its signature.
    Refused,
    /// Nothing that was tried explains it.
    Unexplained,
}

impl Cause {
    /// Every cause, in the order of the docs.
    pub const ALL: [Cause; 19] = [
        Cause::Verifies,
        Cause::Configuration,
        Cause::SecretStray,
        Cause::SecretPrefix,
        Cause::SecretEncoding,
        Cause::SecretIsOther,
        Cause::SecretOfAnother,
        Cause::BodyRewritten,
        Cause::BodyCut,
        Cause::UrlDiffers,
        Cause::ClockOff,
        Cause::TimestampForm,
        Cause::OtherProvider,
        Cause::OtherScheme,
        Cause::SignatureMissing,
        Cause::SignatureForm,
        Cause::HeaderMissing,
        Cause::Refused,
        Cause::Unexplained,
    ];

    /// The one word for this cause.
    pub const fn as_str(self) -> &'static str {
        match self {
            Cause::Verifies => "verifies",
            Cause::Configuration => "configuration",
            Cause::SecretStray => "secret_stray",
            Cause::SecretPrefix => "secret_prefix",
            Cause::SecretEncoding => "secret_encoding",
            Cause::SecretIsOther => "secret_is_other",
            Cause::SecretOfAnother => "secret_of_another",
            Cause::BodyRewritten => "body_rewritten",
            Cause::BodyCut => "body_cut",
            Cause::UrlDiffers => "url_differs",
            Cause::ClockOff => "clock_off",
            Cause::TimestampForm => "timestamp_form",
            Cause::OtherProvider => "other_provider",
            Cause::OtherScheme => "other_scheme",
            Cause::SignatureMissing => "signature_missing",
            Cause::SignatureForm => "signature_form",
            Cause::HeaderMissing => "header_missing",
            Cause::Refused => "refused",
            Cause::Unexplained => "unexplained",
        }
    }
}

impl Serialize for Cause {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// How sure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// The signature matches once this is changed, or the fact stands in the request itself.
    Proven,
    /// It fits what was seen.
    Likely,
    /// Worth a look when nothing else was found.
    Possible,
}

/// One thing that was found out. Neither secrets nor the body stand in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is.
    pub cause: Cause,
    /// How sure.
    pub certainty: Certainty,
    /// What was seen, in whole sentences.
    pub evidence: String,
    /// What to do, in whole sentences.
    pub advice: String,
}

impl Finding {
    /// Proven: the signature matches once this is changed, or the fact stands in the request.
    pub fn proven(cause: Cause, evidence: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding { cause, certainty: Certainty::Proven, evidence: evidence.into(), advice: advice.into() }
    }

    /// It fits what was seen.
    pub fn likely(cause: Cause, evidence: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding { certainty: Certainty::Likely, ..Finding::proven(cause, evidence, advice) }
    }

    /// Worth a look when nothing else was found.
    pub fn possible(cause: Cause, evidence: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding { certainty: Certainty::Possible, ..Finding::proven(cause, evidence, advice) }
    }
}

/// All of it, the surest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// The verdict that the request gets now.
    pub verdict: Result<(), Reject>,
    /// Never empty.
    pub findings: Vec<Finding>,
    /// How many changed assumptions were tried, each with the verifier itself.
    pub tried: u32,
    /// The budget was spent before all of them were tried.
    pub cut_short: bool,
}

impl Diagnosis {
    /// Was a cause found?
    pub fn is_explained(&self) -> bool {
        self.findings.iter().any(|finding| finding.certainty < Certainty::Possible)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Cause;

    #[test]
    fn every_cause_has_a_word_of_its_own() {
        let words: HashSet<_> = Cause::ALL.iter().map(|cause| cause.as_str()).collect();
        assert_eq!(words.len(), Cause::ALL.len());
    }
}
