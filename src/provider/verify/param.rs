//! Texts of a provider file in which a source's own settings stand: `https://sts.windows.net/{config:tenant}/`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::placeholder::{Piece, pieces};

/// A text with `{config:NAME}` in it, for the parameters of the source.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct ParamText {
    parts: Vec<Piece>,
    text: String,
}

impl TryFrom<String> for ParamText {
    type Error = String;

    fn try_from(text: String) -> Result<ParamText, String> {
        let parts = pieces(&text)?;
        for part in &parts {
            if let Piece::Hole(name) = part
                && name.strip_prefix("config:").is_none_or(str::is_empty)
            {
                return Err(format!("unknown part {{{name}}}, expected {{config:NAME}}"));
            }
        }
        Ok(ParamText { parts, text })
    }
}

impl ParamText {
    /// The parameters that stand in it.
    pub(crate) fn params(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Piece::Hole(name) => name.strip_prefix("config:"),
            Piece::Literal(_) => None,
        })
    }

    /// With one source's parameters.
    pub(crate) fn bind(&self, params: &BTreeMap<String, String>) -> String {
        let part = |part: &Piece| match part {
            Piece::Literal(text) => text.clone(),
            Piece::Hole(name) => {
                name.strip_prefix("config:").and_then(|name| params.get(name)).cloned().unwrap_or_default()
            }
        };
        self.parts.iter().map(part).collect()
    }

    /// As the file spells it.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}
