//! Who is calling and what they may do: ids, API keys, rights. Pure decisions, no I/O.
//!
//! A [`TenantId`] is the first argument of every store call that touches tenant data. A [`Caller`]
//! is what the gateway's one extractor makes of a valid key. Rights only ever shrink from maker to
//! child: [`Rights::is_subset_of`] checks it when a key is made, [`Rights::narrowed_to`] when it is used.

mod caller;
mod ids;
mod key;
mod rights;

pub use caller::Caller;
pub use ids::{IdError, KeyId, ProjectId, TenantId};
pub use key::{ApiKey, KeyError, KeyHash};
pub use rights::{Rights, RightsError, Scope};
