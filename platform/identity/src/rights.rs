//! What a key may do, and the rule that rights only shrink from maker to child.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

/// A part of the API that a key may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Chat completions, completions and responses.
    Chat,
    /// Embeddings and rerank.
    Embeddings,
    /// Uploaded files.
    Files,
    /// Vector stores, their files and search.
    VectorStores,
    /// Saved assistants.
    Assistants,
    /// Listing models.
    Models,
    /// The admin API: tenants, projects, keys, usage, audit. Only operator keys hold it.
    Admin,
}

impl Scope {
    /// Every scope, in declaration order.
    pub const ALL: [Self; 7] =
        [Self::Chat, Self::Embeddings, Self::Files, Self::VectorStores, Self::Assistants, Self::Models, Self::Admin];

    /// The name on the wire, the same as in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Embeddings => "embeddings",
            Self::Files => "files",
            Self::VectorStores => "vector_stores",
            Self::Assistants => "assistants",
            Self::Models => "models",
            Self::Admin => "admin",
        }
    }

    /// The scope of that wire name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// Why a new key would have more rights than its maker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RightsError {
    /// A scope that the maker does not hold.
    #[error("the scope `{0}` is not held by the key that asks for it")]
    Scope(Scope),
    /// A model that the maker may not use.
    #[error("the model `{0}` is not allowed to the key that asks for it")]
    Model(String),
    /// All models, where the maker is held to a list.
    #[error("all models were asked for, but the maker is limited to a list; name the models")]
    AllModels,
    /// The child would outlive its maker.
    #[error(
        "the new key would outlive its maker, which expires at {maker_expires_at} (unix seconds); set an earlier expiry"
    )]
    Expiry {
        /// When the maker expires, Unix seconds.
        maker_expires_at: i64,
    },
}

/// What a key may do. Unknown JSON fields are refused: a limit that is not understood must not be ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rights {
    /// The parts of the API that are open.
    pub scopes: BTreeSet<Scope>,
    /// The models that may be named. `None` means all, an empty set means none.
    #[serde(default)]
    pub models: Option<BTreeSet<String>>,
    /// First second (Unix) at which the key is no longer valid. `None` means never.
    #[serde(default)]
    pub expires_at: Option<i64>,
}

impl Rights {
    /// Everything, for ever: the instance's admin key.
    #[must_use]
    pub fn operator() -> Self {
        Self { scopes: Scope::ALL.into_iter().collect(), models: None, expires_at: None }
    }

    /// Every scope but [`Scope::Admin`], all models, no expiry: what a tenant's key gets unless told otherwise.
    #[must_use]
    pub fn member() -> Self {
        let scopes = Scope::ALL.into_iter().filter(|scope| *scope != Scope::Admin).collect();
        Self { scopes, models: None, expires_at: None }
    }

    /// Whether the part of the API is open.
    #[must_use]
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Whether the model may be named. Does not look at scopes.
    #[must_use]
    pub fn allows_model(&self, model: &str) -> bool {
        self.models.as_ref().is_none_or(|models| models.contains(model))
    }

    /// Whether the key is no longer valid at `now` (Unix seconds).
    #[must_use]
    pub fn expired(&self, now: i64) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// Checks that these rights go in no respect beyond `maker`'s.
    ///
    /// # Errors
    /// [`RightsError`] names the first right that the maker does not hold.
    pub fn is_subset_of(&self, maker: &Self) -> Result<(), RightsError> {
        if let Some(scope) = self.scopes.difference(&maker.scopes).next() {
            return Err(RightsError::Scope(*scope));
        }
        match (&self.models, &maker.models) {
            (_, None) => {}
            (None, Some(_)) => return Err(RightsError::AllModels),
            (Some(own), Some(makers)) => {
                if let Some(model) = own.difference(makers).next() {
                    return Err(RightsError::Model(model.clone()));
                }
            }
        }
        match (self.expires_at, maker.expires_at) {
            (_, None) => Ok(()),
            (Some(own), Some(makers)) if own <= makers => Ok(()),
            (_, Some(maker_expires_at)) => Err(RightsError::Expiry { maker_expires_at }),
        }
    }

