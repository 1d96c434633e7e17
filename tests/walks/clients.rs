//! The official clients, each in its own venv or folder, against the shared server.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::harness::{CHAT, EMBEDDER, Server, documents, shared};

pub(crate) fn here() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/clients"))
}

/// The folder that holds this set of clients, installed now if it is not yet.
pub(crate) fn installed(set: &str) -> PathBuf {
    let mut install = Command::new("bash");
    install.arg(here().join("install.sh")).arg(set).env("KUBEMATE_CACHE", crate::harness::cache());
    let output = install.stderr(Stdio::inherit()).output().expect("bash starts");
    assert!(output.status.success(), "{set} could not be installed");
    PathBuf::from(String::from_utf8(output.stdout).expect("text").lines().last().expect("a folder"))
}

/// Runs a suite in a tenant of its own; what it says is shown when it fails.
async fn passes(name: &str, mut suite: Command) {
    let server = shared().await;
    let (key, chat_only) = keys(server, name).await;
    suite
        .env("KUBEMATE_BASE_URL", format!("http://{}/v1", server.address))
        .env("KUBEMATE_API_KEY", key)
        .env("KUBEMATE_CHAT_ONLY_KEY", chat_only)
        .env("KUBEMATE_CHAT_MODEL", CHAT)
        .env("KUBEMATE_EMBEDDING_MODEL", EMBEDDER)
        .env("KUBEMATE_RERANK_MODEL", EMBEDDER)
        .env("KUBEMATE_DOCUMENTS", documents())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || suite.output().expect("the suite starts")).await.expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    println!("{said}");
}

/// A key with every right but administration and one that may only chat, of a new tenant.
async fn keys(server: &Server, tenant: &str) -> (String, String) {
    server.admin().post("/admin/v1/tenants", json!({"name": tenant})).await.json();
    let path = format!("/admin/v1/tenants/{tenant}/keys");
    let full = server.admin().post(&path, json!({"name": "suite"})).await.json();
    let chat = server.admin().post(&path, json!({"name": "chat only", "scopes": ["chat"]})).await.json();
    let secret = |key: &serde_json::Value| key["key"].as_str().expect("a secret").to_owned();
    (secret(&full), secret(&chat))
}

pub(crate) fn pytest(set: &str, suite: &str) -> Command {
    let mut command = Command::new(installed(set).join("bin/python"));
    // No cache folder: the checkout stays clean.
    command.args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", "--maxfail=20", "-rA"]);
    if suite == "chain" {
        // Half of the standard suite is async, and its clients are shared by all tests: one loop for all.
        command.args(["-o", "asyncio_mode=auto", "-o", "asyncio_default_test_loop_scope=session"]);
    }
    command.current_dir(here().join("python").join(suite));
    command
}

fn node(set: &str) -> Command {
    let folder = installed(set);
    let mut command = Command::new(folder.join("node_modules/.bin/node"));
    command.args(["--test", "--test-concurrency=1"]).arg(format!("{}/*.test.mjs", here().join("node/suite").display()));
    command.env("KUBEMATE_CLIENT_FOLDER", folder);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_python_3() {
    passes("openai-python-3", pytest("python/requirements-openai3.txt", "sdk")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_python_2() {
    passes("openai-python-2", pytest("python/requirements-openai2.txt", "sdk")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn langchain() {
    let mut suite = pytest("python/requirements-langchain.txt", "chain");
    suite.args(["-o", "asyncio_mode=auto"]); // the standard suite's own tests are partly asynchronous
    passes("langchain", suite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_node_7() {
    passes("openai-node-7", node("node/openai7/package.json")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_node_6() {
    passes("openai-node-6", node("node/openai6/package.json")).await;
}

#[test]
fn golden_bodies_are_as_published() {
    for set in ["python/requirements-openai3.txt", "python/requirements-openai2.txt"] {
        let mut check = Command::new(installed(set).join("bin/python"));
        check.arg("-B").arg(here().join("python/shapes.py")).arg(here().join("../../models/wire/golden"));
        assert!(check.status().expect("python starts").success());
    }
}
