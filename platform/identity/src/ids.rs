//! Validated names of tenants, projects and keys.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// Longest id in bytes: a DNS label (RFC 1035 section 2.3.4), so that a tenant may become a
/// Kubernetes namespace or a folder unchanged.
const LONGEST: usize = 63;

/// Why a string is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Empty or longer than 63 bytes.
    #[error("{0} must have 1 to 63 characters")]
    Length(&'static str),
    /// A character outside the allowed set.
    #[error("{0} may hold only {1}")]
    Character(&'static str, &'static str),
}

fn check(value: &str, what: &'static str, allowed: fn(u8) -> bool, set: &'static str) -> Result<(), IdError> {
    if value.is_empty() || value.len() > LONGEST {
        return Err(IdError::Length(what));
    }
    if value.bytes().all(allowed) { Ok(()) } else { Err(IdError::Character(what, set)) }
}

fn name_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

fn id_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $allowed:expr, $set:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the characters and the length of `value`.
            ///
            /// # Errors
            /// [`IdError`] says which rule `value` breaks.
            pub fn parse(value: &str) -> Result<Self, IdError> {
                check(value, $what, $allowed, $set)?;
                Ok(Self(Arc::from(value)))
            }

            /// The id as it is stored and shown.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "{:?}", &*self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(value: &str) -> Result<Self, IdError> {
                Self::parse(value)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = IdError;
            fn try_from(value: &str) -> Result<Self, IdError> {
                Self::parse(value)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(value: String) -> Result<Self, IdError> {
                Self::parse(&value)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }
    };
}

id! {
    /// A tenant's chosen name, `[a-z0-9-]{1,63}`. Cheap to clone.
    TenantId, "a tenant name", name_byte, "a-z, 0-9 and -"
}
id! {
    /// A project of a tenant, `proj_…`, `[A-Za-z0-9_-]{1,63}`. Cheap to clone.
    ProjectId, "a project id", id_byte, "letters, digits, _ and -"
}
id! {
    /// The public id of an API key, `key_…`, `[A-Za-z0-9_-]{1,63}`. Not a secret. Cheap to clone.
    KeyId, "a key id", id_byte, "letters, digits, _ and -"
}

impl TenantId {
    /// The tenant that exists from the first start on a single machine.
    #[must_use]
    pub fn default_tenant() -> Self {
        Self(Arc::from("default"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_default_tenant_is_a_valid_name() {
        let tenant = TenantId::default_tenant();
        assert_eq!(TenantId::parse("default").unwrap(), tenant);
        assert_eq!(tenant.to_string(), "default");
    }

    #[test]
    fn names_that_could_leave_a_folder_are_refused() {
        for bad in ["", "..", "a/b", "A", "a_b", "a b", "ä", "a\0", &"a".repeat(64)] {
            assert!(TenantId::parse(bad).is_err(), "{bad:?}");
        }
        assert!(TenantId::parse(&"a".repeat(63)).is_ok());
    }

    #[test]
    fn json_is_checked_too() {
        assert!(serde_json::from_str::<TenantId>("\"bank-1\"").is_ok());
        assert!(serde_json::from_str::<TenantId>("\"../etc\"").is_err());
        assert_eq!(serde_json::to_string(&KeyId::parse("key_1").unwrap()).unwrap(), "\"key_1\"");
    }

    proptest! {
        #[test]
        fn parsing_accepts_exactly_the_documented_set(value in ".{0,70}") {
            let expected = (1..=63).contains(&value.len())
                && value.bytes().all(|b| b"abcdefghijklmnopqrstuvwxyz0123456789-".contains(&b));
            prop_assert_eq!(TenantId::parse(&value).is_ok(), expected);
        }
    }
}
