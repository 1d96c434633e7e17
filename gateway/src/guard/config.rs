//! What can be configured of the guard.

use std::collections::BTreeMap;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

use super::Kind;

/// `[guard]`: rules for all tenants, and for some of their own.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GuardConfig {
    /// Personal data that is replaced before a request leaves for an upstream, and put back in the answer.
    pub(crate) mask: Vec<Kind>,
    /// Most bytes of all texts of a request together.
    pub(crate) max_prompt: Option<ByteSize>,
    /// Words that no request may hold.
    pub(crate) deny: Vec<DenyList>,
    /// Rules of single tenants; what is set here takes the place of the rule for all.
    pub(crate) tenants: BTreeMap<String, TenantRules>,
}

/// `[guard.tenants.NAME]`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TenantRules {
    pub(crate) mask: Option<Vec<Kind>>,
    pub(crate) max_prompt: Option<ByteSize>,
    pub(crate) deny: Option<Vec<DenyList>>,
}

/// Words under the name of a rule. A refusal tells the name, never the word.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DenyList {
    pub(crate) name: String,
    /// Compared without regard to the case of Latin letters.
    pub(crate) words: Vec<String>,
}
