//! The models of an Ollama upstream, through the admin API of the running server.

mod file;
mod progress;

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use kubemate_wire::ollama::CreateRequest;
use serde_json::{Map, Value, json};

use self::{file::GgufFile, progress::Bars};
use super::{Verb, print};
use crate::{models::Freight, ollama::Lines};

/// Longest wait for the server to take a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest answer that is no report.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// An upstream of a running server.
pub(super) struct Upstream {
    root: String,
    authorization: Option<HeaderValue>,
    freight: Freight,
    json: bool,
}

impl Upstream {
    /// The upstream called `name` at the server `url`; nothing is connected yet.
    ///
    /// # Errors
    /// When the key cannot be sent.
    pub(super) fn new(url: &str, key: Option<&str>, name: &str, json: bool) -> anyhow::Result<Self> {
        let key = key.map(|key| HeaderValue::from_str(&format!("Bearer {}", key.trim()))).transpose();
        let mut authorization = key.context("the key holds characters that no header takes")?;
        authorization.iter_mut().for_each(|value| value.set_sensitive(true));
        let url = url.trim_end_matches('/').trim_end_matches("/v1");
        let root = format!("{url}/admin/v1/upstreams/{}", encoded(name));
        Ok(Self { root, authorization, freight: Freight::new(CONNECT)?, json })
    }

    /// Does what was asked.
    ///
    /// # Errors
    /// What the server refused, or that it cannot be reached.
    pub(super) async fn run(&self, verb: Verb) -> anyhow::Result<()> {
        match verb {
            Verb::List => self.list().await,
            Verb::Pull { models, .. } if models.is_empty() => bail!("name the models to pull"),
            Verb::Pull { models, insecure } => {
                for model in models {
                    self.follow("/pull", &json!({"model": model, "insecure": insecure})).await?;
                }
                Ok(())
            }
            Verb::Verify { .. } => bail!("Ollama checks its weights itself, when it fetches them"),
            Verb::Create { model, from, system, template, settings } => {
                let parameters = Some(parameters(&settings)?).filter(|settings| !settings.is_empty());
                let request = CreateRequest { model, system, template, parameters, ..CreateRequest::default() };
                self.create(request, &GgufFile::read(from, self.json).await?).await
            }
            Verb::Show { model } => self.show(&model).await,
            Verb::Load { model, keep_alive } => {
                let keep_alive = keep_alive.map(|text| text.parse::<i64>().map_or(Value::from(text), Value::from));
                self.change("/load", &json!({"model": model, "keep_alive": keep_alive}), &model, "is in memory").await
            }
            Verb::Unload { model } => {
                self.change("/unload", &json!({"model": model}), &model, "is out of memory").await
            }
            Verb::Rm { model } => {
                self.send(Method::DELETE, &format!("/models/{}", encoded(&model)), Body::empty()).await?;
                self.done(&model, "is removed")
            }
        }
    }

    async fn list(&self) -> anyhow::Result<()> {
        let found = self.read(Method::GET, "/models").await?;
        let models = found.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
        if self.json {
            return print::json(&models);
        }
        let text = |row: &Value, field: &str| row.get(field).map(told).unwrap_or_default();
        let row = |row: &Value| {
            let size = bytesize::ByteSize(row.get("size").and_then(Value::as_u64).unwrap_or_default()).to_string();
            let state = if row.get("loaded") == Some(&Value::Bool(true)) { "loaded" } else { "on disk" };
            let made = [text(row, "family"), text(row, "parameter_size"), text(row, "quantization_level")].join(" ");
            vec![text(row, "name"), size, made.trim().to_owned(), state.to_owned(), text(row, "modified_at")]
        };
        let rows: Vec<_> = models.iter().map(row).collect();
        print::table(&["MODEL", "SIZE", "MADE OF", "STATE", "CHANGED"], &rows);
        Ok(())
    }

    async fn show(&self, model: &str) -> anyhow::Result<()> {
        let found = self.read(Method::GET, &format!("/models/{}", encoded(model))).await?;
        if self.json {
            return print::json(&found);
        }
        let capabilities = found.get("capabilities").and_then(Value::as_array).into_iter().flatten().map(told);
        let mut rows = vec![vec!["capabilities".to_owned(), capabilities.collect::<Vec<_>>().join(", ")]];
        let facts = ["details", "model_info"].into_iter().filter_map(|part| found.get(part)?.as_object()).flatten();
        let plain = facts.filter(|(_, value)| value.is_string() || value.is_number());
        let plain = plain.map(|(name, value)| vec![name.clone(), told(value)]);
        rows.extend(plain.filter(|row| row.iter().all(|cell| !cell.is_empty())));
        print::table(&["FACT", "VALUE"], &rows);
        Ok(())
    }

