//! `kubemate routes test MODEL`: which target a request would get, and why; nothing is sent.

use std::{net::IpAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use clap::{Args, Subcommand};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use kubemate_identity::TenantId;

use super::{Context, print};
use crate::{
    config::{Loaded, Secret},
    models::{Egress, LocalModels},
    routing::{Explanation, Routes, Spec},
};

/// Longest wait for the server on this machine.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest explanation that is read.
const LONGEST: usize = 1024 * 1024;

#[derive(Debug, Subcommand)]
pub(super) enum RoutesVerb {
    /// Explain which target a request for MODEL would get, without sending one
    ///
    /// Asks the running server, which knows how its targets are; without one, reads the configuration and the ledger.
    Test(Test),
}

#[derive(Debug, Args)]
pub(super) struct Test {
    /// Name or alias, as clients send it
    model: String,
    /// What the header x-session-id would say
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Root of the running server [default: http:// and `server.listen`]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Read the configuration only, whether a server runs or not
    #[arg(long)]
    offline: bool,
}

impl RoutesVerb {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let Self::Test(test) = self;
        let loaded = context.load()?;
        let (explained, live) = match test.ask(&loaded).await? {
            Some(explained) => (explained, true),
            None => (test.read(&loaded).await?, false),
        };
        if context.json {
            return print::json(&explained);
        }
        show(&explained, live);
        Ok(())
    }
}

impl Test {
    /// What the running server says; none when there is none, or no key to ask it with.
    async fn ask(&self, loaded: &Loaded) -> anyhow::Result<Option<Explanation>> {
        let key = loaded.config.auth.admin_key.as_ref().map(Secret::reveal).transpose().map_err(anyhow::Error::msg)?;
        let key = key.flatten().or_else(|| std::env::var("KUBEMATE_ADMIN_KEY").ok());
        let Some(key) = key.filter(|_| !self.offline) else { return Ok(None) };
        let request = Request::get(self.address(loaded)?)
            .header(header::AUTHORIZATION, format!("Bearer {key}"))
            .body(Full::<Bytes>::default())?;
        let sent = tokio::time::timeout(PATIENCE, Egress::new(PATIENCE)?.send(request)).await;
        let response = match sent {
            Ok(Ok(response)) => response,
            _ if self.url.is_some() => bail!("the server at `{}` does not answer", self.url.as_deref().unwrap_or("")),
            _ => return Ok(None),
        };
        let status = response.status();
        let body =
            Limited::new(response.into_body(), LONGEST).collect().await.map_err(|error| anyhow::anyhow!(error))?;
        match status {
            StatusCode::OK => Ok(Some(serde_json::from_slice(&body.to_bytes())?)),
            StatusCode::NOT_FOUND => bail!("the server knows no model `{}`; see GET /v1/models", self.model),
            status => bail!("the server answers {status}; is `auth.admin_key` the key it was started with?"),
        }
    }

    fn address(&self, loaded: &Loaded) -> anyhow::Result<String> {
        let mut listen = loaded.config.server.listen;
        if listen.ip().is_unspecified() {
            listen.set_ip(match listen.ip() {
                IpAddr::V4(_) => IpAddr::from([127, 0, 0, 1]),
                IpAddr::V6(_) => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
            });
        }
        let root = self.url.clone().unwrap_or_else(|| format!("http://{listen}"));
        let session = self.session.as_deref().map(|session| format!("&session={}", escaped(session)));
        let root = root.trim_end_matches('/');
        Ok(format!("{root}/admin/v1/routes/explain?model={}{}", escaped(&self.model), session.unwrap_or_default()))
    }

    /// What the configuration and the ledger say, every target taken to be well.
    async fn read(&self, loaded: &Loaded) -> anyhow::Result<Explanation> {
        let saved = match loaded.config.store.has_ledger() {
            true => {
                let secret_files = loaded.config.auth.secret_files.as_deref();
                Spec::saved(&loaded.config.store.open_ledger().await?, secret_files).await?
            }
            false => Spec::default(),
        };
        let routes = Routes::new(loaded, saved, Arc::new(LocalModels::new(&loaded.config)?))?;
        let explained = routes.explain(&self.model, &TenantId::default_tenant(), self.session.as_deref());
        explained.with_context(|| format!("there is no model `{}` in the configuration", self.model))
    }
}

/// A value as a query takes it.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let write = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(write).collect()
}

fn show(explained: &Explanation, live: bool) {
    let route = &explained.route;
    let asked = if explained.asked == route.model { String::new() } else { format!(" (asked as {})", explained.asked) };
    print::line(&format!("model     {}{asked}", route.model));
    print::line(&format!("policy    {}", route.policy));
    match (&explained.upstream, &explained.target) {
        (Some(upstream), Some(target)) => print::line(&format!("target    {target} on {upstream}: {}", explained.why)),
        _ => print::line(&format!("target    none: {}", explained.why)),
    }
    if !route.fallbacks.is_empty() {
        print::line(&format!("fallbacks {}", route.fallbacks.join(", ")));
    }
    let row = |target: &crate::routing::TargetState| {
        vec![
            target.upstream.clone(),
            target.model.clone(),
            target.weight.to_string(),
            target.state.clone(),
            target.in_flight.to_string(),
            target.first_token_us.to_string(),
            target.ejections.to_string(),
        ]
    };
    let head = ["UPSTREAM", "MODEL", "WEIGHT", "STATE", "IN FLIGHT", "FIRST TOKEN US", "EJECTIONS"];
    print::table(&head, &route.targets.iter().map(row).collect::<Vec<_>>());
    print::note(if live { "as the running server sees it" } else { "from the configuration; no server was asked" });
}
