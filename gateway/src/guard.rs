//! What leaves for an upstream: personal data masked, words refused, prompts bounded. Off unless configured; works offline.
//!
//! A request passes [`Guard::check`]; when something was masked, the answer passes [`Masked::restore`], behind the answer
//! cache: kept answers hold placeholders, so a tenant's requests that differ in names alone share them.

mod answer;
mod config;
mod mask;
mod personal;
mod texts;

use std::{collections::HashMap, sync::Arc};

use aho_corasick::{AhoCorasick, MatchKind};
use anyhow::Context;
use bytes::Bytes;
use kubemate_identity::TenantId;

pub(crate) use self::{
    answer::{Masked, Texts},
    config::{DenyList, GuardConfig, TenantRules},
    personal::Kind,
};
use self::{mask::Mask, texts::texts};
use crate::api::ApiError;

/// OpenAI's code for what a filter refused.
const REFUSED: &str = "content_filter";

/// The rules in force; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Guard(Arc<Table>);

#[derive(Debug)]
struct Table {
    all: Rules,
    tenants: HashMap<TenantId, Rules>,
}

#[derive(Debug, Default)]
struct Rules {
    mask: Vec<Kind>,
    /// Bytes.
    max_prompt: Option<u64>,
    deny: Option<Words>,
}

/// Every word of all lists in one machine, and the name of each word's list.
#[derive(Debug)]
struct Words {
    machine: AhoCorasick,
    names: Vec<String>,
}

impl Guard {
    /// The rules of `config`, ready to be used.
    ///
    /// # Errors
    /// Names the rule that cannot be used.
    pub(crate) fn new(config: &GuardConfig) -> anyhow::Result<Self> {
        let rules = |mask: &[Kind], max: Option<bytesize::ByteSize>, deny: &[DenyList]| {
            let max_prompt = max.map(|size| size.as_u64());
            anyhow::Ok(Rules { mask: mask.to_vec(), max_prompt, deny: Words::of(deny)? })
        };
        let mut tenants = HashMap::new();
        for (name, own) in &config.tenants {
            let tenant = TenantId::parse(name).with_context(|| format!("`guard.tenants.{name}` names no tenant"))?;
            let TenantRules { mask, max_prompt, deny } = own;
            let (mask, deny) = (mask.as_ref().unwrap_or(&config.mask), deny.as_ref().unwrap_or(&config.deny));
            tenants.insert(tenant, rules(mask, max_prompt.or(config.max_prompt), deny)?);
        }
        let all = rules(&config.mask, config.max_prompt, &config.deny)?;
        Ok(Self(Arc::new(Table { all, tenants })))
    }

    /// The body that may leave, and what was masked in it.
    ///
    /// # Errors
    /// `Invalid` with the name of the rule that refuses it, never with the words.
    pub(crate) fn check(&self, tenant: &TenantId, body: &Bytes) -> Result<(Bytes, Option<Masked>), ApiError> {
        self.0.tenants.get(tenant).unwrap_or(&self.0.all).check(body)
    }
}

impl Words {
    fn of(lists: &[DenyList]) -> anyhow::Result<Option<Self>> {
        let words = lists.iter().flat_map(|list| list.words.iter().map(|word| (word, &list.name)));
        let (words, names): (Vec<&String>, Vec<String>) =
            words.filter(|(word, _)| !word.is_empty()).map(|(word, name)| (word, name.clone())).unzip();
        if words.is_empty() {
            return Ok(None);
        }
        let machine = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostFirst)
            .build(words)
            .context("`guard.deny` is too large")?;
        Ok(Some(Self { machine, names }))
    }

    /// The rule that refuses this text.
    fn refuses(&self, text: &str) -> Option<&str> {
        let found = self.machine.find(text)?;
        self.names.get(found.pattern().as_usize()).map(String::as_str)
    }
}

