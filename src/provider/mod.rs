//! Providers as data: a file says how one signs and what its events look like; this module compiles the file once and
//! runs it per request. Pure: no I/O, no clock, no async.

mod addresses;
mod api;
mod arn;
mod bind;
mod catalogue;
mod category;
mod compiled;
pub mod diagnose;
pub mod docs;
mod error;
mod glob;
mod meaning;
mod media;
mod period;
mod placeholder;
mod plausible;
mod read;
mod reject;
mod rules;
mod sample;
mod spec;
pub mod starter;
pub mod vectors;
mod verify;

pub use addresses::{Addresses, network};
pub use api::{Api, Auth, Rate, Route, RouteError};
pub use bind::{Binding, MAX_SECRETS};
pub use catalogue::{Catalogue, embedded_files, embedded_vectors};
pub use category::CATEGORIES;
pub use compiled::{AnswerProfile, Mapping, Provider};
pub(crate) use error::from_toml;
pub use error::{BindError, SignError, SpecError};
pub use plausible::{Doubt, Look};
pub use read::{Challenge, Facts, Reading, Reply};
pub use reject::Reject;
pub use rules::Rules;
pub use sample::{Filled, Filling, Sample};
pub use spec::{BodyKind, Disables, Effect, Encoding, Needs, SecretsNeed};
pub use verify::{Coverage, KeyKind, KeyRequest, Material, MaterialKind, Request, Signed, Signer, Verified};

pub use crate::event::Verification;
