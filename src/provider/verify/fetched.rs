//! Notices that nobody signs and that hold no more than the name of a record: the truth is what the provider's API says of it.

use std::collections::BTreeMap;

use super::Request;
use super::picked::Picks;
use super::place::Place;
use crate::provider::reject::Reject;

/// The longest name that is asked for, in bytes.
const MAX_NAME: usize = 64;

/// Where the name stands, and where the record of such a name is.
#[derive(Debug, Clone)]
pub(crate) struct FetchedPlan {
    pub(crate) at: Place,
    pub(crate) picks: Picks,
    /// The path of the records by the beginning of their names.
    pub(crate) records: BTreeMap<String, String>,
}

impl FetchedPlan {
    /// The path below the API's base at which the record is to be asked for. The name is letters, digits and underscores
    /// alone, so that it cannot lead elsewhere.
    pub(crate) fn path(&self, request: &Request<'_>) -> Result<String, Reject> {
        let picked = self.picks.read(request.body);
        let name = self.at.value(request, &picked, None).ok().flatten().ok_or(Reject::Unconfirmed)?;
        let plain = name.len() <= MAX_NAME && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let path = self.records.iter().find(|(beginning, _)| name.starts_with(beginning.as_str()));
        path.filter(|_| plain).map(|(_, path)| format!("{path}{name}")).ok_or(Reject::Unconfirmed)
    }
}