    /// What is left of these rights under a maker that was narrowed later: the intersection.
    #[must_use]
    pub fn narrowed_to(&self, maker: &Self) -> Self {
        let models = match (&self.models, &maker.models) {
            (None, other) | (other, None) => other.clone(),
            (Some(own), Some(makers)) => Some(own.intersection(makers).cloned().collect()),
        };
        let expires_at = match (self.expires_at, maker.expires_at) {
            (None, other) | (other, None) => other,
            (Some(own), Some(makers)) => Some(own.min(makers)),
        };
        Self { scopes: self.scopes.intersection(&maker.scopes).copied().collect(), models, expires_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_rights() -> impl Strategy<Value = Rights> {
        let scopes = proptest::collection::btree_set(proptest::sample::select(Scope::ALL.to_vec()), 0..7);
        let models = proptest::option::of(proptest::collection::btree_set("[abc]", 0..3));
        let expiry = proptest::option::of(0_i64..5);
        (scopes, models, expiry).prop_map(|(scopes, models, expires_at)| Rights { scopes, models, expires_at })
    }

    #[test]
    fn a_child_cannot_ask_for_more() {
        let mut maker = Rights::member();
        maker.models = Some(BTreeSet::from(["a".to_owned()]));
        maker.expires_at = Some(100);
        let child = maker.clone();
        assert_eq!(child.is_subset_of(&maker), Ok(()));
        assert_eq!(Rights::operator().is_subset_of(&maker), Err(RightsError::Scope(Scope::Admin)));
        assert_eq!(Rights { models: None, ..child.clone() }.is_subset_of(&maker), Err(RightsError::AllModels));
        let other = Some(BTreeSet::from(["b".to_owned()]));
        assert_eq!(Rights { models: other, ..child.clone() }.is_subset_of(&maker), Err(RightsError::Model("b".into())));
        for expires_at in [None, Some(101)] {
            let later = Rights { expires_at, ..child.clone() };
            assert_eq!(later.is_subset_of(&maker), Err(RightsError::Expiry { maker_expires_at: 100 }));
        }
    }

    #[test]
    fn expiry_is_the_first_second_without_rights() {
        let rights = Rights { expires_at: Some(10), ..Rights::member() };
        assert!(!rights.expired(9));
        assert!(rights.expired(10));
        assert!(!Rights::member().expired(i64::MAX));
    }

    #[test]
    fn wire_names_are_the_json_names() {
        for scope in Scope::ALL {
            assert_eq!(serde_json::to_string(&scope).unwrap(), format!("\"{scope}\""));
            assert_eq!(Scope::from_name(scope.as_str()), Some(scope));
        }
        assert!(serde_json::from_str::<Rights>(r#"{"scopes":["chat"],"only_on":"monday"}"#).is_err());
    }

    proptest! {
        #[test]
        fn narrowed_rights_are_a_subset_of_both(own in any_rights(), maker in any_rights()) {
            let narrowed = own.narrowed_to(&maker);
            prop_assert_eq!(narrowed.is_subset_of(&maker), Ok(()));
            prop_assert_eq!(narrowed.is_subset_of(&own), Ok(()));
            prop_assert_eq!(own.is_subset_of(&maker).is_ok(), narrowed == own);
        }

        #[test]
        fn a_subset_never_allows_what_the_maker_does_not(own in any_rights(), maker in any_rights(), now in 0_i64..6) {
            let own = own.narrowed_to(&maker);
            prop_assert!(own.is_subset_of(&maker).is_ok());
            for scope in Scope::ALL {
                prop_assert!(!own.allows(scope) || maker.allows(scope));
            }
            for model in ["a", "b", "c"] {
                prop_assert!(!own.allows_model(model) || maker.allows_model(model));
            }
            prop_assert!(own.expired(now) || !maker.expired(now));
        }
    }
}
