//! What keeps the prefix caches of a server apart for each tenant: how fast another's prompt begins would tell what it says.

use std::fmt::Write;

use kubemate_identity::TenantId;
use sha2::{Digest, Sha256};

use super::config::{UpstreamConfig, UpstreamKind};

impl UpstreamConfig {
    /// The field `cache_salt` (vLLM's) of a request to it: the same for all of a tenant's prompts, unless the client
    /// parts them further with a salt of its `own`. None where the server would not know the field.
    pub(crate) fn salt(&self, tenant: &TenantId, own: Option<&str>) -> Option<String> {
        if !self.cache_salt.unwrap_or(self.kind == UpstreamKind::Kserve) {
            return None;
        }
        let mut hash = Sha256::new_with_prefix(b"kubemate cache salt\0");
        hash.update(tenant.as_str().as_bytes());
        hash.update(b"\0");
        hash.update(own.unwrap_or_default().as_bytes());
        Some(hash.finalize().iter().fold(String::new(), |mut text, byte| {
            let _writing_to_a_text_does_not_fail = write!(text, "{byte:02x}");
            text
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_never_share_a_salt_whatever_clients_send() {
        let upstream = |kind: &str| -> UpstreamConfig {
            toml::from_str(&format!("name = \"u\"\nkind = \"{kind}\"\nbase_url = \"http://h\"")).unwrap()
        };
        let (one, two) = (TenantId::parse("one").unwrap(), TenantId::parse("two").unwrap());
        let vllm = upstream("kserve");
        let of_two = vllm.salt(&two, None).unwrap();
        assert_eq!(vllm.salt(&two, None).unwrap(), of_two);
        for own in [None, Some(of_two.as_str()), Some("x")] {
            assert_ne!(vllm.salt(&one, own).unwrap(), of_two);
        }
        assert_ne!(vllm.salt(&one, None), vllm.salt(&one, Some("x")));
        assert_eq!(upstream("openai").salt(&one, None), None, "OpenAI refuses fields that it does not know");
        let mut told = upstream("openai");
        told.cache_salt = Some(true);
        assert!(told.salt(&one, None).is_some());
    }
}