    /// Sends the file where the upstream does not have it yet, then has the model made of it.
    async fn create(&self, mut request: CreateRequest, file: &GgufFile) -> anyhow::Result<()> {
        let path = format!("/blobs/{}", file.digest);
        let there = self.call(Method::HEAD, &path, Body::empty()).await?.status();
        if there == StatusCode::NOT_FOUND {
            self.send(Method::PUT, &path, file.body().await?).await?;
        } else if !there.is_success() {
            bail!("the server answers {there}");
        }
        request.files = [(file.name.clone(), file.digest.clone())].into();
        self.follow("/create", &serde_json::to_value(request)?).await
    }

    async fn change(&self, path: &str, body: &Value, model: &str, outcome: &str) -> anyhow::Result<()> {
        self.send(Method::POST, path, Body::from(body.to_string())).await?;
        self.done(model, outcome)
    }

    fn done(&self, model: &str, outcome: &str) -> anyhow::Result<()> {
        if self.json {
            return print::json(&json!({"model": model, "done": true}));
        }
        print::line(&format!("{model} {outcome}"));
        Ok(())
    }

    /// Shows a report as it comes: bars for people, the lines themselves for machines.
    async fn follow(&self, path: &str, body: &Value) -> anyhow::Result<()> {
        let answered = self.send(Method::POST, path, Body::from(body.to_string())).await?;
        let mut data = answered.into_body();
        let (mut lines, mut bars) = (Lines::default(), Bars::new(self.json));
        while let Some(frame) = data.frame().await.transpose().context("the report broke off")? {
            lines.feed(&frame.into_data().unwrap_or_default())?;
            while let Some(line) = lines.next() {
                bars.line(&line)?;
            }
        }
        bars.end()
    }

    async fn read(&self, method: Method, path: &str) -> anyhow::Result<Value> {
        let answered = self.send(method, path, Body::empty()).await?;
        serde_json::from_slice(&whole(answered).await?).context("the answer is not Kubemate's")
    }

    async fn send(&self, method: Method, path: &str, body: Body) -> anyhow::Result<Response<Incoming>> {
        let answered = self.call(method, path, body).await?;
        let status = answered.status();
        if status.is_success() {
            return Ok(answered);
        }
        let problem: Value = serde_json::from_slice(&whole(answered).await.unwrap_or_default()).unwrap_or_default();
        let detail = problem.get("detail").and_then(Value::as_str).map(str::to_owned);
        Err(anyhow!("{}", detail.unwrap_or_else(|| format!("the server answers {status}"))))
    }

    async fn call(&self, method: Method, path: &str, body: Body) -> anyhow::Result<Response<Incoming>> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.root));
        request = request.header(header::CONTENT_TYPE, "application/json");
        if let Some(value) = &self.authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        let sent = self.freight.send(request.body(body)?).await;
        sent.map_err(|why| anyhow!("the server cannot be reached ({why}); does `kubemate serve` run?"))
    }
}

async fn whole(answered: Response<Incoming>) -> anyhow::Result<Bytes> {
    let collected = Limited::new(answered.into_body(), MAX_ANSWER).collect().await;
    Ok(collected.map_err(|error| anyhow!("the answer broke off: {error}"))?.to_bytes())
}

/// A value as people read it.
fn told(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A name as a part of a path; models' names may hold `/` and `:`, which stay.
fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte);
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// `num_ctx=8192` as Ollama takes it: numbers and truth values are not texts.
fn parameters(settings: &[String]) -> anyhow::Result<Map<String, Value>> {
    let one = |setting: &String| {
        let (name, value) = setting.split_once('=').with_context(|| format!("`{setting}` is not NAME=VALUE"))?;
        Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| value.into())))
    };
    settings.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_names_in_a_path() {
        assert_eq!(encoded("library/qwen3:0.6b"), "library/qwen3:0.6b");
        assert_eq!(encoded("a b?#模"), "a%20b%3F%23%E6%A8%A1");
    }

    #[test]
    fn settings_keep_their_kind() {
        let found = parameters(&["num_ctx=8192".to_owned(), "stop=</s>".to_owned()]).unwrap();
        assert_eq!(Value::from(found), json!({"num_ctx": 8192, "stop": "</s>"}));
        assert!(parameters(&["num_ctx".to_owned()]).is_err());
    }
}