impl Rules {
    fn check(&self, body: &Bytes) -> Result<(Bytes, Option<Masked>), ApiError> {
        if self.mask.is_empty() && self.max_prompt.is_none() && self.deny.is_none() {
            return Ok((body.clone(), None));
        }
        let texts = texts(body);
        let length: usize = texts.iter().map(|text| text.text.len()).sum();
        if let Some(most) = self.max_prompt.filter(|most| length as u64 > *most) {
            let most = bytesize::ByteSize(most);
            return Err(refused("max_prompt", format!("the texts of this request are longer than {most}")));
        }
        let words = self.deny.as_ref();
        if let Some(rule) = words.and_then(|words| texts.iter().find_map(|text| words.refuses(&text.text))) {
            return Err(refused(REFUSED, format!("the request was refused by the rule `{rule}`")));
        }
        let mut mask = Mask::default();
        let mut out = Vec::with_capacity(body.len());
        let mut from = 0;
        for text in texts {
            let Some(masked) = mask.mask(&text.text, &self.mask, body) else { continue };
            out.extend_from_slice(body.get(from..text.at.start).unwrap_or_default());
            serde_json::to_writer(&mut out, &masked).map_err(ApiError::internal)?;
            from = text.at.end;
        }
        if mask.is_empty() {
            return Ok((body.clone(), None));
        }
        out.extend_from_slice(body.get(from..).unwrap_or_default());
        Ok((out.into(), Some(Masked::new(mask))))
    }
}

fn refused(code: &'static str, message: String) -> ApiError {
    ApiError::Invalid { message, param: Some("messages".to_owned()), code: Some(code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(text: &str) -> Guard {
        Guard::new(&toml::from_str(text).unwrap()).unwrap()
    }

    fn check(guard: &Guard, tenant: &str, said: &str) -> Result<(String, bool), ApiError> {
        let body = serde_json::json!({"model": "m", "messages": [{"role": "user", "content": said}]}).to_string();
        let (body, masked) = guard.check(&TenantId::parse(tenant).unwrap(), &body.into())?;
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        Ok((body["messages"][0]["content"].as_str().unwrap().to_owned(), masked.is_some()))
    }

    #[test]
    fn nothing_is_done_unless_configured() {
        let body = Bytes::from_static(br#"{"messages":[{"content":"13800138000"}]}"#);
        let (same, masked) = guard("").check(&TenantId::default_tenant(), &body).unwrap();
        assert!(masked.is_none() && same.as_ptr() == body.as_ptr(), "the same buffer");
    }

    #[test]
    fn each_tenant_has_its_rules() {
        let guard =
            guard("mask = ['phone', 'email']\n[tenants.open]\nmask = []\n[tenants.ids]\nmask = ['resident_id']");
        let said = "13800138000 \"é\" a@b.cn 11010519491231002X";
        assert_eq!(check(&guard, "any", said).unwrap().0, "[[PHONE_1]] \"é\" [[EMAIL_1]] 11010519491231002X");
        assert_eq!(check(&guard, "open", said).unwrap(), (said.to_owned(), false));
        assert_eq!(check(&guard, "ids", said).unwrap().0, "13800138000 \"é\" a@b.cn [[ID_1]]");
    }

    #[test]
    fn a_refusal_names_the_rule_and_not_the_word() {
        let guard = guard(
            "max_prompt = '20 B'\ndeny = [{ name = 'projects', words = ['Nightingale', '夜莺'] }]\n\
             [tenants.free]\ndeny = []\nmax_prompt = '1 KiB'",
        );
        for said in ["on NIGHTINGALE", "关于夜莺"] {
            let refused = check(&guard, "any", said).unwrap_err();
            assert_eq!(refused.to_string(), "the request was refused by the rule `projects`");
            assert_eq!((refused.status().as_u16(), refused.code()), (400, Some("content_filter")));
        }
        assert_eq!(check(&guard, "any", "twenty-one characters").unwrap_err().code(), Some("max_prompt"));
        assert!(check(&guard, "free", "nightingale, and more of it").is_ok());
    }

    #[test]
    fn a_rule_that_cannot_hold_is_named() {
        let error = Guard::new(&toml::from_str("[tenants.'No Tenant']\nmask = []").unwrap()).unwrap_err();
        assert!(error.to_string().contains("guard.tenants.No Tenant"), "{error}");
    }
}
